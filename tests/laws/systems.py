"""One small data set of each kind, and systems on them: what the laws of models, terms and recipes run over."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from vaekit.core.batch import Batch
from vaekit.core.modality import Modality
from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.data.loading import Loader
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES

BOOK = Book(RECIPES, MODALITIES)
ROWS, HELD_OUT, BATCH = 128, 32, 32


@dataclass(frozen=True)
class Data:
    """A kind of data: how it is made, and how its modality and networks are asked for."""

    modality: str
    make: Callable[[np.random.Generator, int], np.ndarray]
    arguments: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=lambda: {"hidden": (24,)})


def _real(rng: np.random.Generator, rows: int) -> np.ndarray:
    x = rng.normal(size=(rows, 2)) @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(rows, 5))
    return (x * [1, 10, 0.1, 5, 1] + [0, 100, 0, -3, 0]).astype(np.float32)


def _with_gaps(rng: np.random.Generator, rows: int) -> np.ndarray:
    x = _real(rng, rows)
    x[rng.random(x.shape) < 0.25] = np.nan
    return x


def _images(*shape: int, top: int = 255) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Bright squares on a dark ground, at one of two places."""

    def make(rng: np.random.Generator, rows: int) -> np.ndarray:
        x = rng.integers(0, max(top // 8, 1), size=(rows, *shape))
        half = shape[0] // 2
        for row, right in enumerate(rng.integers(0, 2, rows)):
            x[row, half // 2 : half + half // 2, half * right : half * (right + 1)] = rng.integers(top - top // 4, top + 1)
        return x.astype(np.uint8)

    return make


_CONVOLUTION = {"network": "convolution", "channels": (4, 8), "hidden": (16,)}

DATA = {
    "real": Data("vector", _real),
    "gaps": Data("vector", _with_gaps, {"gaps": True}),
    "binary": Data("vector", lambda rng, n: (rng.random((n, 9)) < rng.choice([0.1, 0.9], size=(n, 1))).astype(np.int64)),
    "counts": Data("vector", lambda rng, n: rng.poisson(rng.choice([3.0, 30.0], size=(n, 1)), size=(n, 6))),
    "codes": Data("vector", lambda rng, n: (rng.integers(0, 2, (n, 1)) + rng.integers(0, 3, (n, 4))), {"likelihood": "categorical"}),
    "grey": Data("image", _images(8, 8)),
    "bits": Data("image", _images(8, 8, top=1)),
    "dynamic": Data("image", _images(8, 8), {"binarise": "dynamic"}),
    "convolved": Data("image", _images(10, 8), {}, _CONVOLUTION),
    "colour": Data("image", _images(8, 8, 3), {"likelihood": "discretised_logistic_mixture"}, _CONVOLUTION),
}


LABELLED = ("m1", "m2", "m1_m2")


@cache
def records(name: str, condition: bool, labels: bool = False) -> Records:
    """Rows of a kind; a condition is a class and a number; a label is a third of the first principal component, and most are missing."""
    rng = np.random.default_rng(0)
    x = DATA[name].make(rng, ROWS + HELD_OUT)
    given = np.stack([np.array(["a", "b", "c"])[rng.integers(0, 3, len(x))], rng.normal(size=len(x)).astype("U8")], 1).astype(object)
    flat = np.nan_to_num(x.reshape(len(x), -1).astype(float))
    place = np.linalg.svd(flat - flat.mean(0), full_matrices=False)[0][:, 0]
    label = np.where(rng.random(len(x)) < 0.3, np.searchsorted(np.quantile(place, [1 / 3, 2 / 3]), place), -1)
    told = {"label": label, "classes": ("low", "middle", "high")} if labels else {}
    return Records(x, condition=given if condition else None, condition_columns=("kind", "age") if condition else (), **told)


@dataclass(frozen=True)
class Feed:
    train: Loader
    validation: Loader


def modality_of(name: str, condition: bool = False, labels: bool = False) -> Modality:
    return MODALITIES[DATA[name].modality](**DATA[name].arguments).fit(records(name, condition, labels))


def made(name: str, recipe: str = "vae", condition: bool = False, seed: int = 0, **arguments: Any) -> tuple[System, Feed]:
    """A system of this recipe on this kind of data, with weights of this seed, and its rows."""
    labels = recipe in LABELLED
    modality = modality_of(name, condition, labels)
    stored = modality.store(records(name, condition, labels))
    train, held_out = ({n: t[part] for n, t in stored.items()} for part in (slice(ROWS), slice(ROWS, None)))
    torch.manual_seed(seed)
    system = build(BOOK, recipe, modality, **{"latent": 3, **DATA[name].network, **arguments})
    return system, Feed(Loader(train, modality, BATCH, seed), Loader(held_out, modality, BATCH, seed))


def held_out(feed: Feed) -> Batch:
    """The held-out rows as one batch."""
    return next(iter(feed.validation.in_order()))


def shaken(module: nn.Module, much: float = 0.4) -> nn.Module:
    """Parameters away from where they start, such as a flow's identity."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += much * torch.randn_like(parameter)
    return module
