"""Parquet files: typed columns, read whole or a few rows at a time; row names that pandas stored are the index, not a column."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vaekit.data.sources.reading import reading
from vaekit.data.sources.tables import Table, check_names, check_present

__all__ = ["parquet_chunks", "read_parquet"]


def read_parquet(path: Path) -> Table:
    """A parquet file, in memory.

    Raises:
        InputError: where the file is damaged or has no rows, or two columns have one name.
    """
    from pyarrow import parquet

    with _whole(path), parquet.ParquetFile(path) as file:
        _names(file.schema_arrow, path)
        table, indices = file.read(), _index_columns(file.schema_arrow)
    index = table[indices[0]].to_numpy() if len(indices) == 1 else None
    return Table(table.drop_columns(indices), str(path), "parquet", index).filled()


def parquet_chunks(path: Path, rows: int, columns: Sequence[str] | None, others: Sequence[str]) -> Iterator[Table]:
    """A parquet file in chunks of at most `rows` rows; only the columns that are asked for are read.

    Arguments:
        path: the file.
        rows: the most rows a chunk has.
        columns: the columns of numbers; None = all.
        others: further columns to read.

    Raises:
        InputError: as `read_parquet`, when the chunk at fault is reached.
    """
    import pyarrow as pa
    from pyarrow import parquet

    start = 0
    # Without read-ahead, since a row group may be the whole file.
    with _whole(path), parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        names = _names(file.schema_arrow, path)
        check_present([*(columns or ()), *others], names, str(path))
        wanted = names if columns is None else [*dict.fromkeys([*columns, *others])]
        for batch in file.iter_batches(batch_size=rows, columns=wanted, use_threads=False):
            yield Table(pa.Table.from_batches([batch]), str(path), "parquet", first=start)
            start += len(batch)


def _whole(path: Path) -> Any:
    import pyarrow as pa

    return reading(path, (pa.ArrowException, OSError), "parquet file")


def _names(schema: Any, path: Path) -> list[str]:
    """The columns' names without the index."""
    indices = set(_index_columns(schema))
    names = [name for name in schema.names if name not in indices]
    check_names(names, str(path))
    return names


def _index_columns(schema: Any) -> list[str]:
    stored, names = (schema.pandas_metadata or {}).get("index_columns", []), set(schema.names)
    return [name for name in stored if isinstance(name, str) and name in names]
