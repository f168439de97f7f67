r"""q(z|x) = N(z; g (m(x) - a) / b + h, diag s(x)^2): a diagonal normal whose means have the deviation g over a batch.

    a, b^2 = mean and variance of m over the batch, or, at rest, over the training rows;  h learned

A posterior that equals the prior has means that do not vary. Here they do, whatever the encoder says, so the rate has a floor:

    E_x KL(q(z|x) || N(0, I)) >= (1/2) sum_d E_x m'_d(x)^2 = (1/2) sum_d (g^2 + h_d^2),  with equality where all s = 1

(Zhu et al. 2020, arXiv:2004.12585)
"""

import torch
from torch import Tensor, nn

from vaekit.core.conditional import Neural
from vaekit.core.declared import NonNegative, Positive, conform
from vaekit.core.learned import LearnsFromData
from vaekit.core.trace import Trace
from vaekit.parts.posteriors.normal import Normal

__all__ = ["NormalisedMean", "normal_posterior"]

_TINY = 1e-8


class NormalisedMean(nn.Module, LearnsFromData):
    """A wrapper around a normal posterior's head, which normalises the first half of its numbers, the means.

    While training, the batch's own moments are used; at rest, the buffers. No step moves them: they are set from the training rows under
    the weights that are measured and kept, which are an average that no step has used.

    Arguments:
        head: from features to the means and the log-scales.
        latent: dimensions at each position.
        spread: g, the deviation of the means over a batch, above 0.
        site: the latent's name in a walk.

    Raises:
        InputError: where the spread is not above 0.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, head: nn.Module, latent: int, spread: Positive = 0.6, site: str = "z"):
        super().__init__()
        conform("spread", spread, Positive)
        self.head, self.spread, self.site = head, spread, site
        self.shift = nn.Parameter(torch.zeros(latent))
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("variance", torch.ones(latent))

    def forward(self, features: Tensor) -> Tensor:
        """The normalised means and the log-scales, `(S, B, *positions, 2 latent)`."""
        location, log_scale = self.head(features).float().chunk(2, dim=-1)
        mean, variance = _moments(location) if self.training else (self.mean, self.variance)
        normalised = self.spread * (location - mean) * torch.rsqrt(variance + _TINY) + self.shift
        return torch.cat([normalised, log_scale], dim=-1)

    def start(self, trace: Trace) -> None:
        """Nothing: a step uses the batch's own moments."""

    @torch.no_grad()
    def observe(self, trace: Trace) -> Tensor:
        """Mean and mean square of the means, in the buffers' units, `(2, latent)`; of no use while training, and not used then."""
        posterior = trace.sites[self.site].posterior
        if posterior is None:
            raise ValueError("means are normalised over rows that are seen: the batch has no x")
        away = ((posterior.mean - self.shift) / self.spread).flatten(0, -2)
        return torch.stack([away.mean(0), away.square().mean(0)])

    def after_step(self, observed: Tensor) -> None:
        """Nothing, see above."""

    @torch.no_grad()
    def settle(self, observed: Tensor) -> None:
        """The moments of the rows that the statistics are of."""
        mean, square = observed
        variance = self.variance + _TINY
        self.mean.add_(variance.sqrt() * mean)
        self.variance.copy_(variance * (square - mean.square()).clamp(min=0))


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over all other axes."""
    axes = tuple(range(values.dim() - 1))
    variance, mean = torch.var_mean(values, axes, correction=0)
    return mean, variance


def normal_posterior(network: nn.Module, latent: int, mean_spread: NonNegative = 0.0) -> Neural:
    """The diagonal normal posterior of a network, its means normalised where asked.

    Arguments:
        network: from evidence to features; has `width`.
        latent: dimensions of the latent.
        mean_spread: g, the deviation of the means over a batch; 0 = they are as the network says.
    """
    family = Normal(latent)
    if not mean_spread:
        return Neural(network, family)
    return Neural(network, family, NormalisedMean(family.head(network.width), latent, mean_spread))  # type: ignore[arg-type]
