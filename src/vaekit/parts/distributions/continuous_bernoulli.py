r"""The continuous Bernoulli on [0, 1], in a form that is exact at every logit.

    p(x) = C(l) e^(l x) / (1 + e^l)  =>  log p(x) = (x - 1/2) l - log(sinh(u) / u),   u = l / 2
    E[x] = 1/2 + L(u) / 2,   L(u) = coth u - 1/u

The usual form divides two numbers that vanish together at p = 1/2; here each even function of u has its series there, so values and
gradients keep their digits. (Loaiza-Ganem, Cunningham 2019, arXiv:1907.06845)
"""

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from vaekit.core.dispatch import from_noise, stop, temper

__all__ = ["ContinuousBernoulli"]

# Below this |u| four terms of the series err by less than float32 rounds; above it the closed form does.
_SERIES = 0.5


def _log_sinhc(u: Tensor) -> Tensor:
    near = u.abs() < _SERIES
    small = torch.where(near, u, torch.zeros_like(u)).square()
    series = small * (1 / 6 + small * (-1 / 180 + small * (1 / 2835 - small / 37800)))
    large = torch.where(near, torch.ones_like(u), u.abs())
    return torch.where(near, series, large + torch.log(-torch.expm1(-2 * large)) - torch.log(2 * large))


def _langevin(u: Tensor) -> Tensor:
    near = u.abs() < _SERIES
    small = torch.where(near, u, torch.zeros_like(u))
    square = small.square()
    series = small * (1 / 3 + square * (-1 / 45 + square * (2 / 945 - square / 4725)))
    large = torch.where(near, torch.ones_like(u), u)
    return torch.where(near, series, 1 / torch.tanh(large) - 1 / large)


class ContinuousBernoulli(Distribution):
    """Values in [0, 1], ends included.

    Arguments:
        logits: l, any real.
    """

    arg_constraints = {}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, logits: Tensor):
        self.logits = logits
        super().__init__(logits.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """1/2 + L(l/2) / 2."""
        return 0.5 + 0.5 * _langevin(self.logits / 2)

    def expand(self, batch_shape: _size, _instance: None = None) -> "ContinuousBernoulli":
        """The same law for a larger batch."""
        return ContinuousBernoulli(self.logits.expand(batch_shape))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile function, log(1 + v (e^l - 1)) / l, mirrored for l > 0 so that nothing overflows."""
        rising = self.logits > 0
        flat = self.logits.abs() < 1e-3
        down = torch.where(flat, -torch.ones_like(self.logits), -self.logits.abs())
        mirrored = torch.where(rising, 1 - value, value)
        steep = torch.log1p(mirrored * torch.expm1(down)) / down
        steep = torch.where(rising, 1 - steep, steep)
        return torch.where(flat, value + self.logits * value * (1 - value) / 2, steep).clamp(0, 1)

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """A draw by the quantile function, differentiable in the logit."""
        shape = self._extended_shape(torch.Size(sample_shape))
        # Half a step keeps the uniforms off 0 and 1, where the steep branch would be log 0.
        u = torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device) * (1 - 2**-23) + 2**-24
        return self.icdf(u)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x) by element, nats."""
        return (value - 0.5) * self.logits - _log_sinhc(self.logits / 2)


@stop.register(ContinuousBernoulli)
def _(d: ContinuousBernoulli) -> ContinuousBernoulli:
    return ContinuousBernoulli(d.logits.detach())


@temper.register(ContinuousBernoulli)
def _(d: ContinuousBernoulli, t: float) -> ContinuousBernoulli:
    return ContinuousBernoulli(d.logits / max(t, 1e-6))


@from_noise.register(ContinuousBernoulli)
def _(d: ContinuousBernoulli, u: Tensor) -> Tensor:
    return d.icdf(u)
