"""How long the command and the package take to answer.

Each program runs in a process of its own, all of them once a turn, after one turn that only warms the file cache; medians over the
turns, and the ratio turn by turn.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from record import Record, Skipped, arguments, bar, figure, run

_FIRST_USE = "import vaekit; vaekit.fit"


def seconds(command: list[str]) -> float:
    """Wall-clock time of a program, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def measure(options: Any, record: Record) -> None:
    """Every program, turn by turn."""
    vae = Path(sys.executable).parent / "vae"
    if not vae.exists():
        raise Skipped(f"the command is not installed beside {sys.executable}: pip install -e .")
    programs = {"help": [str(vae), "--help"]}
    programs |= {code: [sys.executable, "-c", code] for code in ("import torch", "import vaekit", _FIRST_USE)}
    taken: dict[str, list[float]] = {name: [] for name in programs}
    with bar("turns", options.turns + 1) as reach:
        for turn in range(options.turns + 1):
            for name, command in programs.items():
                taken[name].append(seconds(command))
            reach(turn + 1)
    taken = {name: values[1:] for name, values in taken.items()}
    n, how = options.turns, "median, a process of its own each time"
    ratios = {name: statistics.median(a / b for a, b in zip(taken[name], taken["import torch"])) for name in ("import vaekit", _FIRST_USE)}
    record.add(
        figure("vae --help", statistics.median(taken["help"]), "s", n, how, at_most=0.4),
        figure("import torch", statistics.median(taken["import torch"]), "s", n, how),
        figure("import vaekit", statistics.median(taken["import vaekit"]), "s", n, f"{how}; loads its names when they are first used"),
        figure("import vaekit / import torch", ratios["import vaekit"], "x", n, "median of the turns' ratios", at_most=1.5),
        figure("first use of vaekit.fit / import torch", ratios[_FIRST_USE], "x", n, f"median of the turns' ratios; {_FIRST_USE}"),
    )


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--turns", type=int, default=7, help="how often each starts")
    return run(parser, "Start", measure)


if __name__ == "__main__":
    raise SystemExit(main())
