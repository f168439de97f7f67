"""A file's format, told by its name alone: reading and writing agree because both ask here.

    samples.csv -> csv      train-images-idx3-ubyte.gz -> idx      faces/ -> folder
"""

import re
from pathlib import Path

from vaekit.core.errors import InputError

__all__ = ["PICTURES", "format_of", "suffix_of"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")

_SUFFIXES = {".npy": "npy", ".npz": "npz", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet", ".txt": "txt"}
_IDX = re.compile(r"[.-]idx(\d-ubyte)?(\.gz)?$")
_WRITTEN = {name: f".{name}" for name in ("npy", "npz", "csv", "parquet", "idx")} | {
    "folder": "", "array": ".npy", "frame": ".parquet", "polars": ".parquet",
}


def format_of(path: Path) -> str:
    """The format that a file's name promises: `npy`, `npz`, `csv`, `parquet`, `idx`, `txt`, `picture`; without a suffix `folder`.

    Raises:
        InputError: where the suffix is unknown; lists the known ones.
    """
    name = path.name.lower()
    suffix = path.suffix.lower()
    if _IDX.search(name):
        return "idx"
    if suffix in PICTURES:
        return "picture"
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if not suffix:
        return "folder"
    known = ", ".join([*_SUFFIXES, ".idx", ".idx.gz"])
    raise InputError(f"{path}: {suffix!r} is not a known suffix; use one of {known}, or a folder of {', '.join(PICTURES)} images")


def suffix_of(format: str) -> str:
    """The suffix to write a format with, for a path that has none; empty for a folder.

    Raises:
        InputError: where nothing is written in this format.
    """
    if format not in _WRITTEN:
        raise InputError(f"results cannot be written as {format!r}; give a path that ends in .npy, .npz, .csv, .parquet, .idx, or a folder")
    return _WRITTEN[format]
