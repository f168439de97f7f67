r"""A smooth bound for parameters that would overflow.

    clamp(r) = m + a / sqrt(1 + (a / h)^2),   a = r - m,   m, h = middle and half-width of (low, high)

The slope is 1 in the middle and falls as |a|^-3, so that a far-off parameter still has a gradient to come back by; the
exponentially small slope of a tanh rounds to zero.
"""

import torch
from torch import Tensor

__all__ = ["soft_clamp"]


def soft_clamp(raw: Tensor, low: float, high: float) -> Tensor:
    """A number between `low` and `high`, with a gradient everywhere.

    Arguments:
        raw: any shape, any real.
        low, high: the bounds, which are approached and never passed.
    """
    middle, half = (low + high) / 2, (high - low) / 2
    away = raw - middle if middle else raw
    near = away * torch.rsqrt(1 + (away / half).square())
    return near + middle if middle else near
