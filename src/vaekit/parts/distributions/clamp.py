r"""A smooth bound for parameters that would overflow.

    clamp(r) = m + h t / sqrt(1 + t^2),   t = (r - m) / h,   m, h = middle and half-width of (low, high)

The slope is 1 in the middle and falls as |t|^-3, so that a far-off parameter still has a gradient to come back by; the
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
    t = (raw - middle) / half
    return middle + half * t * torch.rsqrt(1 + t.square())
