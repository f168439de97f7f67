r"""A reader that sees a damaged row while it trains: each value is lost with probability r.

    o' = o m,   embed(x, o')                       where the reader is told of gaps: a lost value is one more gap
    embed(x, o) m / (1 - r)                        where it is not: a lost value is zero, and the mean stays as it was
    m ~ Bernoulli(1 - r), one a value of x

Only the encoder's input is damaged; the likelihood is asked for the clean row. A reader that is told of gaps sees the values that are left
as it will see them later, so nothing is scaled up. (Im et al. 2015, arXiv:1511.06406)
"""

from typing import Any

import torch
from torch import Tensor, nn

from vaekit.core.errors import InputError

__all__ = ["Corrupted"]


class Corrupted(nn.Module):
    """A wrapper around a reader.

    Arguments:
        reader: any reader; its `gaps` says whether it is told of them.
        rate: r, in (0, 1).

    Raises:
        InputError: where the rate is outside (0, 1).
    """

    def __init__(self, reader: Any, rate: float):
        super().__init__()
        if not 0 < rate < 1:
            raise InputError(f"corruption must be a share in (0, 1), not {rate}")
        self.reader = reader
        self.rate = rate
        self.width, self.positions = reader.width, reader.positions

    def embed(self, x: Tensor, observed: Tensor | None) -> Tensor:
        """A row as the first layer sees it, damaged while training."""
        if not self.training:
            return self.reader.embed(x, observed)
        scale = nn.functional.dropout(torch.ones(x.shape, device=x.device), self.rate)
        if self.reader.gaps:
            kept = scale > 0
            return self.reader.embed(x, kept if observed is None else observed & kept)
        h = self.reader.embed(x, observed)
        # A value may be embedded as several numbers side by side, which are lost together.
        return h * scale.repeat_interleave(h.numel() // x.numel(), dim=-1).reshape(h.shape)

    def trunk(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """The reader's features."""
        return self.reader.trunk(h, condition)

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None) -> Tensor:
        """Features of damaged evidence."""
        return self.trunk(self.embed(x, observed), condition)
