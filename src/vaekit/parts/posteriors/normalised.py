r"""q(z|x) = N(z; g (m(x) - a) / b + h, diag s(x)^2): a diagonal normal whose means have the deviation g over a batch.

    a, b^2 = mean and variance of m over the batch, or, at rest, over the training rows;  h learned

A posterior that equals the prior has means that do not vary. Here they do, whatever the encoder says, so the rate has a floor:

    E_x KL(q(z|x) || N(0, I)) >= (1/2) sum_d E_x m'_d(x)^2 = (1/2) sum_d (g^2 + h_d^2),  with equality where all s = 1

(Zhu et al. 2020, arXiv:2004.12585)

Another prior than N(0, I) needs another reading of the same idea:

    N(n, t^2), learned     what is normalised is how far the posterior is from its prior: `residual`
    on a grid, P places    m over rows and places has the deviation g / sqrt(P): a channel counts as one coordinate, summed over its
                           places, as for free bits, and a place may say nothing where others say more: (g^2 + P h_d^2) / 2 a channel.
    a flow, a mixture      m' varies as above, but a prior that widens with its posterior pays ever less for it: there is no floor.
    where classes weigh    a and b^2 are moments under how much each counts: `weighed`
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.core.conditional import Neural
from vaekit.core.declared import NonNegative, Positive, conform
from vaekit.core.learned import LearnsFromData
from vaekit.core.trace import Site, Trace
from vaekit.parts.posteriors.normal import Normal

__all__ = ["NormalisedMean", "means", "normal_posterior", "read_as_data"]

_TINY = 1e-8


def means(site: Site) -> Tensor:
    """The posterior's means, `(S or 1, B, *positions, latent)`."""
    return site.posterior.mean  # type: ignore[union-attr]


class NormalisedMean(nn.Module, LearnsFromData):
    """A wrapper around a normal posterior's head, which normalises the first half of its numbers, the means.

    While training, the batch's own moments are used; at rest, the buffers. No step moves them: they are set from the training rows under
    the weights that are measured and kept, which are an average that no step has used.

    Arguments:
        head: from features to the means and the log-scales.
        latent: dimensions at each position.
        spread: g, the deviation of the means over a batch, of a channel of a grid that of all its positions together; above 0.
        site: the latent's name in a walk.
        found: what was normalised, as a walk's site shows it: `means`, or `distances` where the head says how far a prior is.
        weighed: whether rows count by their weights, here and at rest alike.

    Raises:
        InputError: where the spread is not above 0.
    """

    mean: Tensor
    variance: Tensor

    def __init__(
        self, head: nn.Module, latent: int, spread: Positive = 0.6, site: str = "z", found: Callable[[Site], Tensor] = means,
        weighed: bool = False,
    ):
        super().__init__()
        conform("spread", spread, Positive)
        self.head, self.spread, self.site, self.found, self.weighed = head, spread, site, found, weighed
        self.shift = nn.Parameter(torch.zeros(latent))
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("variance", torch.ones(latent))
        self._latest: tuple[Tensor, Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a copy has: all but the latest step's moments, which belong to its gradient."""
        return {**self.__dict__, "_latest": None}

    def forward(self, features: Tensor) -> Tensor:
        """The normalised means and the log-scales, `(S, B, *positions, 2 latent)`."""
        location, log_scale = self.head(features).float().chunk(2, dim=-1)
        return torch.cat([self.normalised(location), log_scale], dim=-1)

    def normalised(self, location: Tensor, weight: Tensor | None = None) -> Tensor:
        """Means of rows of the data, normalised; `(S, B, *positions, latent)`.

        Arguments:
            location: m, of the same shape.
            weight: of each particle and row, `(S, B)`; None = all alike.
        """
        if not self.training:
            return self._moved(location, self.mean, self.variance)
        self._latest = _moments(location, weight)
        return self._moved(location, *self._latest)

    def as_data(self, features: Tensor) -> Tensor:
        """Numbers as `forward` gives them, of rows that are not of the data: normalised as the latest rows of the data were."""
        location, log_scale = self.head(features).float().chunk(2, dim=-1)
        moments = self._latest if self.training and self._latest is not None else (self.mean, self.variance)
        return torch.cat([self._moved(location, *moments), log_scale], dim=-1)

    def _moved(self, location: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return self._deviation(location) * (location - mean) * torch.rsqrt(variance + _TINY) + self.shift

    def _deviation(self, values: Tensor) -> float:
        return self.spread / sqrt(values.shape[2:-1].numel())

    def start(self, trace: Trace) -> None:
        """Nothing: a step uses the batch's own moments."""

    @torch.no_grad()
    def observe(self, trace: Trace) -> Tensor:
        """Mean and mean square of the means, in the buffers' units, `(2, latent)`; of no use while training, and not used then."""
        site = trace.sites[self.site]
        if site.posterior is None:
            raise ValueError("means are normalised over rows that are seen: the batch has no x")
        found = self.found(site)
        away = (found - self.shift) / self._deviation(found)
        # At rest a row must lie where it lay while training: among the rows of a batch as they came, unless they are weighed there too.
        rows = trace.batch.weight if self.weighed else None
        weight = 1.0 if rows is None else rows.reshape(-1, *(1,) * (away.dim() - 2))
        return torch.stack([(weight * trace.mean(values)).flatten(0, -2).mean(0) for values in (away, away.square())])

    def after_step(self, observed: Tensor) -> None:
        """Nothing, see above."""

    @torch.no_grad()
    def settle(self, observed: Tensor) -> None:
        """The moments of the rows that the statistics are of."""
        mean, square = observed
        variance = self.variance + _TINY
        self.mean.add_(variance.sqrt() * mean)
        self.variance.copy_(variance * (square - mean.square()).clamp(min=0))


def _moments(values: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over all other axes, under weights `(S, B)` of particles and rows."""
    axes = tuple(range(values.dim() - 1))
    if weight is None:
        variance, mean = torch.var_mean(values, axes, correction=0)
        return mean, variance
    share = (weight / weight.sum()).reshape(*weight.shape, *(1,) * (values.dim() - 2)) / values.shape[2:-1].numel()
    mean = (share * values).sum(axes)
    return mean, (share * (values - mean).square()).sum(axes)


class _AsData(nn.Module):
    """A head for rows that are not of the data.

    Arguments:
        head: that of the rows of the data, which it belongs to.
    """

    def __init__(self, head: NormalisedMean):
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        """The numbers of a normal posterior, `(S, B, *positions, 2 latent)`."""
        return self.head.as_data(features)


def read_as_data(posterior: Neural) -> Neural:
    """A posterior for rows that are not of the data: where its means are normalised, by the moments of the latest rows that were.

    Rows that were learned, such as pseudo-inputs, must neither be normalised by moments of their own, which would hide where they lie
    among the data, nor have a part in those of the data. In a walk the rows of the data are read first.

    Arguments:
        posterior: of rows of the data.
    """
    if not isinstance(posterior.head, NormalisedMean):
        return posterior
    return Neural(posterior.network, posterior.family, _AsData(posterior.head))


def normal_posterior(network: nn.Module, latent: int, mean_spread: NonNegative = 0.0, site: str = "z") -> Neural:
    """The diagonal normal posterior of a network, its means normalised where asked.

    Arguments:
        network: from evidence to features; has `width`.
        latent: dimensions of the latent.
        mean_spread: g, the deviation of the means over a batch; 0 = they are as the network says.
        site: the latent's name in a walk.
    """
    family = Normal(latent)
    if not mean_spread:
        return Neural(network, family)
    return Neural(network, family, NormalisedMean(family.head(network.width), latent, mean_spread, site))  # type: ignore[arg-type]
