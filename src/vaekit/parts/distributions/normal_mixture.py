r"""A mixture of diagonal normals with equal weights, whose density costs one matrix product.

    log p(z) = log (1/K) sum_k exp l_k(z)
    l_k(z) = -1/2 [ sum_d z_d^2 / s_kd^2 - 2 sum_d z_d m_kd / s_kd^2 + sum_d (m_kd^2 / s_kd^2 + 2 log s_kd) + D log 2 pi ]

The sums over d are the rows of one product, (z^2, z) times (1 / s^2, m / s^2): the values by row, component and dimension are never held.
Squares of nearly equal numbers are subtracted, so the product is worked out in float64, about the middle of the components.
"""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from vaekit.core.dispatch import from_noise, stop, temper
from vaekit.core.rules import quantile_normal
from vaekit.parts.distributions.exact import exactly

__all__ = ["NormalMixture"]

_TINY = 1e-6


class NormalMixture(Distribution):
    """(1/K) sum_k N(z; m_k, diag s_k^2), with batch shape `(1, B or 1)`.

    Arguments:
        location: m, `(1, B or 1, K, *event)`.
        scale: s, of the same shape.
    """

    arg_constraints = {}
    support = constraints.real
    has_rsample = False

    def __init__(self, location: Tensor, scale: Tensor):
        self.location, self.scale = location, scale
        super().__init__(location.shape[:2], location.shape[3:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The mean of the components' means, `(1, B or 1, *event)`."""
        return self.location.mean(2)

    @property
    def variance(self) -> Tensor:
        """The mean of the components' variances and the variance of their means."""
        return self.scale.square().mean(2) + self.location.var(2, correction=0)

    def expand(self, batch_shape: _size, _instance: None = None) -> "NormalMixture":
        """The same for more rows or particles."""
        shape = (*batch_shape, *self.location.shape[2:])
        return NormalMixture(self.location.expand(shape), self.scale.expand(shape))

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """A component each, then a draw from it, `(*sample_shape, *batch, *event)`."""
        with torch.no_grad():
            rows = (*sample_shape, *self.batch_shape)
            picked = torch.randint(self.location.shape[2], rows, device=self.location.device)
            index = picked.reshape(*rows, 1, *(1,) * len(self.event_shape)).expand(*rows, 1, *self.event_shape)
            values = (v.expand(*sample_shape, *v.shape).gather(len(rows), index).squeeze(len(rows)) for v in (self.location, self.scale))
            return torch.normal(*values)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z) of `(S, B, *event)`, `(S, B)`."""
        location, scale = (exactly(v.flatten(3)) for v in (self.location, self.scale))
        middle = location.mean(2, keepdim=True)
        location, z = location - middle, exactly(value.flatten(2)) - middle.squeeze(2)
        precision = scale.square().reciprocal()
        constant = (location.square() * precision).sum(-1) + 2 * scale.log().sum(-1) + location.shape[-1] * math.log(2 * math.pi)
        weights = torch.cat([precision, -2 * location * precision], dim=-1)
        with torch.autocast(value.device.type, enabled=False):
            by_component = _product(torch.cat([z.square(), z], dim=-1), weights)
        exponent = -0.5 * (by_component + constant)
        return (exponent.to(value.dtype).logsumexp(-1) - math.log(location.shape[2])).to(value.dtype)


def _product(rows: Tensor, weights: Tensor) -> Tensor:
    """`(S, B, 2 D)` times `(1, B or 1, K, 2 D)`, `(S, B, K)`: one product for all rows where they share the components."""
    if weights.shape[1] == 1:
        return rows @ weights[0, 0].mT
    return torch.einsum("sbd,tbkd->sbk", rows, weights)


@temper.register(NormalMixture)
def _(d: NormalMixture, t: float) -> NormalMixture:
    # Each component by itself: which one a draw comes from stays open.
    return NormalMixture(d.location, d.scale * max(t, _TINY))


@stop.register(NormalMixture)
def _(d: NormalMixture) -> NormalMixture:
    return NormalMixture(d.location.detach(), d.scale.detach())


@from_noise.register(NormalMixture)
def _(d: NormalMixture, u: Tensor) -> Tensor:
    components, flat = d.location.shape[2], u.flatten(2)
    # The first number's whole part says which component, and what is left of it is even again.
    first = flat[..., 0] * components
    picked = first.floor().clamp(max=components - 1)
    left = torch.cat([(first - picked).clamp(_TINY, 1 - _TINY).unsqueeze(-1), flat[..., 1:]], dim=-1)
    index = picked.long()[..., None, None].expand(*flat.shape[:2], 1, flat.shape[-1])
    location, scale = (v.flatten(3).expand(*flat.shape[:2], -1, -1).gather(2, index).squeeze(2) for v in (d.location, d.scale))
    return (location + scale * quantile_normal(left)).reshape(u.shape)
