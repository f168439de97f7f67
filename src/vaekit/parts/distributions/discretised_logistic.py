r"""A logistic rounded to the levels k / (L - 1), k = 0 .. L - 1, its tails falling into the end levels.

    P(x) = sigma(a) - sigma(b),   a, b = (x + h - m) / s, (x - h - m) / s,   h = 1 / 2(L - 1);   a = inf at x = 1, b = -inf at x = 0
    log P(x) = [x < 1] log sigma(a) + [x > 0] log sigma(-b) + [0 < x < 1] log(1 - e^(b - a))

The second line is the first without its subtraction: sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - e^(b - a)), so that no tail rounds
to log 0. (Salimans et al. 2017, arXiv:1701.05517)
"""

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import logsigmoid, softplus
from torch.types import _size

from vaekit.core.dispatch import from_noise, stop, temper

__all__ = ["DiscretisedLogistic"]


class _Levels(constraints.Constraint):
    """The values k / (L - 1)."""

    is_discrete = True

    def __init__(self, levels: int):
        self.levels = levels
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        steps = value * (self.levels - 1)
        return (value >= 0) & (value <= 1) & ((steps - steps.round()).abs() < 1e-3)


class DiscretisedLogistic(Distribution):
    """A rounded logistic on equally spaced levels in [0, 1].

    Arguments:
        location: m, any real.
        scale: s > 0.
        levels: L >= 2.
    """

    arg_constraints = {}

    def __init__(self, location: Tensor, scale: Tensor, levels: int = 256):
        self.location, self.scale = torch.broadcast_tensors(location, scale)
        self.levels = levels
        super().__init__(self.location.shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """The levels."""
        return _Levels(self.levels)

    @property
    def mean(self) -> Tensor:
        r"""int_0^1 P(y > t) dt = s softplus(m / s) - s softplus((m - 1) / s), for y before rounding.

        The rounded law's mean is the midpoint rule for this integral over L - 1 cells: nearer than half a level, at no memory.
        """
        return self.scale * (softplus(self.location / self.scale) - softplus((self.location - 1) / self.scale))

    @property
    def variance(self) -> Tensor:
        """Of the logistic before rounding: (pi s)^2 / 3."""
        return (torch.pi * self.scale).square() / 3

    def expand(self, batch_shape: _size, _instance: None = None) -> "DiscretisedLogistic":
        """The same law for a larger batch."""
        return DiscretisedLogistic(self.location.expand(batch_shape), self.scale.expand(batch_shape), self.levels)

    def quantile(self, u: Tensor) -> Tensor:
        """The level at u in (0, 1): the logistic's own quantile, rounded."""
        steps = self.levels - 1
        return ((self.location + self.scale * torch.logit(u)) * steps).round().clamp(0, steps) / steps

    @torch.no_grad()
    def sample(self, sample_shape: _size = ()) -> Tensor:
        """Levels, `(*sample_shape, *batch_shape)`."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.quantile(torch.rand(shape, dtype=self.location.dtype, device=self.location.device))

    def log_prob(self, value: Tensor) -> Tensor:
        """log P(x) by element, nats."""
        half = 0.5 / (self.levels - 1)
        inverse = self.scale.reciprocal()
        offset = value - self.location
        zero = torch.zeros((), dtype=offset.dtype, device=offset.device)
        not_top, not_bottom = value < 1 - half, value > half
        below = torch.where(not_top, logsigmoid((offset + half) * inverse), zero)
        above = torch.where(not_bottom, logsigmoid((half - offset) * inverse), zero)
        width = torch.where(not_top & not_bottom, torch.log(-torch.expm1(-2 * half * inverse)), zero)
        return below + above + width


@stop.register(DiscretisedLogistic)
def _(d: DiscretisedLogistic) -> DiscretisedLogistic:
    return DiscretisedLogistic(d.location.detach(), d.scale.detach(), d.levels)


@temper.register(DiscretisedLogistic)
def _(d: DiscretisedLogistic, t: float) -> DiscretisedLogistic:
    return DiscretisedLogistic(d.location, d.scale * max(t, 1e-6), d.levels)


@from_noise.register(DiscretisedLogistic)
def _(d: DiscretisedLogistic, u: Tensor) -> Tensor:
    return d.quantile(u)
