"""A small run that a test can afford, and the same as a program, so that a test can kill it.

    python small.py FOLDER [devices [width]]        train, resume what FOLDER holds, write the weights to FOLDER/end.safetensors
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vaekit.core.errors import WorkFailed
from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.data.loading import Loader
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.training import History, Settings, fit
from vaekit.training.archive import load_tensors, save_tensors
from vaekit.training.progress import Hook

COLUMNS, ROWS, HELD_OUT = 6, 256, 64
STEPS = 320
SETTINGS = {"epochs": 40, "batch": 32, "validations": 20, "precision": "32", "compile": False, "average": 0.9, "rate": 3e-3}


@dataclass(frozen=True)
class Feed:
    train: Loader
    validation: Loader


def rows(number: int = ROWS + HELD_OUT, noise: float = 0.3) -> Records:
    """Real columns, of which two directions carry most."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(number, 2)) @ rng.normal(size=(2, COLUMNS)) + noise * rng.normal(size=(number, COLUMNS))
    return Records(x.astype(np.float32))


def made(
    records: Records, recipe: str = "vae", seed: int = 0, likelihood: Any = None, batch: int = 32, **arguments: Any
) -> tuple[System, Feed]:
    """A system with weights of this seed, and its rows: the last ones are held out."""
    modality = MODALITIES["vector"](likelihood=likelihood or {"name": "normal", "scale": "shared"}).fit(records)
    stored = modality.store(records)
    parts = (slice(-HELD_OUT), slice(-HELD_OUT, None))
    feed = Feed(*(Loader({n: t[part] for n, t in stored.items()}, modality, batch, seed) for part in parts))
    torch.manual_seed(seed)
    return build(Book(RECIPES, MODALITIES), recipe, modality, **{"latent": 2, "hidden": (16,), **arguments}), feed


def run(
    folder: Path | None = None, resume: bool = False, hooks: Sequence[Hook] = (), width: int = 16, **settings: Any
) -> tuple[System, History]:
    """The small run, from its start or from the folder's checkpoint."""
    chosen = Settings.checked(**{**SETTINGS, **settings})
    system, feed = made(rows(), batch=chosen.batch, hidden=(width,))
    return system, fit(system, feed, chosen, folder, resume, hooks)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """What the program left."""
    return load_tensors(folder / "end.safetensors")[0]


def main(folder: Path, devices: int = 1, width: int = 16) -> int:
    """The program; 0 = done, 1 = failed, 130 = interrupted."""
    torch.set_num_threads(1)
    try:
        system, history = run(folder, resume=True, devices=devices, batch=32 // devices, width=width)
    except KeyboardInterrupt:
        return 130
    except WorkFailed as failure:
        print(failure)
        return 1
    save_tensors(folder / "end.safetensors", system.model.state_dict(), {"bound": history.best})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
