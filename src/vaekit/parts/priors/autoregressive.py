r"""p(z|c) over codes, learned once the codes stand still: log p(k|c) = sum_t log p(k_t | k_<t, c).

Until its stage begins, all codes are equally probable: log p(k) = -P log K, which costs nothing. Its own network starts there too, so
that the bound goes on without a jump. (van den Oord, Vinyals, Kavukcuoglu 2017, arXiv:1711.00937)
"""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.borrowed import Borrowed
from vaekit.core.conditional import Conditional
from vaekit.core.learned import Begins
from vaekit.core.trace import Trace
from vaekit.parts.distributions import Codebook, CodeSequence, UniformCodes

__all__ = ["Autoregressive"]


class Autoregressive(Conditional, Begins):
    """A prior over the codes of a posterior, learned in a stage of its own.

    Arguments:
        book: the codes; borrowed from the posterior.
        positions: of the latent; a grid is read line by line.
        network: logits of each code given those before it and the condition, and draws.
    """

    begun: Tensor

    def __init__(self, book: Codebook, positions: tuple[int, ...], network: Any):
        super().__init__()
        self.book, self.positions, self.network = Borrowed(book), positions, network
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))
        # The buffer is what is saved; a compiled walk must not look into a tensor to know its way.
        self.learned = False

    def forward(self, *given: Tensor | None) -> Distribution:
        """The prior, batch shape `(1, B or 1)`, event `(*positions, width)`."""
        condition = given[0] if given else None
        if not self.learned:
            return UniformCodes(self.book.module, self.positions, self.begun.device)
        rows = 1 if condition is None else condition.shape[1]
        return CodeSequence(self.network, self.book.module, self.positions, condition, torch.Size((1, rows)))

    def start(self, trace: Trace) -> None:
        """The codes stand still from now on."""
        self.begun.fill_(True)
        self.learned = True

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self.learned = bool(self.begun)
