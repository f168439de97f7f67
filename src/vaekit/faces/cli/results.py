"""Where results go: in the format the data came in unless the path says otherwise, or on one sheet of pictures.

    samples.csv   samples.parquet   samples.npy   samples.npz   samples.idx.gz   samples/ (a png each)   samples.png (one sheet)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil, sqrt
from pathlib import Path

import numpy as np

from vaekit.core.errors import InputError
from vaekit.core.files import whole_file
from vaekit.core.modality import Modality
from vaekit.data import open_writer
from vaekit.data.formats import format_of
from vaekit.data.pictures import write_sheet
from vaekit.data.writing import finished_path
from vaekit.faces.fitted import FittedVAE

__all__ = ["Append", "Place", "as_pixels", "beside", "place_of", "writing_rows", "writing_ways"]

Extras = Mapping[str, np.ndarray]
Append = Callable[[np.ndarray, Extras], None]

_ON_A_SHEET, _ACROSS = 4096, 16
_TABLES = ("csv", "parquet")


class Place:
    """A path to write to, and the format it stands for.

    Arguments:
        out: the path as a person gave it; without a suffix, the format's own is added.
        format: of the data that the results are like.

    Raises:
        InputError: where nothing can be written under this name.
    """

    def __init__(self, out: Path, format: str):
        out = out.expanduser()
        self.kind = format_of(out)
        self.path = out if self.kind == "picture" else finished_path(out, format)
        self.kind = format_of(self.path)

    @property
    def tabular(self) -> bool:
        """Whether columns have names there."""
        return self.kind in _TABLES

    @property
    def named(self) -> bool:
        """Whether further columns have a place beside the rows there."""
        return self.tabular or self.kind == "npz"

    @property
    def pictured(self) -> bool:
        """Whether values become pixels there."""
        return self.kind in ("folder", "picture")


def place_of(fitted: FittedVAE, out: Path) -> Place:
    """Where rows like the data go.

    Raises:
        InputError: where nothing can be written under this name, or pictures are asked of what is no image.
    """
    place = Place(out, str(fitted.data.get("format", "array")))
    if place.pictured and len(fitted.system.modality.event) != 3:
        raise InputError(f"{place.path}: this model's rows are no images; give a path that ends in .csv, .parquet, .npy or .npz")
    return place


@contextmanager
def writing_rows(fitted: FittedVAE, place: Place, across: int | None = None) -> Iterator[Append]:
    """Takes rows in the data's own units, chunk by chunk, with further columns where the format has a place for them.

    Arguments:
        fitted: whose rows they are.
        place: where they go; it holds all of them when the block ends, or nothing.
        across: pictures in a row of a sheet; None = a square.

    Raises:
        InputError: where the path cannot be written, or a sheet would be too large.
    """
    modality = fitted.system.modality
    if place.kind == "picture":
        with _sheet(modality, place.path, across) as append:
            yield append
        return
    header = [fitted.data.get(name) or () for name in ("columns", "dtypes")] if place.tabular else [(), ()]
    with open_writer(place.path, header[0], place.kind, header[1]) as writer:
        if place.named:
            yield writer.append
        else:
            yield lambda values, extras: writer.append(as_pixels(modality, values) if place.pictured else values)


def writing_ways(fitted: FittedVAE, place: Place, values: np.ndarray, name: str, ways: Sequence[int]) -> None:
    """Write values `(ways, steps, ...)`: a way is a row of a sheet; a table numbers both in columns of their own.

    Arguments:
        fitted: whose rows they are.
        place: where they go.
        values: in the data's own units.
        name: of a way, for a table.
        ways: the number of each way, for a table.

    Raises:
        InputError: where the path cannot be written.
    """
    steps = values.shape[1]
    with writing_rows(fitted, place, across=steps) as append:
        if not place.tabular and not place.pictured:
            append(values, {})
            return
        numbers = {name: np.asarray(ways).repeat(steps), "step": np.tile(np.arange(1, steps + 1), len(ways))}
        append(values.reshape(-1, *values.shape[2:]), numbers)


def as_pixels(modality: Modality, values: np.ndarray) -> np.ndarray:
    """Images in the data's own units as what a picture can hold: bytes as they are, all else on 0 .. 1.

    Arguments:
        modality: fitted to images; knows what full brightness is.
        values: `(N, height, width[, channels])`.
    """
    location, scale = (float(v.reshape(-1)[0]) for v in (modality.adapter.location, modality.adapter.scale))  # type: ignore[attr-defined]
    if values.dtype == np.uint8 and scale == 255:
        return values
    if modality.adapter.standardise:  # type: ignore[attr-defined]
        # Real numbers have no brightest value: five deviations span the greys.
        location, scale = location - 2.5 * scale, 5 * scale
    return np.clip((values.astype(np.float64) - location) / scale, 0, 1)


def beside(originals: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Originals over what was made of them, line by line, for a sheet of `_ACROSS` pictures in a row; a gap is as dark as can be."""
    lines, darkest = [], float(made.min())
    for start in range(0, len(made), _ACROSS):
        for images in (originals, made):
            part = np.nan_to_num(images[start : start + _ACROSS].astype(np.float64), nan=darkest)
            blank = np.full((_ACROSS - len(part), *part.shape[1:]), part.max())
            lines.append(np.concatenate([part, blank]))
    return np.concatenate(lines)


@contextmanager
def _sheet(modality: Modality, path: Path, across: int | None) -> Iterator[Append]:
    parts: list[np.ndarray] = []

    def append(values: np.ndarray, extras: Extras) -> None:
        parts.append(as_pixels(modality, values))
        total = sum(map(len, parts))
        if total > _ON_A_SHEET:
            raise InputError(f"{path}: {total} pictures are too many for one sheet of at most {_ON_A_SHEET}; give a folder, or fewer rows")

    with whole_file(path) as temporary:
        yield append
        images = np.concatenate(parts)
        write_sheet(temporary, images, across or ceil(sqrt(len(images))))
