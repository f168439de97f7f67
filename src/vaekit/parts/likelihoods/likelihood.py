r"""What all families of p(x|z) share: a decoder's numbers, cut into parameters.

    raw (S, B, *positions, P prod(event))  ->  P tensors (S, B, *positions, *event)

`event` is the shape of the elements made at each position; every element has its own parameters, so that a log-probability is by element.
"""

from math import prod
from typing import ClassVar

from torch import Tensor

from vaekit.core.conditional import Family
from vaekit.core.errors import InputError
from vaekit.parts.likelihoods.domain import Domain

__all__ = ["Likelihood"]


class Likelihood(Family):
    """A family for data.

    Arguments:
        event: shape of the elements made at each position.
        numbers: how many the network gives for each element.

    Attributes:
        domain: where its values lie, in the model's space.
        fits: the data it is for, in words.

    Raises:
        InputError: where the event is empty.
    """

    domain: Domain
    fits: ClassVar[str]

    def __init__(self, event: tuple[int, ...], numbers: int):
        super().__init__()
        if any(length < 1 for length in event):
            raise InputError(f"a likelihood needs at least one element, not an event of shape {tuple(event)}")
        self.event = tuple(event)
        self.numbers = numbers
        self.size = numbers * prod(self.event)

    def split(self, raw: Tensor) -> tuple[Tensor, ...]:
        """The parameters, each `(S, B, *positions, *event)`."""
        return raw.unflatten(-1, (self.numbers, *self.event)).unbind(-1 - len(self.event))
