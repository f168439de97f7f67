"""Rows in chunks, for files that are larger than memory: what is held is one chunk, whatever the file's length.

    file -> Records of at most `rows` rows, again and again
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.data.formats import format_of
from vaekit.data.opening import open_records
from vaekit.data.sources.arrays import map_npy, rows_of
from vaekit.data.sources.delimited import csv_chunks
from vaekit.data.sources.facts import stack_facts
from vaekit.data.sources.parquet import parquet_chunks
from vaekit.data.sources.tables import Table, from_frame, is_frame

__all__ = ["column_names", "stream_records"]

_CHUNKS = {"csv": csv_chunks, "parquet": parquet_chunks}


def column_names(data: Any) -> tuple[str, ...]:
    """The names of a table's columns, in order, without its values being read; empty where there are none.

    Arguments:
        data: whatever `open_records` opens.

    Raises:
        InputError: where it is a table that cannot be read.
    """
    if isinstance(data, Records):
        return data.columns
    if is_frame(data):
        return tuple(map(str, data.columns))
    file = Path(data).expanduser() if isinstance(data, (str, Path)) else Path()
    if not file.is_file() or (kind := format_of(file)) not in _CHUNKS:
        return ()
    first = next(_CHUNKS[kind](file, 1, None, ()), None)
    return () if first is None else first.names


def stream_records(
    data: Any,
    rows: int = 65536,
    columns: Sequence[str] | None = None,
    condition: str | Sequence[str] = (),
) -> Iterator[Records]:
    """The rows of a source in order, a chunk at a time: from disk for parquet, csv and npy, cut from memory for all else.

    The numbers are those of `open_records`, save that a csv, which has no types, gives float64.

    Arguments:
        data: a path, or whatever else `open_records` opens.
        rows: the most rows a chunk has.
        columns: the columns of a table that are x, in this order; others are passed over. None = all that are no condition.
        condition: columns of a table that are the condition.

    Raises:
        InputError: where the data cannot be read, when the chunk at fault is reached; or columns are named where there are none.
    """
    if rows < 1:
        raise InputError(f"rows={rows} must be at least 1")
    others = (condition,) if isinstance(condition, str) else tuple(condition)
    if is_frame(data):
        return _from_tables(from_frame(data).chunks(rows), columns, others)
    path = Path(data).expanduser() if isinstance(data, (str, Path)) else Path()
    kind = format_of(path) if path.is_file() else ""
    if kind in _CHUNKS:
        return _from_tables(_CHUNKS[kind](path, rows, columns, others), columns, others)
    if columns is not None or others:
        raise InputError("columns can be chosen by name from csv and parquet files and data frames alone; leave columns and condition out")
    if kind == "npy":
        return _from_npy(path, rows)
    records = open_records(data)
    return (records.take(slice(start, start + rows)) for start in range(0, records.rows, rows))


def _from_tables(tables: Iterable[Table], columns: Sequence[str] | None, others: tuple[str, ...]) -> Iterator[Records]:
    for table in tables:
        facts = stack_facts([table.facts(name) for name in others]) if others else None
        rows = table.rest(others, columns)
        yield replace(rows, condition=facts, condition_columns=others, position=np.arange(table.first, table.first + rows.rows))


def _from_npy(path: Path, rows: int) -> Iterator[Records]:
    for start in range(0, len(map_npy(path)), rows):
        # Mapped anew each time: the pages of one long map would stay in memory once they were read.
        found = rows_of(np.array(map_npy(path)[start : start + rows]), str(path), "npy")
        yield replace(found, position=np.arange(start, start + found.rows))
