r"""p(z) = delta(z - v): a value without noise.

A point in a continuum has no density: `dense` is False, and a log-probability raises by name instead of giving a number that bounds
nothing.
"""

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from vaekit.core.dispatch import centre, dense, from_noise, soft, stop, temper

__all__ = ["Point"]


class Point(Distribution):
    """All mass at one value.

    Arguments:
        value: `(S or 1, B, *event)`.
        axes: how many of the last axes are the event.
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(self, value: Tensor, axes: int = 1):
        self.value = value
        split = value.dim() - axes
        super().__init__(value.shape[:split], value.shape[split:], validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Any real value."""
        return constraints.independent(constraints.real, len(self.event_shape))

    @property
    def mean(self) -> Tensor:
        """The value."""
        return self.value

    @property
    def variance(self) -> Tensor:
        """Zero everywhere."""
        return torch.zeros_like(self.value)

    def expand(self, batch_shape: _size, _instance: None = None) -> "Point":
        """The same point for a larger batch."""
        return Point(self.value.expand(*batch_shape, *self.event_shape), len(self.event_shape))

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """The value, repeated."""
        return self.value.expand(self._extended_shape(torch.Size(sample_shape)))

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """The value, repeated and detached."""
        return self.rsample(sample_shape).detach()

    def log_prob(self, value: Tensor) -> Tensor:
        """There is none.

        Raises:
            TypeError: always.
        """
        raise TypeError("Point is a point in a continuum and has no density: this model has no likelihood bound")


@centre.register(Point)
@soft.register(Point)
def _(d: Point) -> Tensor:
    return d.value


@stop.register(Point)
def _(d: Point) -> Point:
    return Point(d.value.detach(), len(d.event_shape))


@temper.register(Point)
def _(d: Point, t: float) -> Point:
    return d


@from_noise.register(Point)
def _(d: Point, u: Tensor) -> Tensor:
    return d.value.expand(u.shape)


@dense.register(Point)
def _(d: Point) -> bool:
    return False
