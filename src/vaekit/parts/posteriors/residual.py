r"""Posteriors that say how far they are from a normal prior N(n, t^2).

    displaced             q(z|x) = N(z; n + d(x), (t s(x))^2)      KL = sum (d^2 / t^2 + s^2 - log s^2 - 1) / 2
    in the prior's units  q(z|x) = N(z; n + t d(x), (t s(x))^2)    KL = sum (d^2 + s^2 - log s^2 - 1) / 2,  whatever n and t are

(the first: Vahdat, Kautz 2020, arXiv:2007.03898)

Of the first, a prior that learns may narrow only as far as the distances allow. Of the second it may without end, since t is no part of
the rate: a latent that only adds noise to what is below it is then narrowed away before it has learnt to say anything. But where the
distances are normalised (Zhu et al. 2020, arXiv:2004.12585), the second has the floor of the rate that there is under N(0, I). With the
means themselves normalised there is none under a prior that learns: both can widen together until the means tell nothing.
"""

from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.distributions import Normal as _Normal

from vaekit.core.borrowed import Borrowed
from vaekit.core.conditional import Conditional, Neural
from vaekit.core.declared import NonNegative
from vaekit.core.trace import Site
from vaekit.parts.posteriors.normal import Normal
from vaekit.parts.posteriors.normalised import NormalisedMean, normal_posterior

__all__ = ["Displaced", "DisplacedInUnits", "Residual", "displaced_posterior", "distances", "residual_posterior"]


def distances(site: Site) -> Tensor:
    """How far the posterior's means are from the prior's, in the prior's deviations, `(S or 1, B, *positions, latent)`."""
    return (site.posterior.mean - site.prior.mean) / site.prior.stddev  # type: ignore[union-attr]


class Displaced(nn.Module):
    """N(n + d, (t s)^2) of a prior N(n, t^2) that is handed in.

    Arguments:
        away: N(d, s^2), of whatever it is given, a diagonal normal.

    Source: Vahdat, Kautz 2020, arXiv:2007.03898.
    """

    def __init__(self, away: Conditional):
        super().__init__()
        self.away = away

    def forward(self, prior: Any, *given: Tensor | None) -> Distribution:
        """The posterior, of the shape of what it is away; the prior is a diagonal normal too."""
        away: Any = self.away(*given)
        return _moved(prior, away, away.base_dist.loc)


class DisplacedInUnits(nn.Module):
    """N(n + t d, (t s)^2) of a prior N(n, t^2) that is handed in: how far it is from there, in the prior's own units.

    Arguments:
        change: N(d, s^2), of whatever it is given, a diagonal normal.
    """

    def __init__(self, change: Conditional):
        super().__init__()
        self.change = change

    def forward(self, prior: Any, *given: Tensor | None) -> Distribution:
        """The posterior, of the change's shape; the prior is a diagonal normal too."""
        change: Any = self.change(*given)
        return _moved(prior, change, prior.base_dist.scale * change.base_dist.loc)


def _moved(prior: Any, change: Any, by: Tensor) -> Distribution:
    """N(n + by, (t s)^2)."""
    p = prior.base_dist
    moved = _Normal(p.loc + by, p.scale * change.base_dist.scale, validate_args=False)
    return Independent(moved, change.reinterpreted_batch_ndims, validate_args=False)


class Residual(Conditional):
    """N(n + t d, (t s)^2) where evidence alone is handed in: the prior N(n, t^2) is asked for.

    Arguments:
        change: N(d, s^2), given `(x, observed, condition)`.
        prior: N(n, t^2), given the condition; borrowed.
    """

    def __init__(self, change: Conditional, prior: Conditional):
        super().__init__()
        self.displaced, self.prior = DisplacedInUnits(change), Borrowed(prior)

    def forward(self, *given: Tensor | None) -> Distribution:
        """The posterior, batch shape `(1, B)`, event `(latent,)`."""
        return self.displaced(self.prior(given[2]), *given)


def displaced_posterior(
    network: nn.Module, latent: int, mean_spread: NonNegative = 0.0, site: str = "z", positions: tuple[int, ...] = ()
) -> Displaced | DisplacedInUnits:
    """A diagonal normal posterior that is handed its prior; where its distances are normalised, they are in the prior's units.

    Arguments:
        network: to features; has `width`.
        latent: dimensions of the latent at each position.
        mean_spread: g, the deviation of d over a batch, of a channel of a grid that of all its positions together; 0 = as the network says.
        site: the latent's name in a walk.
        positions: of the latent's grid; empty = a vector.
    """
    if not mean_spread:
        return Displaced(Neural(network, Normal(latent, positions)))
    return DisplacedInUnits(_spread(network, latent, mean_spread, site, positions))


def _spread(network: nn.Module, latent: int, mean_spread: float, site: str = "z", positions: tuple[int, ...] = ()) -> Neural:
    """N(d, s^2) whose means d are normalised."""
    family = Normal(latent, positions)
    return Neural(network, family, NormalisedMean(family.head(network.width), latent, mean_spread, site, distances))  # type: ignore[arg-type]


def residual_posterior(network: nn.Module, latent: int, prior: Conditional, mean_spread: NonNegative = 0.0) -> Conditional:
    """A diagonal normal posterior under a normal prior that learns; where its means are normalised, they are in the prior's units.

    Arguments:
        network: from evidence to features; has `width`.
        latent: dimensions of the latent.
        prior: p(z|c), a diagonal normal.
        mean_spread: g, the deviation of the distances from the prior over a batch; 0 = a posterior that does not look at its prior.
    """
    if not mean_spread:
        return normal_posterior(network, latent)
    return Residual(_spread(network, latent, mean_spread), prior)
