r"""How well M2 and M1+M2 tell MNIST's digits from a few labels: the test error over several balanced sets of labels.

    error = (1/N) sum_n 1[argmax_y q(y|x_n) != y_n]          (Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298: 11.97 % and 3.33 %)

Of MNIST's 60,000 training images the last 10,000 are held out: the bound on them, without their labels, chooses the weights, and their
labels say how a change of the defaults did (`--validation`). The labels of the test images are read once, after training. Each set of
labels is another draw of rows, with as many of each digit, and another seed of all else. Pixels are binarised anew each time they are
seen; a prediction is the mean over several such draws.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bound import Watching, sorted_options
from record import Record, arguments, figure, mnist, out, run

from vaekit.core.modality import Modality
from vaekit.core.system import Book, System, build
from vaekit.data.loading import Loader
from vaekit.evaluation.semisupervised import label_set
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.tasks import predict
from vaekit.training import Settings, fit

_DRAWS, _HELD = 10, 10_000
_TRAINING = {"batch": 100, "rate": 1e-3, "average": 0.999, "validations": 10}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "m1": {"latent": 50, "network": "mlp", "hidden": [500, 500], **_TRAINING},
    "m2": {
        # Ten decodings a row: the decoder is what must be cheap. A row is told apart once, so that there a convolution can be paid for.
        # The classifier sees digits moved: one try of six minutes then told 6.9 % of validation images wrong, those without 14 to 20 %.
        "latent": 50, "network": "mlp", "hidden": [300, 300], "alpha": 20.0, "labelled": 0.1, "shift": 2, "compile": False,
        "classifier": {"network": "convolution", "channels": [16, 32, 64], "hidden": [128], "dropout": 0.2}, **_TRAINING,
    },
    "m1_m2": {
        # Single tries on validation images of one set of labels. With the VAE left as it was, M2 told between 5.5 and 7.3 % wrong; after
        # eight minutes of all together, 3.6 % in batches of 100, 3.8 % of 50, 4.3 % of 200.
        "features": 50, "latent": 5, "network": "mlp", "hidden": [500, 500], "above": [256], "alpha": 20.0, "labelled": 0.1, "shift": 2,
        "classifier": {
            "network": "convolution", "channels": [16, 32, 64], "hidden": [128], "dropout": 0.2, "blocks": 0, "norm": "none",
            "activation": "relu",
        },
        "vae_share": 0.2, "joint": 0.87, "compile": False, **_TRAINING, "rate": 1.4e-3,
    },
}
_TARGETS = {"m2": 8.0, "m1_m2": 3.33}
_MINUTES = {"m1": 35.0, "m2": 35.0, "m1_m2": 140.0}

_Rows = dict[str, torch.Tensor]


class _Feed:
    """Rows to learn from, and rows to measure on."""

    def __init__(self, train: Loader, validation: Loader):
        self.train, self.validation = train, validation


def trained(options: Any, rows: _Rows, held: _Rows, few: np.ndarray, modality: Modality, seed: int) -> System:
    """A system fitted to one set of labels."""
    given, training = sorted_options(options.set, _DEFAULTS[options.recipe])
    settings = Settings.checked(**{"minutes": options.minutes / options.sets, "seed": seed, **training})
    torch.manual_seed(seed)
    system = build(Book(RECIPES, MODALITIES), options.recipe, modality, **given)
    # Every fifth is enough to choose by, and ten times the work of a row where all digits are tried on it.
    hidden = {n: t[::5] for n, t in held.items()} | {"label": torch.full_like(held["label"][::5], -1)}
    feed = _Feed(Loader({**rows, "label": torch.from_numpy(few)}, modality, settings.batch, seed), Loader(hidden, modality, 500))
    folder = None if options.run is None else Path(options.run) / f"{options.recipe}-{options.labels}-{seed}"
    fit(system, feed, settings, folder, options.resume, [Watching()])
    system.model.to("cpu")
    return system


def error(system: System, rows: _Rows) -> float:
    """The share of rows whose class is told wrong, in per cent."""
    probability = np.mean([predict(system, rows, seed).probability for seed in range(_DRAWS)], axis=0)
    return 100 * float((probability.argmax(1) != rows["label"].numpy()).mean())


def measure(options: Any, record: Record) -> None:
    """Fit a system to each set of labels, and measure what it makes of the test images."""
    options.minutes = _MINUTES[options.recipe] if options.minutes is None else options.minutes
    records, test_records = mnist()
    assert records.label is not None
    told = records.take(slice(0, -_HELD))
    few = [label_set(records.label[:-_HELD], options.labels, options.seed + s) for s in range(options.sets)]
    errors, validation, began = [], [], time.monotonic()
    for s, shown in enumerate(few):
        # What the recipe is told of the labels is what it is shown.
        modality = MODALITIES["image"](binarise="dynamic").fit(replace(told, label=shown))
        stored, test = modality.store(records), modality.store(test_records)
        train, held = ({n: t[part] for n, t in stored.items()} for part in (slice(0, -_HELD), slice(-_HELD, None)))
        system = trained(options, train, held, shown, modality, options.seed + s)
        validation.append(error(system, held))
        errors.append(validation[-1] if options.validation else error(system, test))
        out.print(f"set {s}: validation error {validation[-1]:.2f} %" + ("" if options.validation else f", test error {errors[-1]:.2f} %"))
    which, n = ("validation", _HELD) if options.validation else ("test", len(test_records.x))
    given, training = sorted_options(options.set, _DEFAULTS[options.recipe])
    each, by_set = options.minutes / options.sets, [round(e, 2) for e in errors]
    how = (
        f"{options.recipe}, {options.labels} labels, {options.sets} balanced sets, {each:g} min of training each, "
        f"{told.rows:,} training images, mean of {_DRAWS} binarisations; by set {by_set}; {json.dumps(given | training)}"
    )
    full = options.labels == 100 and options.sets >= 5 and not options.validation
    spread = float(np.std(errors, ddof=1)) if len(errors) > 1 else 0.0
    record.add(
        figure(f"{which} error", float(np.mean(errors)), "%", n, how, options.seed, at_most=_TARGETS.get(options.recipe) if full else None),
        figure("spread over sets", spread, "%", options.sets, "standard deviation of the error by set", options.seed),
        figure("validation error", float(np.mean(validation)), "%", _HELD, "the same, on images held out of training", options.seed),
        figure("time", (time.monotonic() - began) / 60, "minutes", options.sets, "wall clock, measuring included", options.seed),
    )


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--recipe", choices=sorted(_DEFAULTS), default="m2")
    parser.add_argument("--labels", type=int, default=100, help="how many, over all digits")
    parser.add_argument("--sets", type=int, default=5, help="sets of labels")
    each = ", ".join(f"{minutes:g} of {recipe}" for recipe, minutes in _MINUTES.items())
    parser.add_argument("--minutes", type=float, help=f"wall-clock budget of training, over all sets; by default {each}")
    parser.add_argument("--seed", type=int, default=0, help="of the first set; the others count on")
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of checkpoints, one below it for each set")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --run")
    parser.add_argument("--validation", action="store_true", help="leave the test images alone: for choosing defaults")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an argument of the recipe or a training setting")
    return run(parser, "few labels on MNIST", measure)


if __name__ == "__main__":
    raise SystemExit(main())
