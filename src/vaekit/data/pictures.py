"""Folders of images, read and written: one array of bytes, grey `(N, height, width)` or colour `(N, height, width, 3)`.

Sub-folders name the classes. The headers are read first, so that a wrong size is found before anything is decoded; then threads decode
straight into one array. A palette or CMYK becomes colour; one colour image makes all of them colour. What is transparent is seen on white.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.data.formats import PICTURES
from vaekit.data.sources.arrays import Arrays
from vaekit.data.sources.reading import reading

__all__ = ["read_folder", "read_pictures", "write_pictures", "write_sheet"]

_GREY = {"1", "L", "LA"}
_DEEP = {"F", "I"}
_AT_ONCE = 64
_GAP, _SMALLEST_SIDE = 2, 56
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def read_folder(folder: Path) -> Arrays:
    """All images in a folder and below it, by name; hidden files are passed over.

    The first folder below names the class; an image outside such folders is unlabelled, and all in one folder have no labels.

    Raises:
        InputError: where there is no image; says what is there instead; and all that `read_pictures` raises.
    """
    with reading(folder, (OSError,), "folder"):
        files = sorted(path for path in folder.rglob("*") if not _hidden(path.relative_to(folder)) and path.is_file())
    found = [path for path in files if path.suffix.lower() in PICTURES]
    if not found:
        held = f"{len(files)} other files, {files[0].name} first" if files else "nothing"
        raise InputError(f"{folder}: no images in this folder (it holds {held}); give a folder of {', '.join(PICTURES)} files")
    parts = [path.relative_to(folder).parts for path in found]
    folders = np.array([part[0] if len(part) > 1 else "" for part in parts], dtype=object)
    records = Records(read_pictures(found), source=str(folder), format="folder")
    return Arrays(records, {"folder": folders}, "folder") if len(set(folders)) > 1 else Arrays(records)


def read_pictures(files: list[Path]) -> np.ndarray:
    """Images of one size as bytes, in the order of the files.

    Raises:
        InputError: where an image is damaged, has 16 bits a channel, or another size than the first; names the file.
    """
    with ThreadPoolExecutor() as threads:
        facts = list(threads.map(_facts, files, chunksize=_AT_ONCE))
        _same_size(files, [size for size, _ in facts])
        mode = "L" if all(mode in _GREY for _, mode in facts) else "RGB"
        width, height = facts[0][0]
        images = np.empty((len(files), height, width) + (() if mode == "L" else (3,)), np.uint8)
        # Consumed at once: only the array and one image a thread are ever held.
        for _ in threads.map(partial(_decode, files, images, mode), _parts(len(files))):
            pass
    return images


def write_pictures(folder: Path, images: np.ndarray, first: int = 0) -> None:
    """Images as png files `000000.png`, `000001.png`, ...

    Arguments:
        folder: where they go.
        images: `(N, height, width)` or `(N, height, width, 1 or 3)`: bytes, or floats in [0, 1].
        first: the number of the first one.

    Raises:
        InputError: where the values are no images, or their range is not that of bytes or [0, 1].
    """
    pixels = _bytes(images)
    with ThreadPoolExecutor() as threads:
        for _ in threads.map(partial(_encode, folder, pixels, first), _parts(len(pixels))):
            pass


def write_sheet(path: Path, images: np.ndarray, columns: int) -> None:
    """Images side by side in one picture, row by row on white, small ones enlarged by a whole factor.

    Arguments:
        path: the picture; its suffix says in which format.
        images: as for `write_pictures`.
        columns: how many stand in a row.

    Raises:
        InputError: as `write_pictures`.
    """
    pixels = _bytes(images)
    factor = max(1, _SMALLEST_SIDE // max(pixels.shape[1:3]))
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    height, width = (side + _GAP for side in pixels.shape[1:3])
    lines, across = -(-len(pixels) // columns), min(columns, len(pixels))
    sheet = np.full((lines * height + _GAP, across * width + _GAP, *pixels.shape[3:]), 255, np.uint8)
    for place, image in enumerate(pixels):
        top, left = place // columns * height + _GAP, place % columns * width + _GAP
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    Image.fromarray(sheet).save(path)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _parts(total: int) -> Iterator[range]:
    return (range(start, min(start + _AT_ONCE, total)) for start in range(0, total, _AT_ONCE))


def _facts(path: Path) -> tuple[tuple[int, int], str]:
    with reading(path, _DAMAGED, "image"), Image.open(path) as image:
        # Pillow reads colours of 16 bits as 8; how they lie in the file says so.
        deep = image.mode in _DEEP or image.mode.startswith("I;") or any(";16" in str(tile[3]) for tile in image.tile)
        if deep:
            raise InputError(f"{path}: has more than 8 bits a channel (mode {image.mode}); save it with 8 bits, or give a .npy array")
        return image.size, image.mode


def _same_size(files: list[Path], sizes: list[tuple[int, int]]) -> None:
    for path, size in zip(files, sizes, strict=True):
        if size != sizes[0]:
            one, other = (f"{width}x{height}" for width, height in (sizes[0], size))
            raise InputError(f"{files[0]} is {one} but {path} is {other} (width x height); resize all images to one size")


def _decode(files: list[Path], images: np.ndarray, mode: str, part: range) -> None:
    for index in part:
        with reading(files[index], _DAMAGED, "image"), Image.open(files[index]) as image:
            images[index] = np.asarray(_opaque(image).convert(mode))


def _opaque(image: Image.Image) -> Image.Image:
    """An image on white, where parts of it are transparent: their own colours are not meant to be seen."""
    if not image.has_transparency_data:
        return image
    seen = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), seen)


def _bytes(images: np.ndarray) -> np.ndarray:
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[3] == 3):
        raise InputError(f"rows of shape {images.shape[1:]} are no images; write them to a .csv, .parquet, .npy or .npz file")
    if images.dtype == np.uint8:
        return images
    top = 255 if images.dtype.kind in "iu" else 1
    if images.dtype.kind not in "biuf" or not (images.min() >= 0 and images.max() <= top):
        found = f"{images.dtype} from {images.min()} to {images.max()}"
        raise InputError(f"images hold {found}, not 0 .. {top}; rescale them, or write to a .npy or .npz file")
    return images.astype(np.uint8) if top == 255 else np.rint(images * 255.0).astype(np.uint8)


def _encode(folder: Path, pixels: np.ndarray, first: int, part: range) -> None:
    for index in part:
        Image.fromarray(pixels[index]).save(folder / f"{first + index:06}.png")
