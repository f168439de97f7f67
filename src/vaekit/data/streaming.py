"""Rows in chunks, for files that are larger than memory: what is held is one chunk, whatever the file's length.

    file -> Records of at most `rows` rows, again and again
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.data.formats import format_of
from vaekit.data.opening import existing, open_records
from vaekit.data.sources.arrays import channels_last, map_npy, plain
from vaekit.data.sources.delimited import csv_chunks
from vaekit.data.sources.facts import stack_facts
from vaekit.data.sources.parquet import parquet_chunks

__all__ = ["stream_records"]


def stream_records(
    path: str | Path,
    rows: int = 65536,
    columns: Sequence[str] | None = None,
    condition: str | Sequence[str] = (),
) -> Iterator[Records]:
    """The rows of a file in order, a chunk at a time: from disk for parquet, csv and npy, cut from memory for all else.

    The numbers are those of `open_records`, save that a csv, which has no types, gives float64.

    Arguments:
        path: the file, or whatever else `open_records` opens.
        rows: the most rows a chunk has.
        columns: the columns of a table that are x, in this order; others are passed over. None = all that are no condition.
        condition: columns of a table that are the condition.

    Raises:
        InputError: where the file cannot be read, when the chunk at fault is reached; or columns are named where there are none.
    """
    if rows < 1:
        raise InputError(f"rows={rows} must be at least 1")
    others = (condition,) if isinstance(condition, str) else tuple(condition)
    file = Path(path).expanduser()
    kind = format_of(existing(file)) if file.is_file() else "other"
    if kind in ("csv", "parquet"):
        return _from_table(file, kind, rows, columns, others)
    if columns is not None or others:
        raise InputError(f"{path}: has no named columns to choose from; only csv and parquet files have")
    if kind == "npy":
        return _from_npy(file, rows)
    records = open_records(path)
    return (records.take(slice(start, start + rows)) for start in range(0, records.rows, rows))


def _from_table(path: Path, kind: str, rows: int, columns: Sequence[str] | None, others: tuple[str, ...]) -> Iterator[Records]:
    read = csv_chunks if kind == "csv" else parquet_chunks
    for table in read(path, rows, columns, others):
        names = tuple(columns) if columns is not None else tuple(name for name in table.names if name not in others)
        facts = stack_facts([table.facts(name) for name in others]) if others else None
        yield Records(table.numbers(names), names, condition=facts, condition_columns=others, source=str(path), format=kind)


def _from_npy(path: Path, rows: int) -> Iterator[Records]:
    for start in range(0, len(map_npy(path)), rows):
        # Mapped anew each time: the pages of one long map would stay in memory once they were read.
        chunk = plain(np.array(map_npy(path)[start : start + rows]), str(path))
        yield Records(channels_last(chunk), source=str(path), format="npy")
