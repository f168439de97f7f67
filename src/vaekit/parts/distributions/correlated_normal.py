r"""A normal whose coordinates are correlated, each a line in those before it.

    z_d = m_d + sum_{j<d} a_dj (z_j - m_j) + s_d e_d,   e ~ N(0, I)
    log p(z) = sum_d log N(r_d; 0, s_d^2),   r = (I - A) (z - m),   A strictly lower triangular

Any normal can be written so: (I - A)^-1 diag s is the Cholesky factor of its covariance. A density takes no inverse, a draw one triangular
system.
(a covariance by regressions: Pourahmadi 1999, Biometrika 86(3))
"""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from vaekit.core.dispatch import from_noise, stop, temper
from vaekit.core.rules import quantile_normal

__all__ = ["CorrelatedNormal"]

_TINY = 1e-6


class CorrelatedNormal(Distribution):
    """N(m, L L^T), L = (I - A)^-1 diag s, with batch shape `(S or 1, B)`, or `(S or 1, B, K)` of K components, and event `(D,)`.

    Arguments:
        location: m, `(*batch, D)`.
        scale: s > 0, what is left of each coordinate's deviation given those before it, of the same shape.
        slopes: A, `(*batch, D, D)`, zero but below the diagonal.
    """

    arg_constraints = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, location: Tensor, scale: Tensor, slopes: Tensor):
        self.location, self.scale, self.slopes = location, scale, slopes
        super().__init__(location.shape[:-1], location.shape[-1:], validate_args=False)

    def expand(self, batch_shape: _size, _instance: None = None) -> "CorrelatedNormal":
        """The same for more rows or particles."""
        shape = (*batch_shape, *self.event_shape)
        return CorrelatedNormal(self.location.expand(shape), self.scale.expand(shape), self.slopes.expand(*shape, shape[-1]))

    def push(self, noise: Tensor) -> Tensor:
        """z of noise e, `(..., D)`."""
        moved = _solved(self.slopes, (self.scale * noise).unsqueeze(-1)).squeeze(-1)
        return self.location + moved

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """A draw, `(*sample_shape, *batch, D)`, differentiable in every parameter."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.push(torch.randn(shape, dtype=self.location.dtype, device=self.location.device))

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """A draw, `(*sample_shape, *batch, D)`."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z) of `(..., D)`, `(...)`."""
        away = value - self.location
        with torch.autocast(away.device.type, enabled=False):
            # Not by `@`, which would copy the slopes for every particle.
            scaled = (away - torch.einsum("...ij,...j->...i", self.slopes, away)) / self.scale
        return (-0.5 * (scaled.square() + math.log(2 * math.pi)) - self.scale.log()).sum(-1)

    @property
    def mean(self) -> Tensor:
        """m, `(*batch, D)`."""
        return self.location

    @property
    def variance(self) -> Tensor:
        """The diagonal of L L^T, `(*batch, D)`."""
        return _solved(self.slopes, torch.diag_embed(self.scale)).square().sum(-1)


def _solved(slopes: Tensor, right: Tensor) -> Tensor:
    """(I - A)^-1 times `(..., D, columns)`."""
    with torch.autocast(right.device.type, enabled=False):
        # The diagonal is not read: it stands for ones.
        return torch.linalg.solve_triangular(-slopes, right, upper=False, unitriangular=True)


@temper.register(CorrelatedNormal)
def _(d: CorrelatedNormal, t: float) -> CorrelatedNormal:
    return CorrelatedNormal(d.location, d.scale * max(t, _TINY), d.slopes)


@stop.register(CorrelatedNormal)
def _(d: CorrelatedNormal) -> CorrelatedNormal:
    return CorrelatedNormal(d.location.detach(), d.scale.detach(), d.slopes.detach())


@from_noise.register(CorrelatedNormal)
def _(d: CorrelatedNormal, u: Tensor) -> Tensor:
    return d.push(quantile_normal(u))
