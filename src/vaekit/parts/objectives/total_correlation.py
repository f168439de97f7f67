r"""Total correlation: how far the coordinates of the aggregate posterior are from independent.

    KL(q(z) || prod_j q(z_j)),   q(z) = (1/N) sum_n q(z|x_n)

One summand of the rate: E KL(q(z|x) || p(z)) = I(x; z) + total correlation + sum_j KL(q(z_j) || p(z_j)). A batch of B rows stands for all N
in one of two ways (Chen et al. 2018, arXiv:1802.04942):

    weighted     log q(z_i) ~ log sum_j q(z_i|x_j) - log(N B)
    stratified   log q(z_i) ~ log sum_j w_ij q(z_i|x_j),   w_ii = 1 / N,  w_ij = (N - B + 1) / (N (B - 1)) for one j,  1 / (B - 1) else

The first is off by a constant that has no gradient; the second is unbiased for q(z).
A critic that tells rows of z from rows with shuffled coordinates needs no densities (Kim, Mnih 2018, arXiv:1802.05983).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn.functional import softplus

from vaekit.core.declared import Count, conform
from vaekit.core.errors import InputError
from vaekit.core.objective import Term
from vaekit.core.schedule import Weight
from vaekit.core.trace import Site, Trace

__all__ = ["CriticTotalCorrelation", "TotalCorrelation", "Weighting"]

Weighting = Literal["weighted", "stratified"]


def _only_site(trace: Trace) -> Site:
    if len(trace.sites) > 1:
        raise InputError(f"total correlation is of one latent, but this model has {', '.join(trace.sites)}")
    return next(iter(trace.sites.values()))


class TotalCorrelation(Term):
    """log q(z) - sum_j log q(z_j) of each draw, `(S, B)`, nats; uses the rows of the batch, on each rank its own.

    Arguments:
        weighting: how a batch stands for the data set, `weighted` or `stratified`.
        weight: a number, a schedule, or a schedule's JSON form.

    Raises:
        InputError: where the weighting is unknown; in a walk, where the model has several latents or one whose coordinates are not
            independent given a row.
    """

    def __init__(self, weighting: Weighting = "stratified", weight: Weight = 1.0):
        super().__init__("total_correlation", weight)
        conform("weighting", weighting, Weighting)
        self.log_weights = {"weighted": _weighted, "stratified": _stratified}[weighting]

    def forward(self, trace: Trace) -> Tensor:
        """The estimate, `(S, B)`, nats."""
        site = _only_site(trace)
        posterior = site.posterior
        if not isinstance(posterior, Independent):
            raise InputError(f"total correlation needs a posterior of independent coordinates, not {type(posterior).__name__}")
        rows = trace.batch.rows
        # (S, rows of z, rows of x, coordinates)
        densities = _log_density(posterior.base_dist, site.z.unsqueeze(2)).flatten(3)
        log_weights = self.log_weights(rows, max(trace.batch.population, rows)).to(densities)
        together = (densities.sum(-1) + log_weights).logsumexp(-1)
        apart = (densities + log_weights.unsqueeze(-1)).logsumexp(-2).sum(-1)
        return together - apart


def _log_density(base: Distribution, z: Tensor) -> Tensor:
    """log q(z_i|x_j) of every pair of rows.

    Of a normal, what is divided, and the logarithms, are numbers of a row: its own `log_prob` makes them numbers of a pair, in twice as
    many passes over all pairs.
    """
    if not isinstance(base, Normal):
        return base.log_prob(z)
    constant = -(base.scale.log() + 0.5 * math.log(2 * math.pi))
    away = (z - base.loc) * base.scale.reciprocal()
    return torch.addcmul(constant, away, away, value=-0.5)


def _weighted(rows: int, population: int) -> Tensor:
    return torch.full((rows, rows), -math.log(rows * population))


def _stratified(rows: int, population: int) -> Tensor:
    others = max(rows - 1, 1)
    weights = torch.full((rows, rows), 1 / others)
    place = torch.arange(rows)
    weights[place, (place + 1) % rows] = (population - others) / (population * others)
    weights[place, place] = 1 / population if rows > 1 else 1.0
    return weights.log()


class CriticTotalCorrelation(Term):
    """The logit of a critic that tells draws of z from draws with shuffled coordinates, `(S, B)`: at its best log q(z) - sum_j log q(z_j).

    Arguments:
        latent: dimensions of z, two at least.
        hidden: widths of the critic's layers.
        weight: a number, a schedule, or a schedule's JSON form.

    Raises:
        InputError: where there are fewer than two dimensions.
    """

    def __init__(self, latent: int, hidden: Sequence[Count] = (256, 256), weight: Weight = 1.0):
        super().__init__("total_correlation", weight)
        if latent < 2:
            raise InputError(f"total correlation is between dimensions, but latent={latent}: give latent=2 or more")
        widths = [latent, *hidden]
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
        self.critic = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, trace: Trace) -> Tensor:
        """The estimate, `(S, B)`, nats."""
        return self.critic(_only_site(trace).z.flatten(2)).squeeze(-1).float()

    def opponent(self, trace: Trace) -> Tensor:
        """The critic's cross-entropy on draws and shuffled draws, `(S, B)`, nats."""
        z = _only_site(trace).z.flatten(2)
        order = torch.rand_like(z).argsort(1)
        logits, shuffled = (self.critic(values).squeeze(-1).float() for values in (z, z.gather(1, order)))
        return 0.5 * (softplus(-logits) + softplus(shuffled))
