"""The idx format of the MNIST files, read and written: a four-byte magic number, the sizes, then the values, all big-endian.

    00 00 type axes | size_1 .. size_axes (uint32 each) | values,      bytes left = prod(sizes) x width(type)
"""

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vaekit.core.errors import InputError
from vaekit.data.sources.reading import reading

__all__ = ["read_idx", "write_idx"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> np.ndarray:
    """The array of an idx file, gzipped or not, in the machine's byte order.

    Raises:
        InputError: where the magic number is wrong, or the file holds more or fewer values than its header says.
    """
    with reading(path, (gzip.BadGzipFile, EOFError, zlib.error), "gzipped idx file"):
        content = gzip.open(path).read() if path.suffix.lower() == ".gz" else path.read_bytes()
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES or not content[3]:
        raise InputError(f"{path}: is not an idx file (magic number {content[:4].hex(' ')}, not 00 00 type axes); check which file this is")
    axes = content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise InputError(f"{path}: ends inside its header; copy or download it again")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", axes, 4))
    kind = np.dtype(_TYPES[content[2]])
    promised = kind.itemsize * int(np.prod(shape, dtype=object))
    if len(content) - start != promised:
        sizes = " x ".join(map(str, shape))
        raise InputError(
            f"{path}: its header says {sizes} = {promised} bytes of values, but it holds {len(content) - start}; copy or download it again"
        )
    return np.frombuffer(content, kind, offset=start).reshape(shape).astype(kind.newbyteorder("="))


def write_idx(file: BinaryIO, values: np.ndarray, target: Path) -> None:
    """Write an array as idx.

    Arguments:
        file: where the bytes go.
        values: uint8, int8, int16, int32, float32 or float64 (or truth values, as 0 and 1).
        target: the file's name, for the message.

    Raises:
        InputError: where the format has no such type.
    """
    values = values.astype(np.uint8) if values.dtype == bool else values
    kind = next((code for code, name in _TYPES.items() if np.dtype(name) == values.dtype.newbyteorder(">")), None)
    if kind is None:
        raise InputError(f"{target}: idx holds no {values.dtype}; convert the values to int32 or float32, or write to .npy")
    file.write(bytes([0, 0, kind, values.ndim]) + np.array(values.shape, ">u4").tobytes())
    file.write(np.ascontiguousarray(values, _TYPES[kind]).data)
