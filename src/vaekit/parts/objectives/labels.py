r"""What labels add to the evidence bound.

    labelled     L(x, y) = E_{q(z|x,y)}[log p(x|y,z) + log p(y) + log p(z) - log q(z|x,y)] <= log p(x, y)
    unlabelled   U(x) = sum_y q(y|x) L(x, y) + H[q(y|x)] <= log p(x)
    J = -(1/N) [sum_labelled L + sum_unlabelled U] + alpha (1/N_l) sum_labelled -log q(y|x)

(Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298, eqs. 6 to 9; their alpha is this one times N)

Reconstruction and rate of a walk that enumerates y are both bounds at once: where a label was seen, the belief is that class, its KL
to p(y) is -log p(y), and the other classes weigh nothing; elsewhere the belief is q(y|x). What is left for this file is the last term.
"""

import torch
from torch import Tensor

from vaekit.core.batch import lead
from vaekit.core.borrowed import Borrowed
from vaekit.core.conditional import Conditional
from vaekit.core.declared import Fraction, NonNegative, Share, conform
from vaekit.core.dispatch import divergence
from vaekit.core.objective import Needs, Term
from vaekit.core.schedule import NonNegativeWeight, Weight
from vaekit.core.trace import Trace, over_event
from vaekit.parts.objectives.evidence import floored

__all__ = ["RateUnder", "Classification"]


class Classification(Term):
    """-log q(y|x) of the labelled rows, `(S or 1, B)`, nats, over the share of rows that have a label: its mean is one over these rows.

    Arguments:
        share: of the data's rows that have a label, N_l / N.
        weight: alpha: a number, a schedule, or a schedule's JSON form.
        batch: share of a batch's rows that should have a label, where fewer of the data's do.
        enumerated: sites that the walk takes every state of; the class, for a bound that is exact in it.

    Raises:
        InputError: where a share is out of range.
    """

    def __init__(self, share: Fraction = 1.0, weight: NonNegativeWeight = 0.1, batch: Share = 0.25, enumerated: tuple[str, ...] = ("y",)):
        super().__init__("classification", weight)
        conform("share", share, Fraction)
        conform("weight", weight, NonNegativeWeight)
        conform("batch", batch, Share)
        self.needs = Needs(enumerated=enumerated, labels=batch)
        self.share = share

    def forward(self, trace: Trace) -> Tensor:
        """The cross-entropy of rows with a label, 0 elsewhere, nats."""
        logits: Tensor = trace.sites["y"].posterior.logits  # type: ignore[union-attr]
        label = trace.batch.label
        if label is None:
            return torch.zeros_like(logits[..., 0])
        index = label.clamp(min=0).reshape(1, -1, 1).expand(*logits.shape[:2], 1)
        entropy = -logits.gather(-1, index).squeeze(-1)
        return torch.where(label >= 0, entropy, torch.zeros_like(entropy)) / self.share


class RateUnder(Term):
    """KL(q(z|x) || p_0(z)) of one site against a prior of its own, `(S or 1, B)`, nats: while what will lie above it is still to be learnt.

    Arguments:
        site: name of the latent.
        prior: p_0, given the condition; borrowed.
        weight: a number, a schedule, or a schedule's JSON form.
        free_bits: lambda, nats a coordinate: below it, its mean over the batch costs nothing more; `()` then.

    Raises:
        InputError: where free bits are negative.
    """

    # The rates of what lies above say nothing yet.
    needs = Needs(rates=False)

    def __init__(self, site: str, prior: Conditional, weight: Weight = 1.0, free_bits: NonNegative = 0.0):
        super().__init__("rate", weight)
        conform("free_bits", free_bits, NonNegative)
        self.site, self.prior, self.free_bits = site, Borrowed(prior), free_bits

    def forward(self, trace: Trace) -> Tensor:
        """The rate, nats."""
        site, prior = trace.sites[self.site], self.prior(lead(trace.batch.condition))
        exact = divergence(site.posterior, prior)
        kl = site.posterior.log_prob(site.z) - prior.log_prob(site.z) if exact is None else exact  # type: ignore[union-attr]
        return floored(kl, trace, self.free_bits) if self.free_bits else over_event(kl)
