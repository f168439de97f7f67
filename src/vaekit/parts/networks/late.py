r"""A reader that is told a class after its trunk: h' = layers([trunk(x), y]).

The trunk, which costs most, reads a row once however many classes are tried on it.
"""

from typing import Any

from torch import Tensor, nn

__all__ = ["Late"]


class Late(nn.Module):
    """A reader and layers behind it.

    Arguments:
        reader: from evidence to features; has `width`.
        layers: from the features and what comes late to features; has `width`.
    """

    def __init__(self, reader: Any, layers: Any):
        super().__init__()
        self.reader, self.layers = reader, layers
        self.width, self.positions = layers.width, layers.positions

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None, late: Tensor) -> Tensor:
        """Features `(S, B, width)` of evidence `(1, B, ...)` and what comes late, `(S, B, channels)`."""
        return self.layers(self.reader(x, observed, condition), late)
