r"""An exponential moving average of the weights.

    a <- d a + (1 - d) w,   d = min(decay^k, (1 + n / 8) / (10 + n / 8)) at step n, k steps after the last move

(Polyak, Juditsky 1992) It moves every 8 steps, k = 8: nearly the same average as with k = 1, at a fraction of the memory traffic; and
before it is measured, so that what is measured has seen the latest step. Buffers are not averaged: one that learns from data is set
anew for the average, see `training/settling.py`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Average"]

_EVERY = 8


class Average:
    """The moving average of a list of parameters.

    Arguments:
        parameters: those that train.
        decay: of a step; 0 = the average is the weights themselves.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float):
        self.parameters = list(parameters)
        self.decay = decay
        self.moved = 0
        self.values = [p.detach().clone() for p in self.parameters] if decay else []

    def after_step(self, steps: int) -> None:
        """Move the average after this many steps of the stage, where it is time."""
        if steps - self.moved >= _EVERY:
            self.catch_up(steps)

    def catch_up(self, steps: int) -> None:
        """Move the average after this many steps of the stage, unless it has just moved."""
        if self.decay and steps > self.moved:
            # The start counts moves, not steps: counted in steps, a short run would end with an average that still holds its beginning.
            moves = steps / _EVERY
            decay = min(self.decay ** (steps - self.moved), (1 + moves) / (10 + moves))
            with torch.no_grad():
                torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], 1 - decay)
        self.moved = steps

    def swap(self) -> None:
        """Exchange the average and the weights; twice is no change."""
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self.values):
                kept = parameter.detach().clone()
                parameter.copy_(average)
                average.copy_(kept)

    def state(self) -> dict[str, Tensor]:
        """The average, for a checkpoint."""
        return {f"average.{i}": v for i, v in enumerate(self.values)}

    def load(self, tensors: dict[str, Tensor], moved: int) -> None:
        """Take the average from a checkpoint, and after how many steps of the stage it last moved."""
        self.moved = moved
        for i, value in enumerate(self.values):
            value.copy_(tensors[f"average.{i}"])
