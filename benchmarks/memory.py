"""How much memory a million rows take on their way through the command.

A Parquet file of 1,000,000 x 64 numbers with eight hidden causes is made in a temporary folder, a model is trained on a small part, and
`vae encode` and `vae score` read the file and write theirs. The peak is the largest resident set of the command's process, as
the kernel counted it.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from record import Record, arguments, bar, figure, run
from resume import command, in_peace

from vaekit.core.errors import WorkFailed

_COLUMNS, _CAUSES, _CHUNK = 64, 8, 50_000
_LIMIT_GB = 2.0
# A process inherits its parent's peak when it is started: a parent as large as this one would be measured in its place.
_WATCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(process.returncode, usage.ru_maxrss)
"""


def write(path: Path, rows: int, seed: int) -> None:
    """Rows of correlated numbers, a chunk at a time."""
    draw = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(_CAUSES, _COLUMNS)).astype(np.float32)
    schema = pa.schema([(f"x{i}", pa.float32()) for i in range(_COLUMNS)])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, _CHUNK):
            n = min(_CHUNK, rows - start)
            causes, noise = (draw.standard_normal((n, size), dtype=np.float32) for size in (_CAUSES, _COLUMNS))
            writer.write_table(pa.Table.from_arrays(list((causes @ mixing + noise).T), schema=schema))


def observed(words: list[str]) -> tuple[float, float]:
    """Seconds that a command took, and its peak resident set in GB.

    Raises:
        WorkFailed: where it fails.
    """
    began = time.perf_counter()
    watched = subprocess.run([sys.executable, "-c", _WATCHER, *words], stdout=subprocess.PIPE, text=True, check=True)
    seconds, (code, peak) = time.perf_counter() - began, map(int, watched.stdout.split())
    if code:
        raise WorkFailed(f"{' '.join(words[1:])} ended with code {code}")
    # Linux counts in KiB, macOS in bytes.
    return seconds, peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def measure(options: Any, record: Record) -> None:
    """Make the file, train, encode, score."""
    with tempfile.TemporaryDirectory() as folder, bar("steps", 4) as reach:
        here = Path(folder)
        small, large, model = here / "small.parquet", here / "large.parquet", here / "model"
        write(small, 20_000, options.seed + 1)
        write(large, options.rows, options.seed)
        size = large.stat().st_size / 1e9
        reach(1)
        train = ["fit", str(small), "--run", str(model), "--epochs", "3", "--set", f"latent={_CAUSES}", "--no-report", "--json"]
        in_peace([command(), *train])
        reach(2)
        for done, verb in enumerate(("encode", "score"), 3):
            out = here / f"{verb}.parquet"
            seconds, peak = observed([command(), verb, str(model), str(large), "--out", str(out)])
            written = pq.read_metadata(out).num_rows
            if written != options.rows:
                raise WorkFailed(f"vae {verb} wrote {written} rows of {options.rows}")
            how = f"vae {verb} on {options.rows:,} x {_COLUMNS} rows from Parquet ({size:.2f} GB on disk) to Parquet, defaults"
            record.add(
                figure(f"{verb}: peak memory", peak, "GB", options.rows, how, options.seed, at_most=_LIMIT_GB),
                figure(f"{verb}: time", seconds, "s", options.rows, "wall clock, start-up included", options.seed),
            )
            reach(done)


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    return run(parser, "Memory", measure)


if __name__ == "__main__":
    raise SystemExit(main())
