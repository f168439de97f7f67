"""Runs that are made once, a line of a file each, by as many processes as there are: each takes what no other has in hand."""

import fcntl
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from record import finished

__all__ = ["claimed", "made_once"]


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether this process alone has a run in hand; a process that ends, however it does, has none.

    Arguments:
        path: of the run's lock; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def made_once(
    asked: Iterable[tuple[str, int]], kind: str, results: Path, told: Mapping[str, Any], locks: Path,
    make: Callable[[str, int], dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Make the runs that the file lacks and no other process has in hand; gives each one's line, which the file then holds.

    Arguments:
        asked: (name, seed) of every run, in order.
        kind: what a line calls the name.
        results: the file; its folder is made.
        told: how the runs are made, which each line says of itself.
        locks: folder that tells what is in hand.
        make: from a name and a seed to a line.

    Raises:
        InputError: where the file holds runs that were made in another way.
    """
    results.parent.mkdir(parents=True, exist_ok=True)
    for name, seed in asked:
        with claimed(locks / f"{name}-{seed}.lock") as mine:
            known = {(line[kind], line["seed"]) for line in finished(results, told)}
            if not mine or (name, seed) in known:
                continue
            line = make(name, seed)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        yield line
