r"""A reader that sees an image moved by a few pixels while it trains, another way for each row.

    x'[i, j] = x[i + a, j + b],   a, b ~ Uniform{-k, ..., k},   the border repeated beyond the edge

Only what this reader tells is told of the moved row: the likelihood is asked for the row as it is. A bound stays one, since any q will do:
it is then the mean over moves of the bounds with q(.|x'). Of use where what is told must not hang on the place, as a class does not.
(moved copies of a row as further rows of the same class: LeCun et al. 1998, Gradient-based learning applied to document recognition)
"""

from typing import Any

import torch
from torch import Tensor, nn

from vaekit.core.errors import InputError

__all__ = ["Shifted", "shifted"]


class Shifted(nn.Module):
    """A wrapper around a reader of images.

    Arguments:
        reader: of rows `(S, B, height, width, channels)`.
        most: k, how many pixels a row is moved by at most, down and across.
    """

    def __init__(self, reader: Any, most: int):
        super().__init__()
        self.reader, self.most = reader, most
        self.width, self.positions = reader.width, reader.positions

    def embed(self, x: Tensor, observed: Tensor | None) -> Tensor:
        """A row as the first layer sees it, moved while training."""
        if self.training:
            rows, places = torch.arange(x.shape[1], device=x.device)[:, None, None], self._places(x)
            x, observed = x[:, rows, *places], None if observed is None else observed[:, rows, *places]
        return self.reader.embed(x, observed)

    def trunk(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """The reader's features."""
        return self.reader.trunk(h, condition)

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None) -> Tensor:
        """Features of moved evidence while training, of the evidence itself otherwise."""
        return self.trunk(self.embed(x, observed), condition)

    def _places(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Which line and which column every pixel is taken from, `(B, height, 1)` and `(B, 1, width)`."""
        moves = torch.randint(-self.most, self.most + 1, (2, x.shape[1], 1), device=x.device)
        down, across = ((torch.arange(side, device=x.device) + by).clamp(0, side - 1) for side, by in zip(x.shape[2:4], moves))
        return down.unsqueeze(2), across.unsqueeze(1)


def shifted(reader: nn.Module, most: int, event: tuple[int, ...]) -> nn.Module:
    """A reader of images moved by up to so many pixels while it trains; the reader itself where that is none.

    Arguments:
        reader: from evidence to features.
        most: how many pixels at most.
        event: shape of a row.

    Raises:
        InputError: where rows are no images, or have no room to be moved.
    """
    if not most:
        return reader
    if len(event) != 3:
        raise InputError(f"shift={most} moves images, but a row here has shape {event}: leave shift out")
    if most >= min(event[:2]):
        raise InputError(f"shift={most} moves images of {event[0]} x {event[1]} pixels out of sight: give a smaller one")
    return Shifted(reader, most)
