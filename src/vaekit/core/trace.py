r"""What a walk leaves behind: everything that was drawn, and the distributions it was drawn from.

    log w = log p(x|z) + sum_sites [log p(z) - log q(z|x)],   ELBO = E_q[log w] <= log p(x).

Losses, tasks, measures and codecs only read traces. The likelihood is decoded on first use: encoding alone is several times cheaper.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core import dispatch
from vaekit.core import rules as _rules  # noqa: F401  a walk asks for KLs: torch's own distributions must know theirs
from vaekit.core.batch import Batch
from vaekit.core.choose import Chooser

__all__ = ["LatentModel", "Site", "Trace", "over_event"]


Found = TypeVar("Found")


def over_event(values: Tensor) -> Tensor:
    """Sum all but the particles' and the rows' axes: `(S, B, ...) -> (S, B)`."""
    return values.flatten(2).sum(-1) if values.dim() > 2 else values


@dataclass(frozen=True)
class Site:
    """One latent of a walk.

    Arguments:
        z: the value, `(S, B, *latent)`.
        prior: p(z|...), batch shape broadcastable to `(S, B)`.
        posterior: q(z|x, ...); None when generating.
        belief: what was used: one-hot where a label was seen, else the posterior.
    """

    z: Tensor
    prior: Distribution
    posterior: Distribution | None = None
    belief: Distribution | None = None
    # A term and a reading both ask for a KL at every step; functools.cached_property takes a lock, which `torch.compile` cannot trace.
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def _asked(self) -> Distribution:
        if self.belief is None:
            raise ValueError("this latent was drawn without looking at data: it has no posterior, so no KL")
        return self.belief

    @property
    def random(self) -> bool:
        """Whether the latent was drawn from a posterior with a density, so that it has a KL."""
        return self.belief is not None and bool(dispatch.dense(self.belief))

    def kl(self) -> Tensor:
        """KL(q || p), `(S or 1, B)`, nats: exact where a rule stands for the two types, else log q(z) - log p(z) of the draw."""
        if "kl" not in self._kept:
            exact = self._exact()
            self._kept["kl"] = over_event(exact) if exact is not None else -self.log_ratio()
        return self._kept["kl"]

    def kl_by_dimension(self) -> Tensor | None:
        """KL by coordinate, `(S or 1, B, *latent)`; None where it does not fall apart into coordinates."""
        exact = self._exact()
        return exact if exact is not None and exact.dim() > 2 else None

    def _exact(self) -> Tensor | None:
        if "exact" not in self._kept:
            self._kept["exact"] = dispatch.divergence(self._asked(), self.prior)
        return self._kept["exact"]

    def log_ratio(self, stopped: bool = False) -> Tensor:
        """log p(z) - log q(z|x) of the draw, `(S, B)`, nats.

        Arguments:
            stopped: detach the posterior's parameters, keeping the path through z (sticking the landing, DReG).

        Raises:
            TypeError: where the posterior has no density, so that no bound on the likelihood exists.
        """
        belief = self._asked()
        if not dispatch.dense(belief):
            raise TypeError(f"{type(belief).__name__} is a point in a continuum and has no density: this model has no likelihood bound")
        q = dispatch.stop(belief) if stopped else belief
        return self.prior.log_prob(self.z) - q.log_prob(self.z)


@dataclass(frozen=True)
class Trace:
    """A finished walk.

    Arguments:
        batch: the rows it walked over.
        sites: name -> latent, in the order they were decided.
        decode: makes the likelihood; called once, when it is first asked for.
        weight: weight of each particle, `(S, B)`, sums to one over S; None = 1/S.
        fantasy: the likelihood of draws from the prior, where a term needed them.
        cut: the likelihood of the same latents, through which no gradient reaches them, where a term needed it.
    """

    batch: Batch
    sites: Mapping[str, Site]
    decode: Callable[[], Distribution] = field(repr=False)
    weight: Tensor | None = None
    fantasy: Distribution | None = None
    cut: Distribution | None = None
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def likelihood(self) -> Distribution:
        """p(x|z, c), batch shape `(S, B, *event)`: one element a value."""
        return self.once("likelihood", self.decode)

    def once(self, name: str, make: Callable[[], Found]) -> Found:
        """What is worked out once for this walk, and kept under this name for those that ask again."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    @property
    def log_likelihood(self) -> Tensor:
        """log p(x|z, c) of what was seen, `(S, B)`, nats."""
        x, seen = self.batch.x, self.batch.observed
        if x is None:
            raise ValueError("this walk generated: there is no x to score")
        observed = None if seen is None else seen.unsqueeze(0)
        return self.once("log_likelihood", lambda: over_event(dispatch.log_likelihood(self.likelihood, x.unsqueeze(0), observed)))

    def log_weight(self, stopped: bool = False) -> Tensor:
        """log p(x, z) - log q(z|x), `(S, B)`, nats.

        Arguments:
            stopped: detach the posteriors' parameters, keeping the path through z.
        """
        return self.log_likelihood + sum(site.log_ratio(stopped) for site in self.sites.values())

    def kl(self) -> Tensor:
        """The rate: KL summed over the sites, `(S, B)`, nats."""
        particles = max(site.z.shape[0] for site in self.sites.values())
        return reduce(add, (site.kl() for site in self.sites.values())).expand(particles, -1)

    def elbo(self) -> Tensor:
        """E_q[log p(x|z)] - KL, `(B,)`, nats: exact KL where a rule stands."""
        return self.mean(self.log_likelihood - self.kl())

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the particles with their weights: `(S or 1, B, ...) -> (B, ...)`."""
        if values.shape[0] == 1:
            return values.squeeze(0)
        if self.weight is None:
            return values.mean(0)
        return (self.weight.reshape(self.weight.shape + (1,) * (values.dim() - 2)) * values).sum(0)


class LatentModel(nn.Module):
    """A latent-variable model: one walk, whoever chooses.

    Attributes:
        encoder: names, at any depth, of the parts that only look at data; all others explain it.
    """

    encoder: tuple[str, ...] = ("posterior",)

    def forward(self, batch: Batch, choose: Chooser, fantasies: bool = False) -> Trace:
        """Walk over a batch.

        Arguments:
            batch: rows to explain, or a `size` to generate.
            choose: who decides each latent.
            fantasies: also decode draws from the prior, for terms that need them.
        """
        raise NotImplementedError


