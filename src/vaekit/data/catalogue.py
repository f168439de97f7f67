"""Public data sets by name: `digits` ships with scikit-learn, the others are downloaded once and checked.

    $VAEKIT_DATA/images/<name>/<file>   else   $VAEKIT_CACHE/<name>/<file>   else   the web

Sources: digits, Alpaydin and Kaynak 1998; MNIST, LeCun et al. 1998; Fashion-MNIST, Xiao et al. 2017, arXiv:1708.07747; Frey faces, Roweis
and Saul 2000.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vaekit.core.errors import InputError, nearest
from vaekit.core.records import Records
from vaekit.data.download import Remote, cache_folder, fetch
from vaekit.data.sources.arrays import read_npz
from vaekit.data.sources.facts import encode_labels
from vaekit.data.sources.idx import read_idx
from vaekit.data.sources.reading import reading

__all__ = ["CATALOGUE", "FREYFACES", "Entry", "idx_part", "open_catalogue"]

_Part = Callable[[str], Records]


@dataclass(frozen=True)
class Entry:
    """A data set: its parts, each a function from the data set's name to its records, and a word on what it is."""

    parts: Mapping[str, _Part]
    about: str


def open_catalogue(name: str, part: str = "train") -> Records:
    """A data set of the catalogue.

    Arguments:
        name: its name.
        part: `train`, `test`, or `all` = every part in turn. A set without an official test part has `train` alone.

    Raises:
        InputError: where the name or the part is unknown.
        WorkFailed: where a download fails or its checksum is wrong.
    """
    if name not in CATALOGUE:
        raise InputError(f"data set {name!r} is unknown: {nearest(name, CATALOGUE)}")
    parts = CATALOGUE[name].parts
    if part == "all":
        return _joined([read(name) for read in parts.values()])
    if part not in parts:
        raise InputError(f"data set {name!r} has no part {part!r}: {nearest(part, [*parts, 'all'])}")
    return parts[part](name)


def idx_part(images: Remote, labels: Remote, classes: tuple[str, ...]) -> _Part:
    """A part that is two idx files, images and labels, with the classes' names in the order of their numbers."""

    def read(name: str) -> Records:
        x, y = (read_idx(_located(name, remote)) for remote in (images, labels))
        if len(x) != len(y) or int(y.max()) >= len(classes):
            raise InputError(f"{name}: {images.name} ({len(x)} rows) and {labels.name} ({len(y)}) do not belong together; remove both")
        return Records(x, label=y.astype(np.int64), classes=classes, source=name, format="idx")

    return read


def _located(name: str, remote: Remote) -> Path:
    """The file in `$VAEKIT_DATA` if it is there, where a person vouches for it, else in the cache, downloaded if need be."""
    own = os.environ.get("VAEKIT_DATA")
    if own and (given := Path(own).expanduser() / "images" / name / remote.name).is_file():
        return given
    return fetch(remote, cache_folder() / name)


def _joined(parts: list[Records]) -> Records:
    first = parts[0]
    label = None if first.label is None else np.concatenate([part.label for part in parts])
    return replace(first, x=np.concatenate([part.x for part in parts]), label=label)


def _digits(name: str) -> Records:
    from sklearn.datasets import load_digits

    digits = load_digits()
    label, classes = encode_labels(digits.target, name)
    return Records(digits.images.astype(np.uint8), label=label, classes=classes, source=name, format="npy")


def _faces(path: Path) -> np.ndarray:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    # A column is a face, its pixels row by row.
    with reading(path, (MatReadError, ValueError, TypeError, KeyError, EOFError, OSError), "Matlab file"):
        return np.ascontiguousarray(loadmat(path, variable_names=["ff"])["ff"].T).reshape(-1, 28, 20).astype(np.uint8)


def _faces_digest(path: Path) -> str:
    return hashlib.sha256(_faces(path).tobytes()).hexdigest()


def _frey(name: str) -> Records:
    own = os.environ.get("VAEKIT_DATA")
    if own and (given := Path(own).expanduser() / "images" / name / "freyfaces.npz").is_file():
        x = read_npz(given).records.x
    else:
        x = _faces(_located(name, FREYFACES))
    return Records(x, source=name, format="npz")


# The checksum is of the faces, 1,965 x 28 x 20 bytes, since no checksum of the Matlab file is published.
FREYFACES = Remote(
    "frey_rawface.mat",
    "https://cs.nyu.edu/~roweis/data/frey_rawface.mat",
    "2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78",
    _faces_digest,
)


def _idx_set(site: str, checksums: Mapping[str, tuple[str, str]], classes: tuple[str, ...]) -> dict[str, _Part]:
    def remote(stem: str, kind: str, sha256: str) -> Remote:
        file = f"{stem}-{kind}-ubyte.gz"
        return Remote(file, site + file, sha256)

    stems = {"train": "train", "test": "t10k"}
    return {
        part: idx_part(remote(stems[part], "images-idx3", images), remote(stems[part], "labels-idx1", labels), classes)
        for part, (images, labels) in checksums.items()
    }


_MNIST = {
    "train": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "test": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
_FASHION = {
    "train": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "test": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}
_CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")

CATALOGUE: dict[str, Entry] = {
    "digits": Entry({"train": _digits}, "1,797 handwritten digits, 8 x 8, values 0 to 16; no download"),
    "mnist": Entry(
        _idx_set("https://storage.googleapis.com/cvdf-datasets/mnist/", _MNIST, tuple("0123456789")),
        "60,000 + 10,000 handwritten digits, 28 x 28",
    ),
    "fashion_mnist": Entry(
        _idx_set("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", _FASHION, _CLOTHES),
        "60,000 + 10,000 pieces of clothing, 28 x 28",
    ),
    "freyfaces": Entry({"train": _frey}, "1,965 frames of one face, 28 x 20, no labels"),
}
