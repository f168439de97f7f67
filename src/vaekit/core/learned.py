r"""Buffers that learn from data instead of by gradient: moving codebooks, a scale with a closed-form optimum.

    start(trace)          once, from the first batch
    observe(trace)        statistics of a step, inside the compiled step, no side effect
    after_step(observed)  updates the buffers, from the statistics averaged over all processes
    settle(observed)      sets the buffers for weights that stand still, from statistics averaged over many batches

`fit` alone calls `start`, `after_step` and `settle`; a forward never changes a buffer, so scoring twice gives the same score.
"""

from abc import ABC, abstractmethod

from torch import Tensor

from vaekit.core.trace import Trace

__all__ = ["Begins", "Follows", "LearnsFromData"]


class Begins(ABC):
    """A module that is told when a stage begins to train it: a prior that is simpler until then."""

    training: bool

    @property
    def awake(self) -> bool:
        """Whether a stage trains what it begins with."""
        return self.training

    @abstractmethod
    def start(self, trace: Trace) -> None:
        """Set what depends on the first batch's walk."""


class Follows(Begins):
    """A module with buffers that follow the steps: what else learns does so with them as they are."""

    @abstractmethod
    def observe(self, trace: Trace) -> Tensor:
        """Statistics of a step, detached, of a fixed shape; their mean over processes is what `after_step` is given."""

    @abstractmethod
    def after_step(self, observed: Tensor) -> None:
        """Move the buffers by the step's statistics."""


class LearnsFromData(Follows):
    """A module with buffers whose best values, for weights that stand still, are known from data alone."""

    @abstractmethod
    def settle(self, observed: Tensor) -> None:
        """Set the buffers to what the statistics alone say: the mean of many batches, under weights that do not move."""
