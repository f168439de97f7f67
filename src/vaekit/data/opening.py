"""One door for everything a person may have: a path, a name of the catalogue, an array, a tensor, a frame.

    data, labels, condition -> Records(x, label, condition)

A table gives up the columns that are named as labels or condition; the rest is x. Arrays and images are x whole.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vaekit.core.errors import InputError, nearest
from vaekit.core.records import Records
from vaekit.data.catalogue import CATALOGUE, open_catalogue
from vaekit.data.formats import format_of
from vaekit.data.pictures import read_folder, read_pictures
from vaekit.data.sources.arrays import Arrays, as_array, read_npy, read_npz, rows_of
from vaekit.data.sources.delimited import read_csv
from vaekit.data.sources.facts import class_names, encode_labels, has_fractions, stack_facts
from vaekit.data.sources.idx import read_idx
from vaekit.data.sources.parquet import read_parquet
from vaekit.data.sources.reading import reading
from vaekit.data.sources.tables import Table, check_present, from_frame, is_frame

__all__ = ["existing", "open_column", "open_facts", "open_records"]

_Columns = list[tuple[str, np.ndarray]]


def open_records(data: Any, labels: Any = None, condition: Any = None, columns: Sequence[str] | None = None) -> Records:
    """Everything a source holds, in memory, with the person's own names.

    Arguments:
        data: a path, a name of the catalogue (a file of the same name is `./name`), a numpy array, a torch tensor, a pandas or
            polars frame, or `Records`. Images have their channels last or, where it is plain to see, first.
        labels: a column of the table or an array of the `.npz`, a path (csv or parquet of one column, npy, idx, or txt with one a
            line), or values; None or `"label"` = those that come with the data (sub-folders; the arrays y, labels or label, where they
            hold classes), if any.
        condition: columns of the table, `"label"` for the label, a path, values `(N,)` or `(N, facts)`, or a frame; None = none.
        columns: the columns of a table that are x, in this order; others are passed over. None = all that are neither labels nor condition.

    Returns:
        The records. A label that is empty, None, NaN or -1 is -1. A condition is float64 where all of it are numbers, else objects.

    Raises:
        InputError: where the data cannot be read or does not fit together; says where and what to do.
    """
    opened = _opened(data)
    unnamed = "label" not in opened.names
    asked = labels is not None and not (unnamed and opened.labels is not None and _says_label(labels))
    labels = labels if asked else _labels_of(opened)
    of_label = unnamed and _says_label(condition)
    # Names are looked up before any value is read, so that a misspelt one is what the message speaks of.
    label_columns = None if labels is None else _columns(opened, labels, "labels")
    facts = None if condition is None or of_label else _columns(opened, condition, "condition")
    taken = {name for given in (labels, condition) for name in _named(opened, given)}
    records = opened.rest(taken, columns)
    if not records.x.size:
        raise InputError(f"{records.source}: holds no values (shape {records.x.shape}); give at least one row")
    if records.x.ndim < 2:
        held = f"single line of {len(records.x)} numbers; reshape it to" if records.x.ndim else "single number; give"
        raise InputError(f"{records.source}: holds a {held} (rows, columns)")
    if label_columns is not None:
        records = _labelled(records, label_columns)
    if of_label:
        facts = [("label", _by_class(records))]
    return records if facts is None else _conditioned(records, facts, labels)


def open_facts(given: Any, rows: int, role: str, source: str = "data") -> tuple[tuple[str, ...], np.ndarray]:
    """Facts of rows that stand elsewhere: the names of the facts, and their values `(rows, facts)`, numbers or objects.

    Arguments:
        given: a path (csv, parquet, npy, idx, or txt with one a line), values `(N,)` or `(N, facts)`, or a frame.
        rows: how many rows there are.
        role: what the facts are, for messages.
        source: where the rows come from, for messages.

    Raises:
        InputError: where the facts cannot be read, or there is not one of each a row.
    """
    beside = Arrays(Records(np.empty((rows, 1)), source=source))
    columns = _columns(beside, given, role)
    _check_lengths(beside.records, columns, role)
    return tuple(name for name, _ in columns), stack_facts([values for _, values in columns])


def open_column(data: Any, name: str) -> np.ndarray:
    """One column of a table, or one array beside the rows, as it stands there: `(N,)` numbers, truth values or objects.

    Arguments:
        data: whatever `open_records` opens.
        name: of the column.

    Raises:
        InputError: where the data cannot be read, or has no such column.
    """
    return _opened(data).facts(name)


def existing(path: Path) -> Path:
    """The path, if something is there.

    Raises:
        InputError: where there is nothing; suggests the nearest name beside it or in the catalogue.
    """
    with reading(path, (), "path"):
        if path.exists():
            return path
        beside = sorted(other.name for other in path.parent.iterdir()) if path.parent.is_dir() else []
    near = nearest(path.name, [*beside, *CATALOGUE]).partition("Known:")[0].strip()
    raise InputError(f"{path}: is not there; {near}{' ' * bool(near)}check the path, or name a known data set: {', '.join(CATALOGUE)}")


def _opened(data: Any) -> Arrays | Table:
    if isinstance(data, Records):
        return Arrays(data)
    if isinstance(data, str) and data in CATALOGUE:
        return Arrays(open_catalogue(data))
    if isinstance(data, (str, Path)):
        return _from_path(existing(Path(data).expanduser()))
    if is_frame(data):
        return from_frame(data)
    return Arrays(rows_of(as_array(data), "data", "array"))


def _from_path(path: Path) -> Arrays | Table:
    if path.is_dir():
        return read_folder(path)
    match format_of(path):
        case "csv":
            return read_csv(path)
        case "parquet":
            return read_parquet(path)
        case "npz":
            return read_npz(path)
        case "npy":
            return Arrays(rows_of(read_npy(path), str(path), "npy"))
        case "idx":
            return Arrays(rows_of(read_idx(path), str(path), "idx"))
        case "picture":
            return Arrays(Records(read_pictures([path]), source=str(path), format="folder"))
        case other:
            kind = f"a {other} file" if path.suffix else "a file without a suffix"
            raise InputError(f"{path}: {kind} is no data; give .npy, .npz, .csv, .parquet, .idx, .idx.gz or a folder of images")


def _labels_of(opened: Arrays | Table) -> str | None:
    """The labels that come with the data unasked, where they are classes: what else is called y, such as a price, is passed over."""
    if opened.labels is None:
        return None
    values = opened.facts(opened.labels)
    return None if has_fractions(values) or (values.ndim > 1 and values.shape[1] > 1) else opened.labels


def _says_label(given: Any) -> bool:
    return isinstance(given, str) and given == "label"


def _named(opened: Arrays | Table, given: Any) -> tuple[str, ...]:
    """The names of the opened data that `given` speaks of; none where it is a path or values."""
    names = (given,) if isinstance(given, str) else given
    if isinstance(names, (list, tuple)) and opened.names and all(isinstance(name, str) for name in names):
        return tuple(name for name in names if name in opened.names)
    return ()


def _columns(opened: Arrays | Table, given: Any, role: str) -> _Columns:
    names = _named(opened, given)
    listed = isinstance(given, (list, tuple)) and all(isinstance(name, str) for name in given)
    # A list of words is names where one of them is a name, or where a table is asked for its condition; else it is values.
    if listed and (names or (role == "condition" and isinstance(opened, Table))):
        check_present(given, opened.names, f"{role}: {opened.source}")
    if names:
        return [(name, opened.facts(name)) for name in names]
    if isinstance(given, (str, Path)):
        return _columns_of_path(opened, given, role)
    if is_frame(given):
        table = from_frame(given)
        return [(name, table.facts(name)) for name in table.names]
    return _columns_of_array(as_array(given), role)


def _columns_of_path(opened: Arrays | Table, given: str | Path, role: str) -> _Columns:
    path = Path(given).expanduser()
    if isinstance(given, str) and not path.suffix and not path.exists():
        known = nearest(given, opened.names) if opened.names else f"{opened.source} has no named columns."
        raise InputError(f"{role}: {given!r} is neither a column nor a file: {known}")
    match format_of(existing(path)):
        case "csv" | "parquet" as kind:
            table = read_csv(path) if kind == "csv" else read_parquet(path)
            return [(name, table.facts(name)) for name in table.names]
        case "npy":
            return _columns_of_array(read_npy(path), role)
        case "idx":
            return _columns_of_array(read_idx(path), role)
        case "txt":
            with reading(path, (UnicodeDecodeError,), "UTF-8 text file"):
                return [(role, np.array(path.read_text("utf-8-sig").splitlines(), dtype=object))]
        case _:
            raise InputError(f"{path}: {role} cannot be read from this; give .csv, .parquet, .npy, .idx(.gz) or .txt with one a line")


def _columns_of_array(values: np.ndarray, role: str) -> _Columns:
    if values.ndim == 1:
        return [(role, values)]
    if values.ndim != 2:
        raise InputError(f"{role}: has shape {values.shape}; give one value a row, or (rows, facts)")
    names = [role] if values.shape[1] == 1 else [f"{role}_{position}" for position in range(values.shape[1])]
    return list(zip(names, values.T, strict=True))


def _labelled(records: Records, columns: _Columns) -> Records:
    if len(columns) != 1:
        raise InputError(f"labels: has {len(columns)} columns; give one class a row (for one-hot labels, labels.argmax(1))")
    _check_lengths(records, columns, "labels")
    label, classes = encode_labels(columns[0][1], records.source)
    return replace(records, label=label, classes=classes)


def _conditioned(records: Records, columns: _Columns, labels: Any) -> Records:
    _check_lengths(records, columns, "condition")
    # A class that is written as a number is a name, not a quantity.
    values = [_by_class(records) if isinstance(labels, str) and name == labels else column for name, column in columns]
    return replace(records, condition=stack_facts(values), condition_columns=tuple(name for name, _ in columns))


def _by_class(records: Records) -> np.ndarray:
    if records.label is None:
        raise InputError(f"condition: {records.source} has no labels to condition on; give labels as well")
    return class_names(records.label, records.classes)


def _check_lengths(records: Records, columns: _Columns, role: str) -> None:
    for name, values in columns:
        if (count := len(values) if values.ndim else 1) != records.rows:
            raise InputError(f"{role}: {name!r} has {count} values, but {records.source} has {records.rows} rows; give one a row")
