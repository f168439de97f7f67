r"""How well a recipe explains MNIST: the NLL of the test images after so many minutes of training.

    NLL = -mean_x log (1/K) sum_k p(x, z_k) / q(z_k|x),   K = 1,000          (Burda et al. 2015, arXiv:1509.00519)

Pixels are Bernoulli(brightness), drawn anew each time a training image is seen; test images are drawn once, from a fixed seed. The
options were chosen on validation images that training never saw. The minutes are those of training, compiling and validating included.
"""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from record import Record, arguments, bar, figure, mnist, out, run
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from vaekit.core.errors import InputError
from vaekit.core.system import Book, System, build
from vaekit.data.loading import Loader
from vaekit.evaluation.likelihood import importance_nll
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.training import History, Settings, fit
from vaekit.training.progress import Moment, Validation

_VALIDATION = 1_000
_IMPORTANCE = 1_000
_TEST_SEED = 1
_NETWORK = {"network": "residual", "hidden": [512, 512, 512], "latent": 40}
_OPTIONS = {"batch": 512, "rate": 2e-3, "weight_decay": 0.05}
# The importance-weighted bound needs no warm-up of the rate.
_BY_RECIPE: dict[str, dict[str, Any]] = {"vae": {"beta": {"recipe": "linear", "arguments": {"until": 0.05}}}}
_TARGETS = {("vae", 15.0, None): 86.5, ("vae", 40.0, None): 84.5, ("iwae", 60.0, 5): 84.0}


class Watching:
    """A line that says how training goes.

    Arguments:
        progress: the line.
    """

    def __init__(self, progress: Progress):
        self.progress = progress
        self.task = progress.add_task("training", total=1.0)

    def moment(self, moment: Moment) -> None:
        """Move the line."""
        loss = next(iter(moment.readings.values()), math.nan)
        said = f"epoch {moment.epoch}, {moment.rows_per_second:,.0f} images/s, {loss:.2f} nats"
        self.progress.update(self.task, completed=moment.progress, description=said)

    def validation(self, validation: Validation) -> None:
        """Print a measurement: the bound, or what a stage without one is measured by."""
        held = validation.held_out
        said = f"-ELBO {held['elbo']:8.3f} nats" if "elbo" in held else f"loss {held['loss']:8.3f}"
        out.print(
            f"{validation.seconds:7.0f} s   epoch {validation.epoch:7.1f}   validation {said}   "
            f"active units {validation.active_units} of {validation.latent_units}"
        )

    def note(self, text: str) -> None:
        """Print what happened."""
        out.print(text, markup=False)


def train(system: System, rows: dict[str, torch.Tensor], settings: Settings, folder: Path | None, resume: bool) -> History:
    """Train on all rows but the last thousand, which are the validation rows."""
    feed = _Feed(
        Loader({n: v[:-_VALIDATION] for n, v in rows.items()}, system.modality, settings.batch, settings.seed),
        Loader({n: v[-_VALIDATION:] for n, v in rows.items()}, system.modality, 500),
    )
    columns = (BarColumn(), TextColumn("{task.percentage:3.0f}%"), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=out, transient=True) as progress:
        return fit(system, feed, settings, folder, resume, [Watching(progress)])


@dataclass(frozen=True)
class _Feed:
    train: Loader
    validation: Loader


def _value(text: str) -> Any:
    """A value of the command line: JSON (`512`, `true`, `{...}`), else JSON values with commas between them, else text."""
    for reading in (text, f"[{text}]"):
        try:
            return json.loads(reading)
        except json.JSONDecodeError:
            continue
    return text


def _options(given: list[str], recipe: str, particles: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recipe's arguments and the training settings: the defaults, then what was asked for."""
    chosen: dict[str, Any] = {**_NETWORK, **_OPTIONS, **_BY_RECIPE.get(recipe, {})}
    if particles is not None:
        chosen["particles"] = particles
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair}: give key=value")
        chosen[name] = _value(text)
    settings = {n: v for n, v in chosen.items() if n in Settings.model_fields}
    return {n: v for n, v in chosen.items() if n not in settings}, settings


def measure(options: Any, record: Record) -> None:
    """Train within the budget, then measure the test images."""
    recipe_arguments, training = _options(options.set, options.recipe, options.particles)
    data, test = mnist()
    modality = MODALITIES["image"](binarise="dynamic").fit(data)
    torch.manual_seed(options.seed)
    system = build(Book(RECIPES, MODALITIES), options.recipe, modality, **recipe_arguments)
    settings = Settings.checked(**{"minutes": options.minutes, "seed": options.seed, **training})
    began = time.monotonic()
    history = train(system, modality.store(data), settings, options.run, options.resume)
    trained = time.monotonic() - began
    held_out = modality.store(test.take(slice(options.test_rows)))
    began = time.monotonic()
    with bar("importance sampling", len(held_out["x"])) as reach:
        found = importance_nll(system, held_out, options.importance, _TEST_SEED, progress=lambda what, done, total: reach(done))
    evaluated = time.monotonic() - began
    last = history.validations[-1]
    whole = found.rows == test.rows and options.importance >= _IMPORTANCE
    # 5 particles are the recipe's own default.
    particles = recipe_arguments.get("particles", 5) if options.recipe == "iwae" else None
    machine = ", ".join(f"{name} {value}" for name, value in history.machine.items())
    how = (
        f"{options.recipe}, dynamic MNIST, {data.rows - _VALIDATION:,} training images, {last.epoch:.0f} epochs "
        f"in {settings.minutes:g} min of training ({torch.get_num_threads()} threads, {machine}); "
        f"{options.importance:,} importance samples, test pixels drawn once; "
        f"{json.dumps({**recipe_arguments, **training})}"
    )
    n, seed, best = found.rows, options.seed, min(v.held_out["elbo"] for v in history.validations if "elbo" in v.held_out)
    target = _TARGETS.get((options.recipe, float(settings.minutes or 0), particles)) if whole else None
    record.add(
        figure("test NLL", found.nll, "nats", n, how, seed, at_most=target),
        figure("standard error, test images", found.sampling_error, "nats", n, "of the NLL, from which images were held out", seed),
        figure("standard error, importance samples", found.standard_error, "nats", n, "of the NLL, from the random latents alone", seed),
        figure("effective sample size", found.effective_sample_size, "samples", n, f"mean, of {options.importance:,}", seed),
        figure("test -ELBO", -found.elbo, "nats", n, "the same draws", seed),
        figure("validation -ELBO", best, "nats", _VALIDATION, "the best measurement", seed),
        figure("active units", last.active_units, f"of {last.latent_units}", _VALIDATION, "KL above 0.01 nats on validation images", seed),
        figure("training", trained / 60, "minutes", 1, "wall clock of this process, compiling and validating included", seed),
        figure("evaluation", evaluated / 60, "minutes", 1, "wall clock, after training", seed),
    )


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--recipe", default="vae", choices=sorted(set(RECIPES) - {"autoencoder"}), help="a recipe with a likelihood bound")
    parser.add_argument("--minutes", type=float, default=15.0, help="wall-clock budget of training")
    parser.add_argument("--particles", type=int, help="of an importance-weighted recipe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --run")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an argument of the recipe or a training setting")
    parser.add_argument("--test-rows", type=int, metavar="N", help="the first N test images only: a quick check, no figure")
    parser.add_argument("--importance", type=int, default=_IMPORTANCE, metavar="K", help="importance samples a test image")
    return run(parser, "MNIST likelihood", measure)


if __name__ == "__main__":
    raise SystemExit(main())
