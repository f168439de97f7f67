"""A prior that another stands in for until a stage begins to train it."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.conditional import Conditional
from vaekit.core.learned import Begins
from vaekit.core.trace import Trace

__all__ = ["Waiting"]


class Waiting(Conditional, Begins):
    """p(z|c) = one prior, whose rate is exact and cheap, until a stage begins to train the other; from then on the other.

    Arguments:
        until: what stands in; it may learn too, until then.
        then: what is trained.
    """

    begun: Tensor

    def __init__(self, until: Conditional, then: Conditional):
        super().__init__()
        self.until, self.then = until, then
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))
        # A walk asks at every step: a look at the buffer would wait for the device, and could not be traced.
        self._begun = False
        self.register_load_state_dict_post_hook(_recall)

    def forward(self, *given: Tensor | None) -> Distribution:
        """The prior, of the batch and event shapes of the one that it is."""
        return (self.then if self._begun else self.until)(*given)

    @property
    def awake(self) -> bool:
        """Whether a stage trains the other; what stands in may learn before, in a stage of its own."""
        return self.then.training

    def start(self, trace: Trace) -> None:
        """From here on it is the other."""
        self.begun.fill_(True)
        self._begun = True


def _recall(prior: Waiting, _: Any) -> None:
    """After weights were read: whether they are those of a prior that has begun."""
    prior._begun = bool(prior.begun)
