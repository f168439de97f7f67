r"""The aggregate posterior's covariance, drawn towards the identity.

    o (sum_{i != j} C_ij^2 + d sum_i (C_ii - 1)^2)
    C = Cov_x E_q[z]  (I)          C = Cov_x E_q[z] + E_x Var_q[z], the covariance of q(z)  (II)

(Kumar, Sattigeri, Balakrishnan 2018, arXiv:1711.00848)
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vaekit.core.declared import NonNegative, conform
from vaekit.core.objective import Term
from vaekit.core.schedule import Weight
from vaekit.core.trace import Site, Trace
from vaekit.parts.objectives.draws import needs_draws

__all__ = ["CovariancePenalty", "of_aggregate", "of_means"]


def of_means(site: Site) -> Tensor:
    """The covariance of the posterior's means over the rows of the batch, `(latent, latent)`.

    Arguments:
        site: with a posterior.
    """
    return _covariance(_rows(site.posterior.mean))  # type: ignore[union-attr]


def of_aggregate(site: Site) -> Tensor:
    """The covariance of the aggregate posterior over the rows of the batch, `(latent, latent)`.

    Arguments:
        site: with a posterior.
    """
    return of_means(site) + _rows(site.posterior.variance).mean(0).diag()  # type: ignore[union-attr]


class CovariancePenalty(Term):
    """The distance of a covariance from the identity, summed over the sites, `()`; uses the rows of the batch, on each rank its own.

    Arguments:
        covariance: of a site: `of_means` (I) or `of_aggregate` (II).
        diagonal: d, how strongly each variance is drawn to 1, beside the covariances.
        weight: o, a number, a schedule, or a schedule's JSON form.
    """

    def __init__(self, covariance: Callable[[Site], Tensor] = of_means, diagonal: NonNegative = 10.0, weight: Weight = 10.0):
        super().__init__("covariance", weight)
        conform("diagonal", diagonal, NonNegative)
        self.covariance, self.diagonal = covariance, diagonal

    def forward(self, trace: Trace) -> Tensor:
        """The penalty over o, `()`.

        Raises:
            InputError: where particles are states of a class, each with a weight.
        """
        needs_draws(self, trace)
        return torch.stack([_distance(self.covariance(site), self.diagonal) for site in trace.sites.values()]).sum()


def _rows(values: Tensor) -> Tensor:
    """One row of coordinates a particle and row, `(S B, latent)`."""
    return values.flatten(2).flatten(0, 1)


def _covariance(values: Tensor) -> Tensor:
    away = values - values.mean(0)
    # In bf16, a variance of 1 would be known to half a percent.
    with torch.autocast(values.device.type, enabled=False):
        return away.T @ away / len(values)


def _distance(covariance: Tensor, diagonal: float) -> Tensor:
    variances = covariance.diagonal()
    return covariance.square().sum() - variances.square().sum() + diagonal * (variances - 1).square().sum()
