r"""Batches from tensors in memory: indexed, never walked row by row.

The order of epoch e is a permutation from the generator of (seed, e), and the redraws of step s of it come from the generator of
(seed, e, s): a run that is stopped anywhere goes on with the same batches.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.modality import Modality
from vaekit.core.noise import RandomNoise, RowNoise

__all__ = ["Loader"]


def _key(*parts: int) -> int:
    """One seed from several numbers, so that neighbouring epochs and steps have unrelated generators."""
    key = 0x243F6A8885A308D3
    for part in parts:
        key = ((key ^ (part + 0x9E3779B97F4A7C15)) * 0xBF58476D1CE4E5B9) & ((1 << 63) - 1)
        key ^= key >> 29
    return key


@dataclass(frozen=True)
class Loader:
    """Stored rows as batches of a fixed size.

    Arguments:
        rows: stored tensors, first axis = rows.
        modality: makes batches of them.
        size: rows a batch; fewer where there are not as many.
        seed: of the order and of the redraws.
    """

    rows: Mapping[str, Tensor]
    modality: Modality
    size: int
    seed: int = 0

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.rows.values())))

    @property
    def device(self) -> torch.device:
        """Where the rows are, and so the batches."""
        return next(iter(self.rows.values())).device

    def to(self, device: torch.device | str) -> "Loader":
        """The same loader with its rows on another device."""
        return Loader({n: t.to(device) for n, t in self.rows.items()}, self.modality, self.size, self.seed)

    def steps(self, ranks: int = 1) -> int:
        """Whole batches in an epoch, for each of `ranks` processes; at least one."""
        return max(self.count // (self._size(ranks) * ranks), 1)

    def epoch(self, number: int, start: int = 0, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """The batches of one epoch in a random order, all of one size, so that a compiled step is compiled once.

        Arguments:
            number: which epoch, from 0.
            start: steps of it that were already taken.
            rank: this process, of `ranks`, each of which sees other rows.
        """
        order = torch.randperm(self.count, generator=torch.Generator().manual_seed(_key(self.seed, number))).to(self.device)
        size, noise = self._size(ranks), torch.Generator(device=self.device)
        for step in range(start, self.steps(ranks)):
            first = (step * ranks + rank) * size
            noise.manual_seed(_key(self.seed, number, step, rank))
            index = order[first : first + size]
            # Several times as fast as values[index], which does not copy whole rows.
            batch = self.modality.batch({name: values.index_select(0, index) for name, values in self.rows.items()})
            yield self.modality.redraw(batch, RandomNoise(noise))

    def in_order(self, seed: int = 0) -> Iterator[Batch]:
        """Every row once, in its order, with redraws that depend on the row and the seed alone: for measuring."""
        for start in range(0, self.count, self.size):
            batch = self.modality.batch({name: values[start : start + self.size] for name, values in self.rows.items()})
            yield self.modality.redraw(batch, RowNoise(batch.x, seed))  # type: ignore[arg-type]

    def _size(self, ranks: int) -> int:
        return max(min(self.size, self.count // ranks), 1)
