"""Rows scored piece by piece, by a process a thread; what is done is kept, so that a long measurement goes on where it was stopped.

A convolution of few channels gives a second thread little to do, and a second process as much as the first.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, multiprocessing

from vaekit.core.system import System
from vaekit.tasks.score import Scores, score
from vaekit.tasks.walk import device_of
from vaekit.training.archive import load_tensors, save_tensors

__all__ = ["scored"]

_PIECE = 250
_GLANCE_SECONDS = 2.0


@dataclass(frozen=True)
class _Work:
    """What a process needs to know to score any piece."""

    system: System
    rows: Mapping[str, Tensor]
    particles: int
    seed: int
    values: int
    folder: Path
    piece: int

    def files(self) -> list[Path]:
        """A file a piece, whose name says everything that its numbers depend on."""
        digest = hashlib.sha256(f"{self.particles} {self.seed} {self.piece}".encode())
        for _, held in sorted({**self.system.model.state_dict(), **{f"rows {name}": v for name, v in self.rows.items()}}.items()):
            digest.update(held.detach().cpu().contiguous().numpy().tobytes())
        pieces = range(0, len(self.rows["x"]), self.piece)
        return [self.folder / f"scores-{digest.hexdigest()[:12]}-{start}.safetensors" for start in pieces]

    def do(self, place: int, file: Path) -> None:
        """Score one piece and keep it."""
        rows = {name: values[place * self.piece :][: self.piece] for name, values in self.rows.items()}
        found = score(self.system, rows, self.particles, self.seed, self.values)
        save_tensors(file, {name: torch.from_numpy(values) for name, values in vars(found).items()}, {})


def scored(
    system: System, rows: Mapping[str, Tensor], particles: int, seed: int, values: int, folder: Path | None, reach: Callable[[int], None],
    piece: int = _PIECE,
) -> Scores:
    """The importance-weighted bound of each row.

    Arguments:
        system: fitted.
        rows: stored by its modality.
        particles: K.
        seed: of the draws.
        values: how many numbers of data a process holds at a time.
        folder: keeps the pieces; None = nothing is kept.
        reach: told how many rows are done.
        piece: rows of a piece.
    """
    with tempfile.TemporaryDirectory() as passing:
        work = _Work(system, rows, particles, seed, values, folder or Path(passing), piece)
        files = work.files()
        missing = [(place, file) for place, file in enumerate(files) if not file.exists()]
        processes = min(torch.get_num_threads(), len(missing))
        if device_of(system.model).type != "cpu" or processes < 2:
            for done, (place, file) in enumerate(missing, start=len(files) - len(missing)):
                reach(done * piece)
                work.do(place, file)
        else:
            working = multiprocessing.spawn(_share, (work, missing, processes), processes, join=False)
            while not working.join(_GLANCE_SECONDS):
                reach(piece * sum(file.exists() for file in files))
        reach(len(rows["x"]))
        parts = [load_tensors(file)[0] for file in files]
    return Scores(**{name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]})


def _share(which: int, work: _Work, missing: list[tuple[int, Path]], processes: int) -> None:
    """The pieces that fall to one process when they are dealt out in turn, by one thread."""
    torch.set_num_threads(1)
    for place, file in missing[which::processes]:
        work.do(place, file)
