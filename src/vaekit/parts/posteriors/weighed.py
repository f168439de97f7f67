r"""Means that are normalised where particles and rows do not all count alike, such as the classes of a row that are all tried.

    m' = g (m - a) / b + h,   a = sum_i w_i m_i,   b^2 = sum_i w_i (m_i - a)^2,   w = q(y|x) times the weight of the row, summing to one

Without the weights, all variance could go to classes that no row is believed to have. (Zhu et al. 2020, arXiv:2004.12585)
"""

from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.distributions import Normal as _Normal

from vaekit.core.declared import NonNegative, Positive
from vaekit.parts.posteriors.normalised import NormalisedMean

__all__ = ["Weighed", "weighed_means"]


class Weighed(nn.Module):
    """What normalises a normal posterior's means where particles and rows do not all count alike.

    Arguments:
        latent: dimensions.
        spread: g, the deviation of the means, above 0.
        site: the latent's name in a walk.
    """

    def __init__(self, latent: int, spread: Positive = 0.6, site: str = "z"):
        super().__init__()
        self.means = NormalisedMean(nn.Identity(), latent, spread, site, weighed=True)

    def forward(self, found: Any, weight: Tensor) -> Distribution:
        """The posterior with its means normalised.

        Arguments:
            found: a diagonal normal of batch shape `(S, B)`.
            weight: of each particle and row, `(S, B)`.
        """
        location = self.means.normalised(found.base_dist.loc, weight)
        moved = _Normal(location, found.base_dist.scale, validate_args=False)
        return Independent(moved, found.reinterpreted_batch_ndims, validate_args=False)


def weighed_means(latent: int, mean_spread: NonNegative = 0.0, site: str = "z") -> Weighed | None:
    """What normalises the means of a posterior of which some particles count more than others; None where none are to be.

    Arguments:
        latent: dimensions of the latent.
        mean_spread: g, the deviation of the means over a batch; 0 = they stay as they are.
        site: the latent's name in a walk.
    """
    return Weighed(latent, mean_spread, site) if mean_spread else None
