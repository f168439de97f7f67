"""csv files: one header line, then one row a line; a comma, semicolon, tab or bar between the cells.

A csv has no types. Read whole, a column without a fraction is int64; read in chunks, where nobody knows what is still to come,
every number of x is float64, and facts beside x are the text that stands there.
"""

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vaekit.core.errors import InputError
from vaekit.data.sources.reading import reading
from vaekit.data.sources.tables import MISSING, Table, check_names, check_present, is_number

__all__ = ["csv_chunks", "read_csv"]

_BLOCK = 1 << 22


def read_csv(path: Path) -> Table:
    """A csv file, in memory.

    Raises:
        InputError: where the file is damaged, has no header, no rows, or rows of different lengths.
    """
    from pyarrow import csv as arrow_csv

    delimiter, names = _header(path)
    with _whole(path):
        read = arrow_csv.ReadOptions(block_size=_block(path))
        table = arrow_csv.read_csv(path, read_options=read, **_options(delimiter, names, names, ()))
        _check_text(table, path)
    return Table(table, str(path), "csv", place=partial(_line_of_row, path, delimiter)).filled()


def csv_chunks(path: Path, rows: int, columns: Sequence[str] | None, others: Sequence[str]) -> Iterator[Table]:
    """A csv file in chunks of at most `rows` rows.

    Arguments:
        path: the file.
        rows: the most rows a chunk has.
        columns: the columns of numbers; None = all.
        others: columns of facts, read as text.

    Raises:
        InputError: as `read_csv`, when the chunk at fault is reached.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    delimiter, names = _header(path)
    check_present([*(columns or ()), *others], names, str(path))
    wanted = names if columns is None else [*dict.fromkeys([*columns, *others])]
    with _whole(path):
        # Threads would read ahead, and hold what they have read.
        read = arrow_csv.ReadOptions(block_size=_block(path), use_threads=False)
        reader = arrow_csv.open_csv(path, read_options=read, **_options(delimiter, names, wanted, wanted))
    start = 0
    while True:
        with _whole(path):
            batch = next(reader, None)
        if batch is None:
            break
        for first in range(0, len(batch), rows):
            part = pa.Table.from_batches([batch.slice(first, rows)])
            _check_text(part, path)
            yield Table(part, str(path), "csv", place=partial(_line_of_row, path, delimiter), first=start + first)
        start += len(batch)


def _whole(path: Path) -> Any:
    import pyarrow as pa

    return reading(path, (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, csv.Error), "csv file in UTF-8")


def _options(delimiter: str, names: Sequence[str], wanted: Sequence[str], text: Sequence[str]) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    # A blank line in a file of one column is a blank cell.
    parse = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=len(names) > 1)
    types = {name: pa.large_string() for name in text}
    convert = arrow_csv.ConvertOptions(null_values=list(MISSING), column_types=types, include_columns=wanted)
    return {"parse_options": parse, "convert_options": convert}


def _block(path: Path) -> int:
    """Bytes that are read together: several lines, however long they are."""
    with open(path, "rb") as file:
        longest = max(len(file.readline()) for _ in range(3))
    return max(_BLOCK, 8 * longest)


def _check_text(table: Any, path: Path) -> None:
    # What is no UTF-8 is taken for binary.
    binary = [column.name for column in table.schema if "binary" in str(column.type)]
    if binary:
        raise InputError(f"{path}: column {binary[0]!r} is not UTF-8 text; save the file as UTF-8")


def _header(path: Path) -> tuple[str, list[str]]:
    with _whole(path), open(path, encoding="utf-8-sig", newline="") as file:
        line = file.readline()
        delimiter = max(",;\t|", key=line.count)
        file.seek(0)
        names = next(csv.reader(file, delimiter=delimiter), [])
    if not names:
        raise InputError(f"{path}: line 1 is blank; put the columns' names there")
    # Pixel numbers 0, 1, 2 ... are names; any other line of numbers is a first row that would be lost.
    counted = any(names == [str(first + position) for position in range(len(names))] for first in (0, 1))
    if all(map(is_number, names)) and not counted:
        raise InputError(f"{path}: line 1 holds numbers ({', '.join(names[:3])} ...), not names; add a header line with the columns' names")
    check_names(names, str(path))
    return delimiter, names


def _line_of_row(path: Path, delimiter: str, row: int) -> str:
    """The line on which a data row ends: blank lines and line breaks within quotes are counted."""
    with open(path, encoding="utf-8-sig", newline="", errors="replace") as file:
        reader = csv.reader(file, delimiter=delimiter)
        single = len(next(reader)) == 1
        seen = -1
        for cells in reader:
            seen += bool(cells) or single
            if seen == row:
                break
        return f"line {reader.line_num}"
