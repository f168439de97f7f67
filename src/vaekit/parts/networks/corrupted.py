r"""A reader that sees a damaged row while it trains: each value is lost with probability r.

    embed(x, o) * m / (1 - r),   m ~ Bernoulli(1 - r)

Only the encoder's input is damaged; the likelihood is asked for the clean row. (Im et al. 2015, arXiv:1511.06406)
"""

from typing import Any

from torch import Tensor, nn

from vaekit.core.errors import InputError

__all__ = ["Corrupted"]


class Corrupted(nn.Module):
    """A wrapper around a reader.

    Arguments:
        reader: any reader.
        rate: r, in (0, 1).

    Raises:
        InputError: where the rate is outside (0, 1).
    """

    def __init__(self, reader: Any, rate: float):
        super().__init__()
        if not 0 < rate < 1:
            raise InputError(f"corruption must be a share in (0, 1), not {rate}")
        self.reader = reader
        self.damage = nn.Dropout(rate)
        self.width, self.positions = reader.width, reader.positions

    def embed(self, x: Tensor, observed: Tensor | None) -> Tensor:
        """A row as the first layer sees it, damaged while training."""
        return self.damage(self.reader.embed(x, observed))

    def trunk(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """The reader's features."""
        return self.reader.trunk(h, condition)

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None) -> Tensor:
        """Features of damaged evidence."""
        return self.trunk(self.embed(x, observed), condition)
