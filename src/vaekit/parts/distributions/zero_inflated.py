r"""A law of counts with extra zeros.

    P(x) = g [x = 0] + (1 - g) P_base(x),   g = sigma(l)

(Lambert 1992, Zero-inflated Poisson regression)
"""

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import logsigmoid
from torch.types import _size

from vaekit.core.dispatch import stop

__all__ = ["ZeroInflated"]


class ZeroInflated(Distribution):
    """Zero with probability g, else a draw of the law it wraps.

    Arguments:
        base: a law of counts, batch shape `(*batch)`.
        logits: l, logit of the extra zeros' probability, `(*batch)`.
    """

    arg_constraints = {}

    def __init__(self, base: Distribution, logits: Tensor):
        self.base, self.logits = base, logits
        super().__init__(torch.broadcast_shapes(base.batch_shape, logits.shape), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """That of the law it wraps."""
        return self.base.support  # type: ignore[return-value]

    @property
    def mean(self) -> Tensor:
        """(1 - g) E_base[x]."""
        return torch.sigmoid(-self.logits) * self.base.mean

    @property
    def variance(self) -> Tensor:
        """(1 - g) (Var_base[x] + g E_base[x]^2)."""
        return torch.sigmoid(-self.logits) * (self.base.variance + torch.sigmoid(self.logits) * self.base.mean.square())

    def expand(self, batch_shape: _size, _instance: None = None) -> "ZeroInflated":
        """The same law for a larger batch."""
        return ZeroInflated(self.base.expand(torch.Size(batch_shape)), self.logits.expand(batch_shape))

    @torch.no_grad()
    def sample(self, sample_shape: _size = ()) -> Tensor:
        """Counts, `(*sample_shape, *batch_shape)`."""
        drawn = self.base.sample(torch.Size(sample_shape))
        kept = torch.rand(self._extended_shape(torch.Size(sample_shape)), device=drawn.device) >= torch.sigmoid(self.logits)
        return drawn * kept

    def log_prob(self, value: Tensor) -> Tensor:
        """log P(x) by element, nats."""
        counted = logsigmoid(-self.logits) + self.base.log_prob(value)
        return torch.where(value == 0, torch.logaddexp(logsigmoid(self.logits), counted), counted)


@stop.register(ZeroInflated)
def _(d: ZeroInflated) -> ZeroInflated:
    return ZeroInflated(stop(d.base), d.logits.detach())
