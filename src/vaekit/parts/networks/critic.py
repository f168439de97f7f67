r"""A network that judges whether a row is real: a reader, and a few layers above its features.

    f = norm(trunk(h, c)),   D = w a(V f),   sigma(D) = the chance that the row is real

h is a row as the reader embeds it, so that what a likelihood says of a row (means, probabilities) is judged in the same place as a row
itself, and with the same gaps. f has mean 0 and variance 1 over a row's features, so that a distance between two rows' features has a
scale that no step of the critic can change (LayerNorm without parameters: Ba et al. 2016, arXiv:1607.06450).
"""

from math import prod
from typing import Any

from torch import Tensor, nn

__all__ = ["Critic"]


class Critic(nn.Module):
    """A critic of rows.

    Arguments:
        reader: any reader with `embed_soft`; it is the critic's own.
        hidden: width of the layer above the features.
    """

    def __init__(self, reader: Any, hidden: int = 64):
        super().__init__()
        self.reader = reader
        self.width = reader.width * prod(reader.positions)
        self.above = nn.Sequential(nn.Linear(self.width, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))

    def embed(self, x: Tensor, observed: Tensor | None) -> Tensor:
        """Rows as the first layer sees them, `(S, B, *embedded)`; gaps filled."""
        return self.reader.embed(x, observed)

    def embed_soft(self, soft: Tensor, observed: Tensor | None) -> Tensor:
        """What stands for rows where gradients must pass, as the first layer sees it, with the gaps of the rows that it stands beside."""
        return self.reader.embed_soft(soft, observed)

    def forward(self, h: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features `(S, B, width)` of embedded rows, and the logit of their being real, `(S, B)`."""
        features = nn.functional.layer_norm(self.reader.trunk(h, condition).flatten(2), (self.width,))
        return features, self.above(features).squeeze(-1).float()
