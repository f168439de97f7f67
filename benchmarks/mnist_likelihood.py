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

from vaekit.core.choose import from_posterior
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.core.system import Book, System, build
from vaekit.core.trace import LatentModel
from vaekit.data.loading import Loader
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.training import History, Settings, fit
from vaekit.training.progress import Moment, Validation

_VALIDATION = 1_000
_IMPORTANCE = 1_000
_TEST_SEED = 1
_CHUNK = 4_000
_NETWORK = {"network": "residual", "hidden": [512, 512, 512], "latent": 40}
_OPTIONS = {"batch": 512, "rate": 2e-3}
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
        """Print a measurement."""
        out.print(
            f"{validation.seconds:7.0f} s   epoch {validation.epoch:7.1f}   validation -ELBO {validation.held_out['elbo']:8.3f} nats   "
            f"active units {validation.active_units} of {validation.latent_units}"
        )

    def note(self, text: str) -> None:
        """Print what happened."""
        out.print(text, markup=False)


@torch.no_grad()
def importance_nll(model: LatentModel, rows: Loader, particles: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """-log p(x) of each row by importance sampling from the posterior, nats, and its effective sample size, each `(N,)`."""
    negative, sizes = [], []
    with bar("importance sampling", rows.count) as advance:
        for batch in rows.in_order(seed):
            log_weights = []
            for chunk, done in enumerate(range(0, particles, each := max(_CHUNK // batch.rows, 1))):
                count = min(each, particles - done)
                log_weights.append(model(batch, from_posterior(count, RowNoise(batch.x, seed=chunk))).log_weight())  # type: ignore[arg-type]
            log_weight = torch.cat(log_weights).double()
            negative.append(math.log(particles) - log_weight.logsumexp(0))
            sizes.append((2 * log_weight.logsumexp(0) - (2 * log_weight).logsumexp(0)).exp())
            advance(batch.rows)
    return torch.cat(negative), torch.cat(sizes)


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
    """A value of the command line: JSON, else numbers with commas between them, else text."""
    for reading in (text, f"[{text}]"):
        try:
            return json.loads(reading.replace("True", "true").replace("False", "false"))
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
    system.model.cpu()
    stored = {n: v[: options.test_rows] for n, v in modality.store(test).items()}
    began = time.monotonic()
    nll, sizes = importance_nll(system.model, Loader(stored, modality, 100), options.importance, _TEST_SEED)
    evaluated = time.monotonic() - began
    last = history.validations[-1]
    whole = len(nll) == test.rows and options.importance >= _IMPORTANCE
    # 5 particles are the recipe's own default.
    particles = recipe_arguments.get("particles", 5) if options.recipe == "iwae" else None
    how = (
        f"{options.recipe}, dynamic MNIST, {data.rows - _VALIDATION:,} training images, {last.epoch:.0f} epochs "
        f"in {settings.minutes:g} min of training ({', '.join(f'{n} {v}' for n, v in history.machine.items())}); "
        f"{options.importance:,} importance samples, test pixels drawn once; "
        f"{json.dumps({**recipe_arguments, **training})}"
    )
    n, seed = len(nll), options.seed
    target = _TARGETS.get((options.recipe, float(settings.minutes or 0), particles)) if whole else None
    record.add(
        figure("test NLL", float(nll.mean()), "nats", n, how, seed, at_most=target),
        figure("standard error of the NLL", float(nll.std() / n**0.5), "nats", n, "over test images", seed),
        figure("median effective sample size", float(sizes.median()), "samples", n, f"of {options.importance:,} a test image", seed),
        figure("validation -ELBO", min(v.held_out["elbo"] for v in history.validations), "nats", _VALIDATION, "the best measurement", seed),
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
