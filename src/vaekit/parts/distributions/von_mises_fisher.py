r"""A direction about a mean direction, and a direction about none.

    p(z) = C_d(k) exp(k <m, z>),  |z| = |m| = 1,      C_d(k) = k^(d/2 - 1) / ((2 pi)^(d/2) I_(d/2-1)(k))
    KL(p || uniform) = log C_d(k) + k A + log S,   A = E<m, z> = I_(d/2)(k) / I_(d/2-1)(k),   S = 2 pi^(d/2) / Gamma(d/2)

Densities are by the sphere's own area. A draw is z = cos(a) m + sin(a) v, with v even on the directions at a right angle to m, and the
angle a the quantile of f(a) = exp(k cos a) (sin a)^(d-2) / Z at a uniform: summed on a grid about its mode, and inverted there. Its
derivative is that of the quantile, da/dk = -(dF/dk) / f. A draw by rejection would take a number of rounds that no compiled step can
trace, and its gradient would lack a term.
(Davidson et al. 2018, arXiv:1804.00891; implicit derivatives: Figurnov et al. 2018, arXiv:1805.08498)
"""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from vaekit.core.dispatch import centre, divergence, from_noise, onto, soft, stop, temper
from vaekit.core.rules import quantile_normal
from vaekit.parts.distributions.bessel import log_bessel
from vaekit.parts.distributions.exact import exactly

__all__ = ["UniformSphere", "VonMisesFisher"]

_CELLS = 96
# Deviations about the mode of the angle that the grid spans.
_REACH = 9.0
_SMALLEST, _MOST, _COLDEST = 1e-7, 1e8, 1e-3


class _Sphere(constraints.Constraint):
    """Vectors of length 1."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return (value.square().sum(-1) - 1).abs() < 1e-4


def _log_area(size: int) -> float:
    """log S, of the unit sphere in so many dimensions."""
    return math.log(2) + size / 2 * math.log(math.pi) - math.lgamma(size / 2)


class UniformSphere(Distribution):
    """Each direction alike, batch shape `(1, 1)` unless expanded.

    Arguments:
        like: any tensor of shape `(*batch, d)`, for its shape, type and device.
    """

    arg_constraints = {}
    support = _Sphere()
    has_rsample = False

    def __init__(self, like: Tensor):
        self.like = like.detach()
        super().__init__(like.shape[:-1], like.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """0, which is no direction."""
        return torch.zeros_like(self.like)

    @property
    def variance(self) -> Tensor:
        """1/d by coordinate."""
        return torch.full_like(self.like, 1 / self.event_shape[0])

    def expand(self, batch_shape: _size, _instance: None = None) -> "UniformSphere":
        """The same for a larger batch."""
        return UniformSphere(self.like.expand(*batch_shape, *self.event_shape))

    @torch.no_grad()
    def sample(self, sample_shape: _size = ()) -> Tensor:
        """Directions, `(*sample_shape, *batch, d)`."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return torch.nn.functional.normalize(torch.randn(shape, dtype=self.like.dtype, device=self.like.device), dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """-log S of each, `(*batch,)`."""
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return torch.full(shape, -_log_area(self.event_shape[0]), dtype=value.dtype, device=value.device)


class VonMisesFisher(Distribution):
    """Directions about a mean one.

    Arguments:
        direction: m, `(*batch, d)`, of length 1, d >= 2.
        concentration: k > 0, broadcastable to `(*batch, 1)`.
    """

    arg_constraints = {}
    support = _Sphere()
    has_rsample = True

    def __init__(self, direction: Tensor, concentration: Tensor):
        self.direction, self.concentration = direction, concentration
        super().__init__(direction.shape[:-1], direction.shape[-1:], validate_args=False)

    @property
    def size(self) -> int:
        """d."""
        return self.event_shape[0]

    def _moments(self) -> tuple[Tensor, Tensor]:
        """log C + k, and A, each `(*batch, 1)`, in float64."""
        k, order = exactly(self.concentration), self.size / 2 - 1
        log_bessel_scaled, resultant = log_bessel(order, k)
        return order * k.log() - self.size / 2 * math.log(2 * math.pi) - log_bessel_scaled, resultant

    @property
    def mean(self) -> Tensor:
        """A m, within the sphere."""
        return self._moments()[1].to(self.direction.dtype) * self.direction

    @property
    def variance(self) -> Tensor:
        """A / k + (1 - d A / k - A^2) m_i^2 by coordinate."""
        resultant = self._moments()[1]
        across = resultant / exactly(self.concentration)
        along = 1 - self.size * across - resultant.square()
        return (across + along * exactly(self.direction).square()).clamp(min=0).to(self.direction.dtype)

    def entropy(self) -> Tensor:
        """-E log p, `(*batch,)`, nats by area."""
        log_scale, resultant = self._moments()
        return -(log_scale - exactly(self.concentration) * (1 - resultant)).squeeze(-1).to(self.direction.dtype)

    def expand(self, batch_shape: _size, _instance: None = None) -> "VonMisesFisher":
        """The same for a larger batch."""
        # The concentration stays as it is, so that its tables are worked out once for all draws of a row.
        return VonMisesFisher(self.direction.expand(*batch_shape, self.size), self.concentration)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z) by area, `(*batch,)`, nats."""
        # <m, z> - 1 = -|m - z|^2 / 2: near the mean no digits are lost.
        away = exactly(value - self.direction).square().sum(-1, keepdim=True)
        log_scale, _ = self._moments()
        return (log_scale - 0.5 * exactly(self.concentration) * away).squeeze(-1).to(value.dtype)

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """Directions, `(*sample_shape, *batch, d)`, with their derivatives."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.quantile(torch.rand(shape, dtype=self.direction.dtype, device=self.direction.device))

    def quantile(self, u: Tensor) -> Tensor:
        """The draw at uniforms in (0, 1), `(..., *batch, d)`: the first says how far from the mean, the others where to."""
        u = u.clamp(_SMALLEST, 1 - _SMALLEST)
        angle = _angle(exactly(self.concentration), exactly(u[..., :1]), self.size)
        around = torch.nn.functional.normalize(quantile_normal(u[..., 1:]), dim=-1)
        z = torch.cat([angle.cos().to(u.dtype), angle.sin().to(u.dtype) * around], dim=-1)
        # A reflection that takes the first axis to -s m, s the sign of m_1: its normal is never short.
        sign = torch.where(self.direction[..., :1] < 0, -1.0, 1.0)
        first = torch.nn.functional.pad(torch.ones_like(sign), (0, self.size - 1))
        normal = first + sign * self.direction
        return -sign * (z - 2 * normal * (normal * z).sum(-1, keepdim=True) / normal.square().sum(-1, keepdim=True))


def _log_unscaled(angle: Tensor, k: Tensor, size: int) -> Tensor:
    """log of exp(k (cos a - 1)) (sin a)^(d-2)."""
    return -2 * k * (angle / 2).sin().square() + torch.xlogy(torch.full_like(angle, size - 2.0), angle.sin().clamp(min=0))


def _angle(concentration: Tensor, u: Tensor, size: int) -> Tensor:
    """The quantile of the angle to the mean at u, like `u`, with its derivative by the concentration.

    Arguments:
        concentration: k, `(*batch, 1)`.
        u: uniforms, `(..., *batch, 1)`.
        size: d.
    """
    k = concentration.detach()
    cosine = 2 * k / ((size - 2) + ((size - 2) ** 2 + 4 * k.square()).sqrt())
    mode = cosine.clamp(max=1).acos()
    spread = (k * cosine + (size - 2) / (1 - cosine.square()).clamp(min=1e-12)).rsqrt()
    low, high = (mode - _REACH * spread).clamp(min=0), (mode + _REACH * spread).clamp(max=math.pi)
    step = (high - low) / _CELLS
    # Edges and middles of cells in turn, so that each cell is summed by Simpson's rule.
    places = low + step / 2 * torch.arange(2 * _CELLS + 1, dtype=k.dtype, device=k.device)
    density = (_log_unscaled(places, k, size) - _log_unscaled(mode, k, size)).exp()
    below = _summed(density, step)
    total = below[..., -1:]
    density, below = density / total, below / total
    lean = places.cos()
    mean = _summed(density * lean, step)[..., -1:]
    slope = _summed(density * (lean - mean), step)
    edges, f, g = places[..., ::2], density[..., ::2], (density * (lean - mean))[..., ::2]
    shape = torch.broadcast_shapes(u.shape[:-1], edges.shape[:-1])
    cell = (below[..., 1:-1] < u).sum(-1, keepdim=True).expand(*shape, 1)

    def at(table: Tensor, offset: int) -> Tensor:
        return table.expand(*shape, -1).gather(-1, cell + offset)

    left, mass = at(below, 0), at(below, 1) - at(below, 0)
    first, second = at(f, 0), at(f, 1)
    scale = mass / (0.5 * (first + second) * step).clamp(min=1e-300)
    first, second, beyond = first * scale, second * scale, (u - left).clamp(min=0)
    root = (first.square() + 2 * (second - first) / step * beyond).clamp(min=0).sqrt()
    share = (2 * beyond / (first + root).clamp(min=1e-300) / step).clamp(max=1)
    angle = at(edges, 0) + share * step
    # Cubic between the edges, where both the integral and its slope are known.
    h00, h01 = (1 + 2 * share) * (1 - share).square(), share.square() * (3 - 2 * share)
    h10, h11 = share * (1 - share).square(), share.square() * (share - 1)
    moved = h00 * at(slope, 0) + h01 * at(slope, 1) + step * (h10 * at(g, 0) + h11 * at(g, 1))
    here = ((_log_unscaled(angle, k, size) - _log_unscaled(mode, k, size)).exp() / total).clamp(min=1e-300)
    return angle - moved / here * (concentration - k)


def _summed(values: Tensor, step: Tensor) -> Tensor:
    """The integral up to each edge of a cell, 0 at the first."""
    cells = (values[..., :-1:2] + 4 * values[..., 1::2] + values[..., 2::2]) * step / 6
    return torch.nn.functional.pad(cells.cumsum(-1), (1, 0))


@divergence.register(VonMisesFisher, UniformSphere)
def _(q: VonMisesFisher, p: UniformSphere) -> Tensor:
    return _log_area(q.size) - q.entropy()


@from_noise.register(VonMisesFisher)
def _(d: VonMisesFisher, u: Tensor) -> Tensor:
    return d.quantile(u)


@from_noise.register(UniformSphere)
def _(d: UniformSphere, u: Tensor) -> Tensor:
    return torch.nn.functional.normalize(quantile_normal(u), dim=-1)


@centre.register(VonMisesFisher)
def _(d: VonMisesFisher) -> Tensor:
    return d.direction


@centre.register(UniformSphere)
def _(d: UniformSphere) -> Tensor:
    # Every direction is a mode: the one that treats coordinates alike.
    return torch.full_like(d.like, d.event_shape[0] ** -0.5)


@soft.register(VonMisesFisher)
@soft.register(UniformSphere)
def _(d: VonMisesFisher | UniformSphere) -> Tensor:
    return d.mean


@onto.register(VonMisesFisher)
@onto.register(UniformSphere)
def _(d: VonMisesFisher | UniformSphere, z: Tensor) -> Tensor:
    return torch.nn.functional.normalize(z, dim=-1)


@temper.register(VonMisesFisher)
def _(d: VonMisesFisher, t: float) -> VonMisesFisher:
    return VonMisesFisher(d.direction, (d.concentration / max(t, _COLDEST) ** 2).clamp(max=_MOST))


@temper.register(UniformSphere)
def _(d: UniformSphere, t: float) -> UniformSphere:
    # A power of a constant is that constant: the uniform is as hot as it is cold.
    return d


@stop.register(VonMisesFisher)
def _(d: VonMisesFisher) -> VonMisesFisher:
    return VonMisesFisher(d.direction.detach(), d.concentration.detach())


@stop.register(UniformSphere)
def _(d: UniformSphere) -> UniformSphere:
    return d
