r"""A beta distribution by its mean and concentration, on the open interval (0, 1).

    p(x) = x^(a-1) (1-x)^(b-1) / B(a, b),   a = k sigma(l),  b = k sigma(-l):   E[x] = sigma(l),  Var[x] = sigma(l) sigma(-l) / (1 + k)

The mean is held as its logit, so that 1 - mean keeps its digits. A draw that rounds to 0 or 1 is moved to the nearest number inside,
where the density is finite.
"""

import torch
from torch import Tensor
from torch.distributions import Beta, Distribution, constraints
from torch.types import _size

from vaekit.core.dispatch import stop, temper

__all__ = ["OpenBeta"]

_INSIDE = torch.finfo(torch.float32).eps


class OpenBeta(Distribution):
    """Values strictly between 0 and 1.

    Arguments:
        logits: logit of the mean.
        concentration: k > 0; the larger, the nearer to the mean.
    """

    arg_constraints = {}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, logits: Tensor, concentration: Tensor):
        self.logits, self.concentration = torch.broadcast_tensors(logits, concentration)
        super().__init__(self.logits.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """sigma(l)."""
        return torch.sigmoid(self.logits)

    @property
    def variance(self) -> Tensor:
        """sigma(l) sigma(-l) / (1 + k)."""
        return torch.sigmoid(self.logits) * torch.sigmoid(-self.logits) / (1 + self.concentration)

    @property
    def _exponents(self) -> tuple[Tensor, Tensor]:
        return self.concentration * torch.sigmoid(self.logits), self.concentration * torch.sigmoid(-self.logits)

    def expand(self, batch_shape: _size, _instance: None = None) -> "OpenBeta":
        """The same law for a larger batch."""
        return OpenBeta(self.logits.expand(batch_shape), self.concentration.expand(batch_shape))

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """A draw, differentiable in both parameters."""
        return Beta(*self._exponents, validate_args=False).rsample(torch.Size(sample_shape)).clamp(_INSIDE, 1 - _INSIDE)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x) by element, nats."""
        a, b = self._exponents
        return (a - 1) * value.log() + (b - 1) * torch.log1p(-value) + torch.lgamma(self.concentration) - torch.lgamma(a) - torch.lgamma(b)


@stop.register(OpenBeta)
def _(d: OpenBeta) -> OpenBeta:
    return OpenBeta(d.logits.detach(), d.concentration.detach())


@temper.register(OpenBeta)
def _(d: OpenBeta, t: float) -> OpenBeta:
    return OpenBeta(d.logits, d.concentration / max(t, 1e-3) ** 2)
