r"""A normal whose coordinates are correlated, each a line in those before it.

    z_d = m_d + sum_{j<d} a_dj (z_j - m_j) + s_d e_d,   e ~ N(0, I)
    log p(z) = sum_d log N(r_d; 0, s_d^2),   r = (I - A) (z - m),   A strictly lower triangular

Any normal can be written so: (I - A)^-1 diag s is the Cholesky factor of its covariance. A density takes no inverse, a draw one triangular
system. Under it the KL of a diagonal normal q = N(n, diag t^2) falls apart into coordinates, none below 0, each given those before it:

    KL_d = E_q KL(q(z_d) || p(z_d | z_<d)) = log(s_d / t_d) + [t_d^2 + ((I - A) (n - m))_d^2 + sum_{j<d} a_dj^2 t_j^2] / 2 s_d^2 - 1/2

(the chain rule of the KL; a covariance by regressions: Pourahmadi 1999, Biometrika 86(3))
"""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, constraints
from torch.types import _size

from vaekit.core.dispatch import divergence, from_noise, stop, temper
from vaekit.core.rules import quantile_normal

__all__ = ["CorrelatedNormal"]

_TINY = 1e-6


class CorrelatedNormal(Distribution):
    """N(m, L L^T), L = (I - A)^-1 diag s, with batch shape `(S or 1, B)` and event `(D,)`.

    Arguments:
        location: m, `(S or 1, B, D)`.
        scale: s > 0, what is left of each coordinate's deviation given those before it, of the same shape.
        slopes: A, `(S or 1, B, D, D)`, zero but below the diagonal.
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

    def noise(self, value: Tensor) -> Tensor:
        """e of a z, `(..., D)`."""
        # Each by itself: a value that meets many normals is not held once for each of them.
        return (self.left(value) - self.left(self.location)) / self.scale

    def left(self, away: Tensor) -> Tensor:
        """(I - A) v of `(..., D)`: what is left of each coordinate after its line in those before it."""
        with torch.autocast(away.device.type, enabled=False):
            # Not by `@`, which would copy the slopes for every particle.
            return away - torch.einsum("...ij,...j->...i", self.slopes, away)

    def carry(self, other: "CorrelatedNormal") -> "CorrelatedNormal":
        """The law of m + L u with u ~ other, of the batch shape of both: S (I - B) S^-1 (I - A) is I less the slopes of u with slopes B."""
        with torch.autocast(self.scale.device.type, enabled=False):
            own = self.scale.unsqueeze(-1) * other.slopes / self.scale.unsqueeze(-2)
            return CorrelatedNormal(self.push(other.location), self.scale * other.scale, self.slopes + own - own @ self.slopes)

    def unsqueeze(self) -> "CorrelatedNormal":
        """With one more axis at the end of the batch shape, of length 1."""
        return CorrelatedNormal(self.location.unsqueeze(-2), self.scale.unsqueeze(-2), self.slopes.unsqueeze(-3))

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """A draw, `(*sample_shape, *batch, D)`, differentiable in every parameter."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.push(torch.randn(shape, dtype=self.location.dtype, device=self.location.device))

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """A draw, `(*sample_shape, *batch, D)`."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z) of `(S, B, D)`, `(S, B)`."""
        scaled = self.noise(value)
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


@divergence.register(Independent, CorrelatedNormal)
def _(q: Independent, p: CorrelatedNormal) -> Tensor | None:
    if not isinstance(q.base_dist, Normal) or len(q.event_shape) != 1:
        return None
    spread = q.base_dist.scale.square()
    with torch.autocast(spread.device.type, enabled=False):
        passed = (p.slopes.square() @ spread.unsqueeze(-1)).squeeze(-1)
    squares = spread + p.left(q.base_dist.loc - p.location).square() + passed
    return (p.scale / q.base_dist.scale).log() + 0.5 * (squares / p.scale.square() - 1)


@temper.register(CorrelatedNormal)
def _(d: CorrelatedNormal, t: float) -> CorrelatedNormal:
    return CorrelatedNormal(d.location, d.scale * max(t, _TINY), d.slopes)


@stop.register(CorrelatedNormal)
def _(d: CorrelatedNormal) -> CorrelatedNormal:
    return CorrelatedNormal(d.location.detach(), d.scale.detach(), d.slopes.detach())


@from_noise.register(CorrelatedNormal)
def _(d: CorrelatedNormal, u: Tensor) -> Tensor:
    return d.push(quantile_normal(u))
