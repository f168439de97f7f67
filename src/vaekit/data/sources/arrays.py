"""Arrays, from memory and from `.npy` and `.npz`: one plain numeric array with the rows first, nothing ever unpickled.

Whole numbers keep their width (uint8 stays uint8, a truth value becomes 0 or 1); floats become float32 unless they are float64.
Images end with their channels last, `(N, height, width[, channels])`.
"""

import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.data.sources.reading import reading

__all__ = ["Arrays", "as_array", "map_npy", "plain", "read_npy", "read_npz", "rows_of"]

_DAMAGED = (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile, zlib.error)
_VALUES = ("x", "X", "images", "imgs", "data")
_LABELS = ("y", "labels", "label")


@dataclass(frozen=True)
class Arrays:
    """Rows as one array, with other arrays of the same length that have names.

    Arguments:
        records: the rows.
        named: values that may serve as labels or condition.
        labels: which of them are the labels unless others are given; None = none.
    """

    records: Records
    named: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the other arrays."""
        return tuple(self.named)

    @property
    def source(self) -> str:
        """Where the rows come from."""
        return self.records.source

    def facts(self, name: str) -> np.ndarray:
        """The array of this name."""
        return self.named[name]

    def rest(self, taken: Collection[str], columns: Sequence[str] | None = None) -> Records:
        """The rows; they are the same whatever is taken as labels or condition, and have no columns to choose from."""
        return self.records


def as_array(data: Any) -> np.ndarray:
    """A tensor, a series or a list as a numpy array, without a copy where it can be helped.

    Raises:
        InputError: where a list holds rows of different lengths.
    """
    if isinstance(data, Tensor):
        data = data.detach().cpu()
        # numpy has no bfloat16.
        return (data.float() if data.is_floating_point() and data.element_size() < 4 else data).numpy()
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        # What is masked is a gap, whatever number stands there.
        return np.ma.filled(data.astype(np.result_type(data.dtype, np.float32)), np.nan)
    try:
        values = np.asarray(data)
    except ValueError as error:
        raise InputError("data: its rows have different lengths; give rows of one length") from error
    if values.dtype != object:
        return values
    # The NA of pandas is neither equal nor unequal to anything; what is missing is None here.
    return np.asarray(np.frompyfunc(lambda value: None if type(value).__name__ == "NAType" else value, 1, 1)(values), dtype=object)


def plain(values: np.ndarray, source: str) -> np.ndarray:
    """The array as numbers in the machine's byte order; floats become float32 unless they are float64.

    Arguments:
        values: any array.
        source: where it comes from, for the message.

    Raises:
        InputError: where the values are no numbers.
    """
    kind = values.dtype.kind
    if kind == "b":
        return values.view(np.uint8) if values.flags.c_contiguous else values.astype(np.uint8)
    if kind in "iu":
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if kind == "f":
        return values.astype(np.float64 if values.dtype.itemsize >= 8 else np.float32, copy=False)
    words = {"c": "complex numbers", "M": "dates", "m": "durations", "U": "text", "S": "text", "O": "Python objects", "V": "records"}
    raise InputError(f"{source}: holds {words.get(kind, str(values.dtype))}, not numbers; convert it to integers or floats first")


def rows_of(values: np.ndarray, source: str, format: str) -> Records:
    """An array as records that know the type it came in, images with their channels last.

    Arguments:
        values: any array.
        source: where it comes from, for messages.
        format: the format to write results in.

    Raises:
        InputError: where the values are no numbers.
    """
    x = _channels_last(plain(values, source))
    # Longer floats than float64 are kept as float64, and come back so.
    came = np.dtype(f"{values.dtype.kind}{min(values.dtype.itemsize, 8)}")
    return Records(x, source=source, format=format, dtypes=(came.name,))


def _channels_last(values: np.ndarray) -> np.ndarray:
    """Images `(N, 1 or 3, height, width)` as `(N, height, width, 1 or 3)`; all else as it is."""
    first = values.ndim == 4 and values.shape[1] in (1, 3) and values.shape[3] not in (1, 3, 4)
    return np.ascontiguousarray(np.moveaxis(values, 1, -1)) if first else values


def map_npy(path: Path) -> np.ndarray:
    """The array of a `.npy` file, left on disk until it is looked at.

    Raises:
        InputError: where the file is pickled, cut short, or holds no rows.
    """
    # A map first checks the length on disk against the header, so a header that lies cannot ask for all of the memory.
    with reading(path, _DAMAGED, ".npy file"):
        _refuse_pickle(path)
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, kind = header(file)
        if kind.hasobject:
            raise InputError(f"{path}: holds pickled Python objects, which are never loaded; save plain numbers (array.astype(float))")
        if 0 in shape:
            raise InputError(f"{path}: holds no values (shape {shape}); give a file with at least one row")
        if not shape:
            raise InputError(f"{path}: holds a single number; save an array with the rows first")
        return np.load(path, mmap_mode="r", allow_pickle=False)


def read_npy(path: Path) -> np.ndarray:
    """The array of a `.npy` file, in memory.

    Raises:
        InputError: where the file is pickled, cut short, or holds no rows.
    """
    return np.array(map_npy(path))


def read_npz(path: Path) -> Arrays:
    """A `.npz` file: the rows are `x`, `X`, `images`, `imgs` or `data`, or its only array; the labels are `y`, `labels` or `label`.

    Arrays that are pickled are passed over where others are not.

    Raises:
        InputError: where the file is damaged, empty, holds pickled objects alone, or does not say which array is meant.
    """
    with reading(path, _DAMAGED, ".npz file"):
        _refuse_pickle(path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: _member(archive, name) for name in archive.files}
    kept = {name: values for name, values in arrays.items() if values is not None}
    if not kept:
        held = "pickled Python objects alone, which are never loaded" if arrays else "no arrays"
        raise InputError(f"{path}: holds {held}; save plain arrays with numpy.savez")
    key = _values_key(kept, str(path))
    named = {name: values for name, values in kept.items() if name != key}
    return Arrays(rows_of(kept[key], str(path), "npz"), named, next((name for name in _LABELS if name in named), None))


def _values_key(arrays: Mapping[str, np.ndarray], source: str) -> str:
    found = [name for name in _VALUES if name in arrays] or [name for name in arrays if name not in _LABELS]
    if len(found) != 1:
        raise InputError(f"{source}: which of its arrays ({', '.join(arrays)}) are the rows is not clear; save that one under the name x")
    return found[0]


def _member(archive: Any, name: str) -> np.ndarray | None:
    try:
        return archive[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            return None
        raise


def _refuse_pickle(path: Path) -> None:
    with open(path, "rb") as file:
        start = file.read(6)
    if not start.startswith((b"\x93NUMPY", b"PK")):
        cause = "is a pickle, which is never loaded" if start[:1] == b"\x80" else "is not a numpy file"
        raise InputError(f"{path}: {cause}; save plain numbers with numpy.save or numpy.savez")
