r"""Batches from tensors in memory: indexed, never walked row by row.

Where labels are few, a batch of B rows is given b labelled ones and B - b others, and weights that keep every mean that of the data:

    w = (N_l / N) / (b / B) for a labelled row, (N_u / N) / ((B - b) / B) for another,   E[(1/B) sum w l] = (1/N) sum l

The order of epoch e is a permutation from the generator of (seed, e), and the redraws of step s of it come from the generator of
(seed, e, s): a run that is stopped anywhere goes on with the same batches.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.modality import Modality
from vaekit.core.noise import RandomNoise, RowNoise

__all__ = ["Loader", "seed_of"]


def seed_of(*parts: int) -> int:
    """One seed from several numbers, so that neighbouring epochs, steps and chunks have unrelated generators.

    Arguments:
        parts: whole numbers.
    """
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
        labelled: share of a batch that is rows with a label, where they are fewer of the rows; 0 = as they come.
    """

    rows: Mapping[str, Tensor]
    modality: Modality
    size: int
    seed: int = 0
    labelled: float = 0.0

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
        return replace(self, rows={n: t.to(device) for n, t in self.rows.items()})

    def with_labels(self, share: float) -> "Loader":
        """The same loader with at least this share of every batch labelled."""
        return replace(self, labelled=share)

    def steps(self, ranks: int = 1) -> int:
        """Whole batches in an epoch, for each of `ranks` processes; at least one."""
        most = self._pools(ranks)[0]
        return max(len(most.rows) // (most.size * ranks), 1)

    def epoch(self, number: int, start: int = 0, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """The batches of one epoch in a random order, all of one size, so that a compiled step is compiled once.

        Arguments:
            number: which epoch, from 0.
            start: steps of it that were already taken.
            rank: this process, of `ranks`, each of which sees other rows.
        """
        pools, steps = self._pools(ranks), self.steps(ranks)
        generator = torch.Generator().manual_seed(seed_of(self.seed, number))
        orders = [pool.order(steps * ranks * pool.size, generator).to(self.device) for pool in pools]
        weight = torch.cat([torch.full((pool.size,), pool.weight, device=self.device) for pool in pools]) if len(pools) > 1 else None
        noise = torch.Generator(device=self.device)
        for step in range(start, steps):
            turn = step * ranks + rank
            noise.manual_seed(seed_of(self.seed, number, step, rank))
            index = torch.cat([order[turn * pool.size : (turn + 1) * pool.size] for order, pool in zip(orders, pools)])
            # Several times as fast as values[index], which does not copy whole rows.
            rows = {name: values.index_select(0, index) for name, values in self.rows.items()}
            if weight is not None:
                rows["weight"] = weight * rows["weight"] if "weight" in rows else weight
            yield self.modality.redraw(self.modality.batch(rows), RandomNoise(noise))

    def in_order(self, seed: int = 0) -> Iterator[Batch]:
        """Every row once, in its order, with redraws that depend on the row and the seed alone: for measuring."""
        for start in range(0, self.count, self.size):
            batch = self.modality.batch({name: values[start : start + self.size] for name, values in self.rows.items()})
            yield self.modality.redraw(batch, RowNoise(batch.x, seed))  # type: ignore[arg-type]

    def _size(self, ranks: int) -> int:
        return max(min(self.size, self.count // ranks), 1)

    @cached_property
    def _parts(self) -> tuple[Tensor, ...]:
        """Positions of all rows, or where labels are too few of those without one and of those with one."""
        label = self.rows.get("label")
        if self.labelled and label is not None:
            known = (label >= 0).cpu()
            if 0 < known.double().mean().item() < self.labelled:
                return (~known).nonzero().squeeze(1), known.nonzero().squeeze(1)
        return (torch.arange(self.count),)

    def _pools(self, ranks: int) -> list["_Pool"]:
        """What a batch is drawn from."""
        size, parts = self._size(ranks), self._parts
        if len(parts) == 1 or size < 2:
            return [_Pool(torch.arange(self.count) if size < 2 else parts[0], size, 1.0)]
        few = min(max(round(self.labelled * size), 1), size - 1)
        sizes = (size - few, few)
        return [_Pool(part, taken, len(part) / self.count * size / taken) for part, taken in zip(parts, sizes)]


@dataclass(frozen=True)
class _Pool:
    """Rows that a part of every batch is drawn from.

    Arguments:
        rows: their positions.
        size: how many of a batch.
        weight: of each, so that the batch stands for the data.
    """

    rows: Tensor
    size: int
    weight: float

    def order(self, count: int, generator: torch.Generator) -> Tensor:
        """So many positions in a random order; all are taken before one is taken again."""
        rounds = max(-(-count // len(self.rows)), 1)
        return self.rows[torch.cat([torch.randperm(len(self.rows), generator=generator) for _ in range(rounds)])]
