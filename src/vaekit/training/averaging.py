r"""An exponential moving average of the weights.

    a <- d a + (1 - d) w,   d = min(decay^8, (1 + n) / (10 + n)) at move n          (Polyak, Juditsky 1992)

It moves every 8 steps, with the decay to that power: nearly the same average, at a fraction of the memory traffic; in a run so short
that it is measured more often than that, at every step (8 is then 1). Buffers are not averaged: one that learns from data is set
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
        decay: d; 0 = the average is the weights themselves.
        between: steps from one measurement of it to the next: each shall find that it has moved.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float, between: float = _EVERY):
        self.parameters = list(parameters)
        self.decay = decay
        self.every = _EVERY if between >= _EVERY else 1
        self.values = [p.detach().clone() for p in self.parameters] if decay else []

    def after_step(self, steps: int) -> None:
        """Move the average after this many steps of the run."""
        if self.decay and steps % self.every == 0:
            # The start counts moves, not steps: counted in steps, a short run would end with an average that still holds its beginning.
            moves = steps // self.every
            decay = min(self.decay**self.every, (1 + moves) / (10 + moves))
            with torch.no_grad():
                torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], 1 - decay)

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

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take the average from a checkpoint."""
        for i, value in enumerate(self.values):
            value.copy_(tensors[f"average.{i}"])
