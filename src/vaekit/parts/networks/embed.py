r"""What the first layer of a reader sees of a value.

    Scaled     (x - m) / s           numbers of any size, brought to about one
    Logarithm  (log(1 + x) - m) / s  counts, whose tails would drown the rest
    OneHot     [x = 0, ..., x = K-1]  codes, which have no order
"""

import torch
from torch import Tensor, nn

__all__ = ["Logarithm", "OneHot", "Scaled"]


class Scaled(nn.Module):
    """A shift and a scale by element.

    Arguments:
        location: subtracted, broadcastable to a flat row.
        scale: divides, broadcastable to a flat row.
    """

    location: Tensor
    scale: Tensor

    def __init__(self, location: Tensor, scale: Tensor):
        super().__init__()
        self.register_buffer("location", location.float())
        self.register_buffer("scale", scale.float())
        self.each = 1

    def forward(self, x: Tensor) -> Tensor:
        """`(S, B, size) -> (S, B, size)`."""
        return (x - self.location).div_(self.scale)


class Logarithm(nn.Module):
    """A logarithm before another embedding.

    Arguments:
        then: embeds log(1 + x).
    """

    def __init__(self, then: Scaled):
        super().__init__()
        self.then = then
        self.each = then.each

    def forward(self, x: Tensor) -> Tensor:
        """`(S, B, size) -> (S, B, size)`."""
        return self.then(torch.log1p(x.clamp(min=0)))


class OneHot(nn.Module):
    """A column for every code.

    Arguments:
        classes: K.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.each = classes

    def forward(self, x: Tensor) -> Tensor:
        """`(S, B, size) -> (S, B, K size)`."""
        return nn.functional.one_hot(x.long(), self.each).flatten(-2).float()
