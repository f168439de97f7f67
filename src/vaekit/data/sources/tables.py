"""Tables, whatever they lie in: csv, parquet, a pandas or polars frame. Inside they are all one Arrow table with its whereabouts.

A column of numbers becomes a column of x; a blank cell becomes NaN. A cell of text among numbers is an error that names the file,
the column, the row and the cell.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from vaekit.core.errors import InputError, nearest
from vaekit.core.records import Records
from vaekit.data.sources.arrays import plain

__all__ = ["MISSING", "Table", "check_names", "check_present", "from_frame", "is_frame", "is_number", "to_frame", "typed"]

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A")


def _row_words(row: int) -> str:
    return f"row {row + 1}"


@dataclass(frozen=True)
class Table:
    """Named columns of one length.

    Arguments:
        arrow: the columns.
        source: where they come from, for messages.
        format: the format to write results in.
        index: row names of a frame; None where rows have no names.
        place: the words for a row in a message, from its position in the source.
        first: position of the first row in the source, where this is a part of it.
        labels: which column is the labels; a table never says so by itself.
    """

    arrow: Any
    source: str
    format: str
    index: np.ndarray | None = None
    place: Callable[[int], str] = _row_words
    first: int = 0
    labels: str | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.arrow.column_names)

    def chunks(self, rows: int) -> "Iterator[Table]":
        """The table in parts of at most `rows` rows, without a copy."""
        for start in range(0, self.arrow.num_rows, rows):
            index = None if self.index is None else self.index[start : start + rows]
            yield replace(self, arrow=self.arrow.slice(start, rows), index=index, first=start)

    def filled(self) -> "Table":
        """The table itself, if it has rows.

        Raises:
            InputError: where it has none.
        """
        if not self.arrow.num_rows:
            raise InputError(f"{self.source}: has columns but no rows; give at least one row")
        return self

    def rest(self, taken: Collection[str], columns: Sequence[str] | None = None) -> Records:
        """These columns as x, of the smallest type that holds them all; where none are named, all but labels and condition.

        A blank cell is NaN; each column's own type is kept beside.

        Raises:
            InputError: where a column is absent, a cell is no number (names the column, the row and the cell), or no column is left.
        """
        names = tuple(columns) if columns is not None else tuple(name for name in self.names if name not in taken)
        check_present(names, self.names, self.source)
        if not names:
            raise InputError(f"{self.source}: no column is left for x once labels and condition are taken out; keep at least one")
        own = [self._numeric(name) for name in names]
        values = [self._plain(column) for column in own]
        x = np.empty((len(values[0]), len(values)), np.result_type(*values))
        for position, column in enumerate(values):
            x[:, position] = column
        dtypes = tuple(np.dtype(column.type.to_pandas_dtype()).name for column in own)
        return Records(x, names, index=self.index, source=self.source, format=self.format, dtypes=dtypes)

    def facts(self, name: str) -> np.ndarray:
        """One column as it is: numbers (blank = NaN), truth values, or text (blank = None) as an object array.

        What stands for a gap in a csv, such as `NA`, may be a word where there are types.
        """
        import pyarrow as pa

        check_present([name], self.names, self.source)
        column = _flat(self.arrow[name])
        if pa.types.is_boolean(column.type):
            return column.to_numpy(zero_copy_only=False)
        if not _is_text(column.type):
            return self._plain(self._numeric(name))
        gaps = MISSING if self.format == "csv" else ("",)
        cells = [None if cell is None or cell.strip() in gaps else cell.strip() for cell in column.cast(pa.large_string()).to_pylist()]
        return np.array(cells, dtype=object)

    def _numeric(self, name: str) -> Any:
        """A column of truth values, integers or floats, as Arrow holds it."""
        import pyarrow as pa

        column, kinds = _flat(self.arrow[name]), pa.types
        if kinds.is_null(column.type) or kinds.is_decimal(column.type):
            return column.cast(pa.float64())
        if _is_text(column.type):
            return self._parsed(name, column)
        if not (kinds.is_boolean(column.type) or kinds.is_integer(column.type) or kinds.is_floating(column.type)):
            raise InputError(f"{self.source}: column {name!r} holds {column.type}, not numbers; convert it to numbers or drop it")
        return column

    def _plain(self, column: Any) -> np.ndarray:
        import pyarrow as pa

        # A truth value that is missing would make the column one of Python objects.
        column = column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column
        return plain(column.to_numpy(zero_copy_only=False), self.source)

    def _parsed(self, name: str, column: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = pa.large_string()
        text = pc.utf8_trim_whitespace(column.cast(kind))
        text = pc.if_else(pc.is_in(text, value_set=pa.array(MISSING, kind)), pa.scalar(None, kind), text)
        for kept in (pa.float64(), pa.bool_()):
            try:
                return text.cast(kept)
            except pa.ArrowInvalid:
                continue
        row = _first_unread(text)
        cell = str(column[row].as_py())
        shown = cell if len(cell) <= 40 else cell[:37] + "..."
        raise InputError(
            f"{self.source}: column {name!r}, {self.place(self.first + row)}: {shown!r} is not a number; "
            f"correct or blank that cell, drop the column, or, when training, name it in labels or condition"
        )


def _first_unread(text: Any) -> int:
    """The position of the first cell that is read as no number by Arrow, which refuses some that Python takes, such as 1_000."""
    import pyarrow as pa

    first, end = 0, len(text)
    # All cells before `first` are numbers, and one before `end` is none.
    while end - first > 1:
        middle = (first + end) // 2
        try:
            text.slice(first, middle - first).cast(pa.float64())
            first = middle
        except pa.ArrowInvalid:
            end = middle
    return first


def is_frame(data: Any) -> bool:
    """Whether the data is a pandas or polars frame; neither is imported to find out."""
    return type(data).__name__ == "DataFrame" and type(data).__module__.split(".")[0] in ("pandas", "polars")


def from_frame(frame: Any) -> Table:
    """A pandas or polars frame; the index of a pandas frame is kept.

    Raises:
        InputError: where two columns have one name, or there are no rows.
    """
    import pyarrow as pa

    names = [str(name) for name in frame.columns]
    check_names(names, "data frame")
    if type(frame).__module__.startswith("polars"):
        return Table(frame.to_arrow(), "data frame", "polars").filled()
    columns = [_series(frame.iloc[:, position]) for position in range(len(names))]
    return Table(pa.table(columns, names=names), "data frame", "frame", frame.index.to_numpy()).filled()


def typed(values: np.ndarray, names: Sequence[str], dtypes: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Rows `(N, columns)` as columns by name, each in its own type.

    Arguments:
        values: numbers that their types can hold.
        names: of the columns.
        dtypes: a type for each column, or one for all; empty = that of the values.
    """
    kept = tuple(dtypes) if len(dtypes) == len(names) else (*dtypes, values.dtype.name)[:1] * len(names)
    return {name: column.astype(kind, copy=False) for name, column, kind in zip(names, values.T, kept, strict=True)}


def to_frame(values: np.ndarray, names: Sequence[str], dtypes: Sequence[str] = (), format: str = "frame", like: Any = None) -> Any:
    """Rows `(N, columns)` as a pandas frame, or a polars frame where the format is `polars`.

    Arguments:
        values: the rows.
        names: of the columns.
        dtypes: as for `typed`.
        format: `Records.format` of the data they are like.
        like: what they were made from; the index and the names of a pandas frame are theirs too.

    Raises:
        InputError: where a polars frame is wanted and polars is not installed.
    """
    columns = typed(values, names, dtypes)
    if format == "polars":
        try:
            import polars
        except ImportError as error:
            raise InputError("rows like those of a polars frame need polars, which is not installed: pip install polars") from error
        return polars.DataFrame(columns)
    import pandas

    if not isinstance(like, pandas.DataFrame):
        return pandas.DataFrame(columns)
    # Names that are no text, as the numbers are that pandas itself gives, come back as what they were.
    frame = pandas.DataFrame(columns, index=like.index)
    return frame.rename(columns={str(name): name for name in like.columns})


def check_present(wanted: Iterable[str], names: Collection[str], source: str) -> None:
    """Raise where a column that is wanted is not among the names; suggests the nearest."""
    known = set(names)
    for name in wanted:
        if name not in known:
            raise InputError(f"{source}: has no column {name!r}: {nearest(name, names)}")


def check_names(names: Sequence[str], source: str) -> None:
    """Raise where a column's name is blank or stands twice."""
    for position, name in enumerate(names):
        if not name.strip():
            raise InputError(f"{source}: column {position + 1} has no name; name it, or leave row numbers out (index=False)")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{source}: the name {twice!r} stands over two columns; rename one of them")


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _series(series: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # Numbers and text in one column: as text, so that the cell which is no number can be named.
        return pa.array([None if missing else str(cell) for cell, missing in zip(series, series.isna(), strict=True)], pa.string())


def _flat(column: Any) -> Any:
    import pyarrow as pa

    column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "string_view")
