"""Results in the format the data came in: whole or absent, a chunk at a time.

    open_writer(path) -> append, append, ... -> the finished file stands at once

npy, csv, parquet and folders of png hold one chunk in memory; npz and idx, whose layout asks for it, hold all rows until the end.
"""

import gzip
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from zipfile import ZipFile, ZipInfo

import numpy as np

from vaekit.core.errors import InputError
from vaekit.core.files import whole_file, whole_folder
from vaekit.data.formats import format_of, suffix_of
from vaekit.data.pictures import write_pictures
from vaekit.data.sources.idx import write_idx
from vaekit.data.sources.reading import first_line
from vaekit.data.sources.tables import check_names, typed

__all__ = ["Writer", "finished_path", "open_writer", "write_records"]

Extras = Mapping[str, np.ndarray]

# Names and types of a table's columns.
_Header = tuple[tuple[str, ...], tuple[str, ...]]


class Writer(ABC):
    """Takes rows, in order."""

    @abstractmethod
    def append(self, values: np.ndarray, extras: Extras | None = None) -> None:
        """Write rows `(N, ...)`, of one shape and type from call to call, with further columns `(N,)` by name, numbers or text.

        Raises:
            InputError: where the format cannot hold them.
        """

    @abstractmethod
    def finish(self) -> None:
        """Write what can only be known at the end."""


def write_records(
    path: str | Path,
    values: np.ndarray,
    columns: Sequence[str] = (),
    format: str = "array",
    extras: Extras | None = None,
    dtypes: Sequence[str] = (),
) -> Path:
    """Write rows in the format of the path's suffix or, where it has none, of the data they are like.

    Arguments:
        path: where to write; without a suffix, the format's own is added.
        values: rows `(N, ...)`; integers stay integers, and an image becomes one column a pixel in a csv or parquet file.
        columns: names of a table's columns; empty = x0, x1, ...
        format: `Records.format` of the data they are like.
        extras: further columns by name, `(N,)`, numbers or text; for csv, parquet and npz.
        dtypes: as for `open_writer`.

    Returns:
        The path that was written.

    Raises:
        InputError: where the format cannot hold such values, or the path cannot be written.
    """
    with open_writer(path, columns, format, dtypes) as writer:
        writer.append(values, extras)
    return finished_path(path, format)


@contextmanager
def open_writer(
    path: str | Path, columns: Sequence[str] = (), format: str = "array", dtypes: Sequence[str] = ()
) -> Iterator[Writer]:
    """A writer of rows that come a chunk at a time; what it wrote stands at `path` when the block ends, whole, or not at all.

    Arguments:
        path: where to write; without a suffix, the format's own is added.
        columns: names of a table's columns; empty = x0, x1, ...
        format: `Records.format` of the data they are like.
        dtypes: the type of each column of a csv or parquet file, or one for all; empty = that of the values.

    Raises:
        InputError: where nothing was appended, the format cannot hold the values, or the path cannot be written.
    """
    target = finished_path(path, format)
    kind = format_of(target)
    with ExitStack() as stack:
        temporary = stack.enter_context(whole_folder(target) if kind == "folder" else whole_file(target))
        with ExitStack() as handles:
            writer = _writer(kind, target, temporary, (tuple(columns), tuple(dtypes)), handles)
            yield writer
            writer.finish()


def finished_path(path: str | Path, format: str) -> Path:
    """The path itself, with the format's suffix where it has none.

    Raises:
        InputError: where nothing can be written under this name or in this format.
    """
    target = Path(path).expanduser()
    kind = format_of(target)
    if kind in ("txt", "picture"):
        raise InputError(f"{target}: rows cannot be written to this; give .npy, .npz, .csv, .parquet, .idx, or a folder for images")
    return target if kind != "folder" or target.is_dir() else target.with_name(target.name + suffix_of(format))


def _writer(kind: str, target: Path, temporary: Path, header: _Header, handles: ExitStack) -> Writer:
    if kind == "folder":
        return _Folder(target, temporary)
    if kind in ("csv", "parquet"):
        return _Tabular(kind, target, temporary, header, handles)
    file: BinaryIO = handles.enter_context(open(temporary, "wb"))
    if kind == "idx" and target.suffix.lower() == ".gz":
        # No time of day in the file: equal rows make equal bytes.
        file = cast(BinaryIO, handles.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)))
    return _Npy(target, file) if kind == "npy" else _Whole(kind, target, file)


class _Npy(Writer):
    """Appends to one `.npy` file; its header, which has room to grow, is written again when the rows have been counted."""

    def __init__(self, target: Path, file: BinaryIO) -> None:
        self._target, self._file = target, file
        self._rows = 0
        self._like: tuple[np.dtype, tuple[int, ...]] | None = None

    def append(self, values: np.ndarray, extras: Extras | None = None) -> None:
        _no_extras(self._target, extras)
        values = _rows_of(values, self._target)
        if self._like is None:
            self._like = values.dtype, values.shape[1:]
            self._header()
        if self._like != (values.dtype, values.shape[1:]):
            before, now = (f"{kind} {shape}" for kind, shape in (self._like, (values.dtype, values.shape[1:])))
            raise InputError(f"{self._target}: rows of {now} do not fit those before them, {before}")
        self._file.write(np.ascontiguousarray(values).data)
        self._rows += len(values)

    def finish(self) -> None:
        _some(self._rows, self._target)
        self._file.seek(0)
        self._header()

    def _header(self) -> None:
        assert self._like is not None
        kind, shape = self._like
        facts = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (self._rows, *shape)}
        np.lib.format.write_array_header_1_0(self._file, facts)


class _Tabular(Writer):
    """Appends to a csv or parquet file, one column an element."""

    def __init__(self, kind: str, target: Path, temporary: Path, header: _Header, handles: ExitStack) -> None:
        self._kind, self._target, self._temporary, self._handles = kind, target, temporary, handles
        self._columns, self._dtypes = header
        self._file: Any = None
        self._schema: Any = None

    def append(self, values: np.ndarray, extras: Extras | None = None) -> None:
        import pyarrow as pa

        named = self._named(_rows_of(values, self._target), extras or {})
        # In a csv a gap is a blank cell; a parquet column holds NaN itself.
        blank = self._kind == "csv"
        table = pa.table({name: pa.array(column, from_pandas=blank or column.dtype == object) for name, column in named.items()})
        if self._file is None:
            self._schema = table.schema
            self._file = self._handles.enter_context(self._opened(table.schema))
        try:
            # Unlike parquet's, the csv writer does not look whether a table is of its schema.
            self._file.write_table(table.cast(self._schema))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise InputError(f"{self._target}: these columns do not fit those before them ({first_line(error)})") from error

    def finish(self) -> None:
        _some(self._file is not None, self._target)

    def _opened(self, schema: Any) -> Any:
        if self._kind == "parquet":
            from pyarrow import parquet

            # A dictionary of numbers that hardly repeat makes the file larger and slower.
            words = [column.name for column in schema if str(column.type) == "string"]
            return parquet.ParquetWriter(self._temporary, schema, use_dictionary=words)
        from pyarrow import csv

        delimiter = "\t" if self._target.suffix.lower() == ".tsv" else ","
        return csv.CSVWriter(self._temporary, schema, write_options=csv.WriteOptions(delimiter=delimiter))

    def _named(self, values: np.ndarray, extras: Extras) -> dict[str, np.ndarray]:
        flat = values.reshape(len(values), -1)
        names = self._columns or tuple(f"x{position}" for position in range(flat.shape[1]))
        if len(names) != flat.shape[1]:
            raise InputError(f"{self._target}: {len(names)} column names for rows of {flat.shape[1]} values; give one name a value")
        check_names([*names, *extras], str(self._target))
        return {**typed(flat, names, self._dtypes), **{name: np.asarray(column) for name, column in extras.items()}}


class _Folder(Writer):
    """Appends to a folder of png files."""

    def __init__(self, target: Path, temporary: Path) -> None:
        self._target, self._temporary = target, temporary
        self._rows = 0

    def append(self, values: np.ndarray, extras: Extras | None = None) -> None:
        _no_extras(self._target, extras)
        write_pictures(self._temporary, _rows_of(values, self._target), self._rows)
        self._rows += len(values)

    def finish(self) -> None:
        _some(self._rows, self._target)


class _Whole(Writer):
    """Collects the rows of a npz or idx file, and writes them at the end."""

    def __init__(self, kind: str, target: Path, file: BinaryIO) -> None:
        self._kind, self._target, self._file = kind, target, file
        self._parts: list[dict[str, np.ndarray]] = []

    def append(self, values: np.ndarray, extras: Extras | None = None) -> None:
        if self._kind == "idx":
            _no_extras(self._target, extras)
        check_names(["x", *(extras or {})], str(self._target))
        named = {name: _unpickled(np.asarray(column)) for name, column in (extras or {}).items()}
        self._parts.append({**named, "x": np.array(_rows_of(values, self._target))})

    def finish(self) -> None:
        _some(len(self._parts), self._target)
        arrays = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        if self._kind == "npz":
            _write_npz(self._file, arrays)
        else:
            write_idx(self._file, arrays["x"], self._target)


def _write_npz(file: BinaryIO, arrays: Extras) -> None:
    # numpy.savez would take a column named `file` for its own argument.
    with ZipFile(file, "w") as archive:
        for name, values in arrays.items():
            with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)


def _unpickled(column: np.ndarray) -> np.ndarray:
    # Text as characters of fixed width, which numpy stores without a pickle.
    return np.array(["" if cell is None else str(cell) for cell in column.tolist()]) if column.dtype == object else column


def _rows_of(values: np.ndarray, target: Path) -> np.ndarray:
    if values.ndim == 0 or values.dtype.kind not in "biuf":
        raise InputError(f"{target}: values of type {values.dtype} are not rows of numbers; pass text as an extra column")
    return values


def _no_extras(target: Path, extras: Extras | None) -> None:
    if extras:
        raise InputError(f"{target}: has no place for the columns {', '.join(extras)}; write to .csv, .parquet or .npz")


def _some(rows: int, target: Path) -> None:
    if not rows:
        raise InputError(f"{target}: there are no rows to write; nothing was written")
