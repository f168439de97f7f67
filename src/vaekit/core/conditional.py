r"""Everything random is a `Conditional`: tensors in, a distribution out.

posterior(x, c) = q(z|x, c), prior(c) = p(z|c), likelihood(z, c) = p(x|z, c).

A `Family` knows how many numbers its distribution needs and how to read them; a `Neural` joins a network to a family and is the
only way a network becomes random. With and without a condition is the same class: a condition is one more given, possibly None.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.distributions import Distribution

__all__ = ["Conditional", "Family", "Neural"]


class Conditional(nn.Module, ABC):
    """A distribution that depends on what is given."""

    @abstractmethod
    def forward(self, *given: Tensor | None) -> Distribution:
        """The distribution given tensors of axes `(S or 1, B, *positions, channels)`."""


class Family(nn.Module, ABC):
    """A kind of distribution that a network can parameterise.

    Attributes:
        size: how many numbers it needs at each position.
    """

    size: int

    def head(self, width: int) -> nn.Module:
        """The last layer, from features of this width to the `size` numbers."""
        return nn.Linear(width, self.size)

    @abstractmethod
    def forward(self, raw: Tensor) -> Distribution:
        """The distribution with parameters read from `raw`, `(S, B, *positions, size)`."""


class Neural(Conditional):
    """A network, a head and a family: p(. | given) = family(head(network(given))).

    Arguments:
        network: maps the given tensors to features `(S, B, *positions, width)`; has `width`.
        family: the kind of distribution.
        head: what turns features into the family's numbers; None = the family's own.
    """

    def __init__(self, network: nn.Module, family: Family, head: nn.Module | None = None):
        super().__init__()
        self.network = network
        self.head = family.head(network.width) if head is None else head  # type: ignore[arg-type]
        self.family = family

    def forward(self, *given: Tensor | None) -> Distribution:
        """The family's distribution; its numbers are read in float32 whatever the network computed in."""
        return self.read(self.network(*given))

    def read(self, features: Tensor) -> Distribution:
        """The distribution with parameters read from features `(S, B, *positions, width)`."""
        return self.family(self.head(features).float())
