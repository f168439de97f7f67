r"""The two ends of data without positions: x (S, B, *event) flattened to a vector, and features from which a vector is read.

    reader: h = trunk(embed(x, observed), c),   embed(x, o) = [o scale(x), o]
    writer: h = layers([z, c])
"""

from collections.abc import Callable, Sequence
from math import prod

from torch import Tensor, nn

from vaekit.parts.networks.embed import with_gaps

__all__ = ["VectorReader", "VectorWriter"]


class VectorReader(nn.Module):
    """From evidence to features, through a flat vector.

    Arguments:
        event: shape of a row, `(*positions, channels)`.
        condition_width: numbers of a condition; 0 = none.
        gaps: whether rows may have gaps, so that `observed` is an input.
        embedding: what the first layer sees of a value; has `each`, numbers a value.
        layers: makes the layers for an input of this many channels; what it makes has `width`.
    """

    def __init__(self, event: Sequence[int], condition_width: int, gaps: bool, embedding: nn.Module, layers: Callable[[int], nn.Module]):
        super().__init__()
        size = prod(event)
        self.gaps = gaps
        self.embedding = embedding
        self.embedded = size * int(embedding.each) + (size if gaps else 0)  # type: ignore[arg-type]
        self.layers = layers(self.embedded + condition_width)
        self.width = self.layers.width
        self.positions: tuple[int, ...] = ()

    def embed(self, x: Tensor, observed: Tensor | None) -> Tensor:
        """A row as the first layer sees it, `(S, B, embedded)`: gaps are zero, and which cells are gaps stands beside."""
        return self._gapped(self.embedding(x.flatten(2).float()), observed)

    def embed_soft(self, soft: Tensor, observed: Tensor | None) -> Tensor:
        """What stands for a row where gradients must pass, as `embed` does."""
        return self._gapped(self.embedding.soft(soft.flatten(2).float()), observed)  # type: ignore[operator]

    def _gapped(self, h: Tensor, observed: Tensor | None) -> Tensor:
        return with_gaps(h, None if observed is None else observed.flatten(2), int(self.embedding.each)) if self.gaps else h  # type: ignore[arg-type]

    def trunk(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """Features `(S, B, width)`."""
        return self.layers(h, condition)

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None) -> Tensor:
        """Features `(S, B, width)` of evidence."""
        return self.trunk(self.embed(x, observed), condition)


class VectorWriter(nn.Module):
    """From a latent and a condition to features.

    Arguments:
        width: channels of the latent.
        positions: positions of the latent; they are flattened.
        condition_width: numbers of a condition; 0 = none.
        layers: makes the layers for an input of this many channels; what it makes has `width`.
    """

    def __init__(self, width: int, positions: Sequence[int], condition_width: int, layers: Callable[[int], nn.Module]):
        super().__init__()
        self.layers = layers(width * prod(positions) + condition_width)
        self.width = self.layers.width
        self.positions: tuple[int, ...] = ()

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Features `(S, B, width)`."""
        return self.layers(z.flatten(2), condition)
