r"""Losses that a critic D takes part in, sigma(D) = the chance that what it sees is real.

    critic      softplus(-D(x)) + [softplus(D(x_p)) + softplus(D(x~))] / 2 + (r n / 2) ((D(x + s e) - D(x)) / s)^2,   e ~ N(0, I)
    decoder     [softplus(-D(x_p)) + softplus(-D(x~))] / 2,      x_p of z ~ p(z),   x~ of z ~ q(z|x), z cut off from the encoder
    features    |f(x) - f(x~)|^2 / 2 = -log N(f(x); f(x~), I) + const,      f a hidden layer of D
    latents     softplus(-D(z)),   z ~ q(z|x);   its critic   softplus(-D(u)) + softplus(D(z)),   u ~ p(z)

Rows are judged by what the likelihood says of them, means and probabilities, which have gradients where draws have none; and with the gaps
of the batch, or gaps would tell the real rows from the others. The decoder's loss is the one that does not vanish where the critic is sure
(Goodfellow et al. 2014, arXiv:1406.2661). The critic's penalty is on its slope at real rows, without which the two sides go round each
other for ever (Mescheder et al. 2018, arXiv:1801.04406): E_e ((e . grad D)^2) = |grad D|^2, and a difference along e needs no second
derivative (Lin et al. 2025, arXiv:2501.08316). Rows of n numbers lie about n^(1/2) apart, so that a slope of n^(-1/2) tells them apart
whatever n is: r counts in these units.

(features: Larsen et al. 2016, arXiv:1512.09300; latents: Makhzani et al. 2015, arXiv:1511.05644)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import softplus

from vaekit.core.borrowed import Borrowed
from vaekit.core.declared import Count, NonNegative, conform
from vaekit.core.dispatch import from_noise, soft
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Needs, Term
from vaekit.core.schedule import Weight
from vaekit.core.trace import Trace
from vaekit.parts.networks import MLP

__all__ = ["Adversary", "FeatureReconstruction", "LatentAdversary"]

# The length of the step along which a slope is measured, where values are about one.
_STEP = 0.1


def _slope(here: Tensor, there: Tensor, numbers: int) -> Tensor:
    """Half n |grad D|^2 from two logits a step apart."""
    return 0.5 * numbers * ((there - here) / _STEP).square()


def _share(right: Tensor) -> Tensor:
    return right.float()


class Adversary(Term):
    """How surely a critic finds decoded rows false, `(S, B)`, nats; moves the decoder, and neither the encoder nor the prior.

    Arguments:
        critic: of rows, as a modality makes it; the term's own.
        penalty: r, of the critic's slope at real rows, for each number that it sees of a row.
        weight: a number, a schedule, or a schedule's JSON form.
    """

    needs = Needs(fantasies=True, cut=True)

    def __init__(self, critic: Any, penalty: NonNegative = 0.05, weight: Weight = 1.0):
        super().__init__("adversary", weight)
        conform("penalty", penalty, NonNegative)
        self.critic, self.penalty = critic, penalty

    def real(self, trace: Trace) -> tuple[Tensor, Tensor]:
        """Features `(1, B, width)` and logits `(1, B)` of the batch's rows."""
        x, observed, condition = trace.batch.evidence
        return trace.once("critic.real", lambda: self.critic(self.critic.embed(x, observed), condition))

    def decoded(self, rows: Tensor, trace: Trace) -> tuple[Tensor, Tensor]:
        """Features `(S, B, width)` and logits `(S, B)` of decoded rows, seen with the batch's gaps."""
        _, observed, condition = trace.batch.evidence
        return self.critic(self.critic.embed_soft(rows, observed), condition)

    def false(self, trace: Trace) -> tuple[Tensor, Tensor]:
        """Logits of rows drawn from the prior, `(1, B)`, and of reconstructions, `(S, B)`."""
        made: tuple[Distribution | None, ...] = (trace.fantasy, trace.cut)
        logits = trace.once("critic.false", lambda: self.decoded(torch.cat([soft(d) for d in made]), trace)[1])
        return logits[:1], logits[1:]

    def forward(self, trace: Trace) -> Tensor:
        """What the decoder pays, `(S, B)`, nats."""
        drawn, rebuilt = self.false(trace)
        return 0.5 * (softplus(-drawn) + softplus(-rebuilt))

    def readings(self, trace: Trace) -> Mapping[str, Tensor]:
        """The critic's mean logits of each kind of row, and the share of rows that it is right of, kinds that are real and not alike."""
        (_, real), (drawn, rebuilt) = self.real(trace), self.false(trace)
        right = 0.5 * _share(real > 0) + 0.25 * (_share(drawn < 0) + _share(rebuilt < 0))
        return {"critic.real": real, "critic.drawn": drawn, "critic.rebuilt": rebuilt, "critic.accuracy": right}

    def opponent(self, trace: Trace) -> Tensor:
        """The critic's cross-entropy and the penalty of its slope, `(S, B)`, nats."""
        x, observed, condition = trace.batch.evidence
        h = self.critic.embed(x, observed).float()
        # A slope is a small difference of logits: bf16 would round it away.
        with torch.autocast(h.device.type, enabled=False):
            _, logits = self.critic(torch.cat([h, h + _STEP * torch.randn_like(h)]), condition)
        drawn, rebuilt = self.false(trace)
        slope = _slope(logits[:1], logits[1:], h[0, 0].numel())
        return softplus(-logits[:1]) + 0.5 * (softplus(drawn) + softplus(rebuilt)) + self.penalty * slope


class FeatureReconstruction(Term):
    """-log N(f(x); f(x~), I) without its constant, `(S, B)`, nats; moves the encoder and the decoder, never the critic.

    Arguments:
        adversary: whose critic has the hidden layer f; borrowed.
        weight: a number, a schedule, or a schedule's JSON form.
    """

    def __init__(self, adversary: Adversary, weight: Weight = 1.0):
        super().__init__("feature_distortion", weight)
        self.adversary = Borrowed(adversary)

    def forward(self, trace: Trace) -> Tensor:
        """Half the squared distance of the features, `(S, B)`, nats."""
        adversary = self.adversary.module
        real, _ = adversary.real(trace)
        rebuilt, _ = adversary.decoded(soft(trace.likelihood), trace)
        return 0.5 * (real.float() - rebuilt.float()).square().sum(-1)


class LatentAdversary(Term):
    """How surely a critic tells latents from draws of the prior, `(S, B)`, nats; moves the encoder, and not the decoder.

    Arguments:
        latent: numbers of all latents together.
        condition_width: numbers of a condition, beside which latents are judged; 0 = none.
        hidden: widths of the critic's layers.
        penalty: r, of the critic's slope at draws of the prior, for each number of them.
        weight: a number, a schedule, or a schedule's JSON form.
    """

    def __init__(
        self, latent: Count, condition_width: int = 0, hidden: Sequence[Count] = (256, 256), penalty: NonNegative = 0.05,
        weight: Weight = 1.0,
    ):
        super().__init__("adversary", weight)
        conform("latent", latent, Count)
        conform("penalty", penalty, NonNegative)
        layers = MLP(latent + condition_width, hidden, "leaky_relu")
        self.critic = nn.ModuleList([layers, nn.Linear(layers.width, 1)])
        self.penalty = penalty

    def judged(self, z: Tensor, trace: Trace) -> Tensor:
        """Logits of latents, `(S, B)`."""
        layers, last = self.critic
        return last(layers(z, trace.batch.evidence[2])).squeeze(-1).float()

    def encoded(self, trace: Trace) -> Tensor:
        """Logits of the walk's own latents, `(S, B)`."""
        z = torch.cat([site.z.flatten(2) for site in trace.sites.values()], dim=-1)
        return trace.once("critic.encoded", lambda: self.judged(z, trace))

    def forward(self, trace: Trace) -> Tensor:
        """What the encoder pays, `(S, B)`, nats."""
        return softplus(-self.encoded(trace))

    def readings(self, trace: Trace) -> Mapping[str, Tensor]:
        """The critic's mean logits of draws from the prior and of latents, and the share of both that it is right of."""
        drawn, encoded = self.judged(self._prior(trace), trace), self.encoded(trace)
        return {
            "critic.real": drawn, "critic.encoded": encoded, "critic.accuracy": 0.5 * (_share(drawn > 0) + _share(encoded < 0)),
        }

    def opponent(self, trace: Trace) -> Tensor:
        """The critic's cross-entropy and the penalty of its slope, `(S, B)`, nats."""
        drawn = self._prior(trace).float()
        with torch.autocast(drawn.device.type, enabled=False):
            here, there = (self.judged(values, trace) for values in (drawn, drawn + _STEP * torch.randn_like(drawn)))
        return softplus(-here) + softplus(self.encoded(trace)) + self.penalty * _slope(here, there, drawn.shape[-1])

    def _prior(self, trace: Trace) -> Tensor:
        """As many draws from the prior as there are latents, `(S, B, latent)`."""
        found = []
        x, _, _ = trace.batch.evidence
        for name, site in trace.sites.items():
            # While measuring, draws belong to rows: two measurements differ by the weights alone.
            noise = torch.rand_like(site.z) if self.training else RowNoise(x[0])(f"prior.{name}", site.z.shape)  # type: ignore[index]
            found.append(from_noise(site.prior, noise.clamp(1e-7, 1 - 1e-7)).expand_as(site.z).flatten(2))
        return torch.cat(found, dim=-1)
