r"""q(z|x) = N(z; n + t d(x), (t s(x))^2): a diagonal normal that says how far it is from a normal prior N(n, t^2), in the prior's units.

    KL(q(z|x) || N(n, t^2)) = KL(N(d, s^2) || N(0, I)),  whatever n and t are     (Vahdat, Kautz 2020, arXiv:2007.03898)

So where the distances d are normalised (Zhu et al. 2020, arXiv:2004.12585), the rate has the floor that it has under N(0, I). With the
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

__all__ = ["Displaced", "Residual", "distances", "normal_change", "residual_posterior"]


def distances(site: Site) -> Tensor:
    """How far the posterior's means are from the prior's, in the prior's deviations, `(S or 1, B, *positions, latent)`."""
    return (site.posterior.mean - site.prior.mean) / site.prior.stddev  # type: ignore[union-attr]


class Displaced(nn.Module):
    """N(n + t d, (t s)^2) of a prior N(n, t^2) that is handed in: how far it is from there, in the prior's own units.

    Arguments:
        change: N(d, s^2), of whatever it is given, a diagonal normal.

    Source: Vahdat, Kautz 2020, arXiv:2007.03898.
    """

    def __init__(self, change: Conditional):
        super().__init__()
        self.change = change

    def forward(self, prior: Any, *given: Tensor | None) -> Distribution:
        """The posterior, of the change's shape; the prior is a diagonal normal too."""
        change: Any = self.change(*given)
        p, d = prior.base_dist, change.base_dist
        moved = _Normal(p.loc + p.scale * d.loc, p.scale * d.scale, validate_args=False)
        return Independent(moved, change.reinterpreted_batch_ndims, validate_args=False)


class Residual(Conditional):
    """N(n + t d, (t s)^2) where evidence alone is handed in: the prior N(n, t^2) is asked for.

    Arguments:
        change: N(d, s^2), given `(x, observed, condition)`.
        prior: N(n, t^2), given the condition; borrowed.

    Source: Vahdat, Kautz 2020, arXiv:2007.03898.
    """

    def __init__(self, change: Conditional, prior: Conditional):
        super().__init__()
        self.displaced, self.prior = Displaced(change), Borrowed(prior)

    def forward(self, *given: Tensor | None) -> Distribution:
        """The posterior, batch shape `(1, B)`, event `(latent,)`."""
        return self.displaced(self.prior(given[2]), *given)


def normal_change(
    network: nn.Module, latent: int, mean_spread: NonNegative = 0.0, site: str = "z", positions: tuple[int, ...] = ()
) -> Neural:
    """N(d, s^2), how far a posterior is from its prior in the prior's units, with the distances d normalised where asked.

    Arguments:
        network: to features; has `width`.
        latent: dimensions of the latent at each position.
        mean_spread: g, the deviation of d over a batch, of a channel of a grid that of all its positions together; 0 = as the network says.
        site: the latent's name in a walk.
        positions: of the latent's grid; empty = a vector.
    """
    family = Normal(latent, positions)
    if not mean_spread:
        return Neural(network, family)
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
    return Residual(normal_change(network, latent, mean_spread), prior)
