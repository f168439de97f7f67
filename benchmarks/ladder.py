r"""How well the ladder VAE explains statically binarised MNIST: the NLL of the test images after so many minutes of training.

    NLL = -mean_x log (1/K) sum_k p(x, z_k) / q(z_k|x),   K = 1,000          (Burda et al. 2015, arXiv:1509.00519)

The images are Larochelle's: every pixel was drawn once and for all, 50,000 to train, 10,000 to validate, 10,000 to test. Training takes
those to train and nine of ten of those to validate (`--only-train`: the former alone); every tenth of those to validate is what the best
weights go by. The test images are read after training alone. The minutes are those of training, compiling and validating included.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bound import Rows, budget, explained, sorted_options
from record import Record, Skipped, arguments, run

from vaekit.core.records import Records
from vaekit.core.system import Book, build
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES

_FILE = "images/mnist_static/binarized_mnist_larochelle.npz"
_NETWORK = {"network": "convolution", "channels": [16, 64, 64], "levels": 5, "latent": 4, "norm": "none", "dropout": 0.0, "bottleneck": 0.5}
_OPTIONS = {"batch": 128, "rate": 2e-3, "weight_decay": 0.01, "average": 0.9995, "clip": 100.0, "validations": 40, "compile": False}
_WARM_UP = {"beta": {"recipe": "linear", "arguments": {"start": 0.01, "until": 0.2}}}
_TARGET, _MINUTES = 82.0, 90.0
# Few enough test images at a time for a level's features to stay near the processor: a third faster.
_VALUES = 1 << 17


def static_mnist() -> dict[str, Records]:
    """Larochelle's images: `train`, `valid` and `test`.

    Raises:
        Skipped: where the file is not there.
    """
    file = Path(os.environ.get("VAEKIT_DATA", "")) / _FILE
    if not file.is_file():
        raise Skipped(f"static MNIST is not there; point VAEKIT_DATA at a folder that holds {_FILE}")
    with np.load(file) as held:
        return {name: Records(held[name].reshape(-1, 28, 28), source=f"{file.name}: {name}") for name in ("train", "valid", "test")}


def measure(options: Any, record: Record) -> None:
    """Train within the budget, then measure the test images."""
    given, training = sorted_options(options.set, {**_NETWORK, **_WARM_UP, **_OPTIONS})
    data = static_mnist()
    modality = MODALITIES["image"]().fit(data["train"])
    torch.manual_seed(options.seed)
    system = build(Book(RECIPES, MODALITIES), "ladder_vae", modality, **given)
    train, valid, test = (modality.store(data[name])["x"] for name in ("train", "valid", "test"))
    tenth = torch.arange(len(valid)) % 10 == 9
    rows = Rows({"x": train if options.only_train else torch.cat([train, valid[~tenth]])}, {"x": valid[tenth]}, {"x": test})
    minutes = float(training.get("minutes", options.minutes))
    explained(options, record, system, rows, training, "static MNIST", _TARGET if minutes <= _MINUTES else None, _VALUES)


def main() -> int:
    """The command line."""
    parser = budget(arguments(__doc__), _MINUTES)
    parser.add_argument("--only-train", action="store_true", help="leave the validation images out of training")
    return run(parser, "ladder VAE on static MNIST", measure)


if __name__ == "__main__":
    raise SystemExit(main())
