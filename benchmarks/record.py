"""What every benchmark shares: figures with their protocol, a table for people, one JSON file for the record.

A figure is a number with what it takes to doubt it: unit, sample size, seed, protocol, and the target where there is one.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from vaekit.core.errors import InputError, WorkFailed
from vaekit.core.files import whole_file
from vaekit.core.records import Records
from vaekit.data.catalogue import open_catalogue

__all__ = [
    "Figure", "Record", "Skipped", "arguments", "bar", "environment", "figure", "finished", "mnist", "out", "processor", "root", "run",
]

out = Console(width=None if sys.stdout.isatty() else 160)
root = Path(__file__).resolve().parent.parent


class Skipped(Exception):
    """What the benchmark needs is not on this machine; the message says what and how to get it."""


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Arguments:
        name: what was measured.
        value: the number.
        unit: of the value.
        n: how many rows, turns or cases it rests on.
        seed: of the run; None = nothing was drawn.
        protocol: how it was measured, in one sentence.
        target: what it must reach, such as `<= 86.5`; empty = it is reported only.
        met: whether it does; None = no target.
    """

    name: str
    value: float
    unit: str
    n: int
    seed: int | None
    protocol: str
    target: str = ""
    met: bool | None = None


def figure(
    name: str, value: float, unit: str, n: int, protocol: str, seed: int | None = None,
    at_most: float | None = None, at_least: float | None = None,
) -> Figure:
    """A figure, held against its limit where it has one.

    Arguments:
        name: what was measured.
        value: the number.
        unit: of the value.
        n: how many rows, turns or cases it rests on.
        protocol: how it was measured, in one sentence.
        seed: of the run; None = nothing was drawn.
        at_most: largest value that passes.
        at_least: smallest value that passes.
    """
    if at_most is not None:
        return Figure(name, value, unit, n, seed, protocol, f"<= {at_most:g}", value <= at_most)
    if at_least is not None:
        return Figure(name, value, unit, n, seed, protocol, f">= {at_least:g}", value >= at_least)
    return Figure(name, value, unit, n, seed, protocol)


class Record:
    """The figures of one benchmark, in the order they were measured.

    Arguments:
        title: of the table.
    """

    def __init__(self, title: str):
        self.title = title
        # As it stands when the work begins: a long run may outlast a commit.
        self.machine, self.commit = _machine(), _commit()
        self.figures: list[Figure] = []

    def add(self, *figures: Figure) -> None:
        """Keep figures."""
        self.figures += figures

    def show(self) -> None:
        """Print the table."""
        m = self.machine
        table = Table(title=self.title, caption=f"{m['processor']}, {m['cores']} cores, {m['memory_gb']} GB, torch {m['torch']}")
        for heading in ("what", "value", "unit", "n", "target", "met", "protocol"):
            table.add_column(heading, justify="right" if heading in ("value", "n") else "left", overflow="fold")
        for f in self.figures:
            met = "" if f.met is None else "[green]yes[/]" if f.met else "[red]no[/]"
            value = f"{f.value:,.4g}" if abs(f.value) < 1e4 else f"{f.value:,.0f}"
            table.add_row(f.name, value, f.unit, f"{f.n:,}", f.target, met, f.protocol)
        out.print(table)

    def write(self, path: Path) -> None:
        """Write the record as JSON, whole or not at all."""
        record = {"machine": self.machine, "commit": self.commit, "figures": [asdict(f) for f in self.figures]}
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", "utf-8")


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes.

    Arguments:
        description: the benchmark's docstring; its first line is shown.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to this file")
    return parser


def run(parser: argparse.ArgumentParser, title: str, measure: Callable[[argparse.Namespace, Record], None]) -> int:
    """Measure, print the table, write the JSON; an exit code as of the `vae` command.

    Arguments:
        parser: of the command line.
        title: of the table.
        measure: does the work, adding figures to the record.

    Returns:
        0 = done, targets met or not; 1 = the work failed; 2 = an argument is wrong; 130 = interrupted.
    """
    options = parser.parse_args()
    record = Record(title)
    try:
        measure(options, record)
    except Skipped as reason:
        out.print(f"skipped: {reason}", markup=False)
        return 0
    except (InputError, WorkFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        return 130
    record.show()
    if options.json:
        record.write(options.json)
        out.print(f"figures in {options.json}", markup=False)
    return 0


def finished(path: Path, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The runs that a file holds, a line of JSON each.

    Arguments:
        path: of the file; none there = no runs.
        told: how the runs of a table are made, which each line says of itself.

    Raises:
        InputError: where they were made in another way.
    """
    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines() if text] if path.exists() else []
    for line in lines:
        if line["told"] != told:
            raise InputError(f"{path} holds runs made with {json.dumps(line['told'])}, not {json.dumps(told)}: give another --results")
    return lines


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over `total` units of work; gives a function that is told how many are done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def mnist() -> tuple[Records, Records]:
    """MNIST's training and test images.

    Raises:
        Skipped: where they are not there and cannot be fetched.
    """
    try:
        return open_catalogue("mnist"), open_catalogue("mnist", "test")
    except (InputError, WorkFailed) as error:
        raise Skipped(f"MNIST is not there; point VAEKIT_DATA at a folder that holds images/mnist ({error})") from error


def environment(**extra: str) -> dict[str, str]:
    """This process's environment for a child of it."""
    return {**os.environ, **extra}


def _machine() -> dict[str, Any]:
    import torch

    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def processor() -> str:
    """The processor's name."""
    facts = Path("/proc/cpuinfo")
    named = [line for line in facts.read_text().splitlines() if line.startswith("model name")] if facts.is_file() else []
    return named[0].partition(":")[2].strip() if named else platform.processor() or platform.machine()


def _commit() -> str:
    """The commit the figures were measured at, `-dirty` where files had changed since; empty outside a clone."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    asked = subprocess.run(command, cwd=root, capture_output=True, text=True)
    return asked.stdout.strip()
