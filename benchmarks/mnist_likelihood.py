r"""How well a recipe explains MNIST: the NLL of the test images after so many minutes of training.

    NLL = -mean_x log (1/K) sum_k p(x, z_k) / q(z_k|x),   K = 1,000          (Burda et al. 2015, arXiv:1509.00519)

Pixels are Bernoulli(brightness), drawn anew each time a training image is seen; test images are drawn once, from a fixed seed. The
options were chosen on validation images that training never saw. The minutes are those of training, compiling and validating included.
"""

from typing import Any

import torch
from bound import Rows, budget, explained, sorted_options
from record import Record, arguments, mnist, run

from vaekit.core.system import Book, build
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.tasks.walk import VALUES

_VALIDATION = 1_000
_NETWORK = {"network": "residual", "hidden": [512, 512, 512], "latent": 40}
_OPTIONS = {"batch": 512, "rate": 2e-3, "weight_decay": 0.05}
# The importance-weighted bound needs no warm-up of the rate.
_WARM_UP = {"beta": {"recipe": "linear", "arguments": {"until": 0.05}}}
_BY_RECIPE: dict[str, dict[str, Any]] = {
    "vae": _WARM_UP,
    # The networks that the prior's authors have figures for.
    "vamp_vae": {"network": "mlp", "gated": True, "hidden": [300, 300], "pseudo_inputs": 500, **_WARM_UP},
}
_TARGETS = {("vae", 15.0, None): 86.5, ("vae", 40.0, None): 84.5, ("iwae", 60.0, 5): 84.0, ("vamp_vae", 90.0, None): 82.6}
# A walk encodes every pseudo-input anew: as many test images at a time as make that little beside the rest.
_VALUES = {"vamp_vae": 1 << 23}


def measure(options: Any, record: Record) -> None:
    """Train within the budget, then measure the test images."""
    particles = {} if options.particles is None else {"particles": options.particles}
    given, training = sorted_options(options.set, {**_NETWORK, **_OPTIONS, **_BY_RECIPE.get(options.recipe, {}), **particles})
    data, test = mnist()
    modality = MODALITIES["image"](binarise="dynamic").fit(data)
    torch.manual_seed(options.seed)
    system = build(Book(RECIPES, MODALITIES), options.recipe, modality, **given)
    stored = modality.store(data)
    train, validation = ({n: v[part] for n, v in stored.items()} for part in (slice(-_VALIDATION), slice(-_VALIDATION, None)))
    # 5 particles are the recipe's own default.
    used = given.get("particles", 5) if options.recipe == "iwae" else None
    target = _TARGETS.get((options.recipe, float(training.get("minutes", options.minutes)), used))
    words = "dynamic MNIST, test pixels drawn once"
    at_once = _VALUES.get(options.recipe, VALUES)
    explained(options, record, system, Rows(train, validation, modality.store(test)), training, words, target, at_once)


def main() -> int:
    """The command line."""
    parser = budget(arguments(__doc__), 15.0)
    parser.add_argument("--recipe", default="vae", choices=sorted(set(RECIPES) - {"autoencoder"}), help="a recipe with a likelihood bound")
    parser.add_argument("--particles", type=int, help="of an importance-weighted recipe")
    return run(parser, "MNIST likelihood", measure)


if __name__ == "__main__":
    raise SystemExit(main())
