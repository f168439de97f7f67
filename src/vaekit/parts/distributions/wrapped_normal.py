r"""A normal wrapped around hyperbolic space of curvature -c, in normal coordinates: z points to a place from the origin, |z| away.

    v ~ N(0, diag s^2),   z = log_0(exp_m(v carried from 0 to m along the geodesic))
    log q(z) = log N(v; 0, diag s^2) + (d - 1) [log (sinh a / a) - log (sinh b / b)],   a = c^(1/2) |z|,   b = c^(1/2) |v|

The density is by the volume of the coordinates, dz, so that it has a ratio to those of the plane: about the origin, m = 0, it is
N(0, diag s^2) itself, and so it is everywhere as c -> 0. The way back is the same map about -m. Places are worked out on the hyperboloid
x_0 = cosh, where carrying and shooting are one product (a boost); coordinates in the ball would crowd at its rim, where a float has no
room: the ball's are z tanh(a / 2) / a. (Nagano, Yamaguchi, Fujita, Koyama 2019, arXiv:1902.02992; Mathieu, Le Lan, Maddison, Tomioka,
Teh 2019, arXiv:1901.06033)
"""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from vaekit.core.dispatch import from_noise, stop, temper
from vaekit.core.rules import quantile_normal
from vaekit.parts.distributions.exact import exactly

__all__ = ["WrappedNormal"]

# A place has a direction at the origin too: the square of the shortest length.
_TINY = 1e-24
_COLDEST = 1e-6


def _length(v: Tensor) -> Tensor:
    return (v.square().sum(-1, keepdim=True) + _TINY).sqrt()


def _stretch(length: Tensor) -> Tensor:
    """log (sinh a / a), which is 0 at 0 and overflows nowhere."""
    return length + torch.log(-torch.expm1(-2 * length) / (2 * length))


def _boosted(v: Tensor, m: Tensor) -> Tensor:
    """log_0(exp_m(v carried from 0 to m)) at curvature -1, in normal coordinates."""
    a, b = _length(v), _length(m)
    y, n = v * (a.sinh() / a), m * (b.sinh() / b)
    x = y + n * (a.cosh() + (n * y).sum(-1, keepdim=True) / (1 + b.cosh()))
    r = _length(x)
    return x * (r.asinh() / r)


class WrappedNormal(Distribution):
    """exp_m of a normal in the tangent space of m, in normal coordinates about the origin.

    Arguments:
        location: m, `(*batch, d)`.
        scale: s > 0, of the same shape: standard deviations along the axes that the origin's become at m.
        curvature: c > 0.
    """

    arg_constraints = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, location: Tensor, scale: Tensor, curvature: float = 1.0):
        self.location, self.scale, self.curvature = location, scale, curvature
        super().__init__(location.shape[:-1], location.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """m, the place about which the law is symmetric."""
        return self.location

    @property
    def variance(self) -> Tensor:
        """By coordinate, to the first order in s: across the way to the origin, coordinates are a / sinh a as long as space is."""
        length = _length(self.location)
        shrunk, along = torch.exp(-_stretch(math.sqrt(self.curvature) * length)), (self.location / length).square()
        s = self.scale.square()
        turned = (along * s).sum(-1, keepdim=True)
        return (1 - shrunk).square() * along * turned + 2 * shrunk * (1 - shrunk) * along * s + shrunk.square() * s

    def expand(self, batch_shape: _size, _instance: None = None) -> "WrappedNormal":
        """The same for a larger batch."""
        shape = (*batch_shape, *self.event_shape)
        return WrappedNormal(self.location.expand(shape), self.scale.expand(shape), self.curvature)

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """Places, `(*sample_shape, *batch, d)`."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.shot(torch.randn(shape, dtype=self.location.dtype, device=self.location.device))

    def shot(self, noise: Tensor) -> Tensor:
        """z of noise e, v = s e, `(..., *batch, d)`."""
        root = math.sqrt(self.curvature)
        # Far from the origin, numbers of the size e^|z| cancel.
        v, m = torch.broadcast_tensors(exactly(self.scale * noise), exactly(self.location))
        return (_boosted(root * v, root * m) / root).to(noise.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(z) by the volume of the coordinates, `(*batch,)`, nats."""
        root, size = math.sqrt(self.curvature), self.event_shape[0]
        z, m, s = root * exactly(value), root * exactly(self.location), exactly(self.scale)
        v = _boosted(*torch.broadcast_tensors(z, -m))
        normal = -0.5 * ((v / (root * s)).square() + 2 * s.log() + math.log(2 * math.pi)).sum(-1)
        volume = (size - 1) * (_stretch(_length(z)) - _stretch(_length(v))).squeeze(-1)
        return (normal + volume).to(value.dtype)


@from_noise.register(WrappedNormal)
def _(d: WrappedNormal, u: Tensor) -> Tensor:
    return d.shot(quantile_normal(u))


@temper.register(WrappedNormal)
def _(d: WrappedNormal, t: float) -> WrappedNormal:
    return WrappedNormal(d.location, d.scale * max(t, _COLDEST), d.curvature)


@stop.register(WrappedNormal)
def _(d: WrappedNormal) -> WrappedNormal:
    return WrappedNormal(d.location.detach(), d.scale.detach(), d.curvature)
