r"""What the benchmarks of a likelihood share: options, training that is watched, and the test rows measured.

    NLL = -mean_x log (1/K) sum_k p(x, z_k) / q(z_k|x)          (Burda et al. 2015, arXiv:1509.00519)
"""

import argparse
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pieces import scored
from record import Record, bar, figure, out
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.data.loading import Loader
from vaekit.evaluation.likelihood import explained_by
from vaekit.tasks.walk import VALUES
from vaekit.training import History, Settings, fit
from vaekit.training.progress import Moment, Validation

__all__ = ["IMPORTANCE", "Rows", "budget", "explained", "sorted_options", "train"]

IMPORTANCE = 1_000
_ACTIVE = "KL above 0.01 nats on validation images; where it has no coordinates, variance of the means above 0.01 of the prior's"
_TEST_SEED = 1


class Watching:
    """A line that says how training goes, begun in the process that trains: a bar that is drawn cannot be sent to another."""

    def __init__(self) -> None:
        self._shown: Progress | None = None
        self._task = TaskID(0)

    def moment(self, moment: Moment) -> None:
        """Move the line."""
        if self._shown is None:
            columns = (BarColumn(), TextColumn("{task.percentage:3.0f}%"), TimeElapsedColumn(), TextColumn("{task.description}"))
            self._shown = Progress(*columns, console=out, auto_refresh=False, transient=True)
            self._task = self._shown.add_task("training", total=1.0)
            self._shown.start()
        loss = next(iter(moment.readings.values()), math.nan)
        said = f"epoch {moment.epoch}, {moment.rows_per_second:,.0f} images/s, {loss:.2f} nats"
        self._shown.update(self._task, completed=moment.progress, description=said, refresh=True)

    def validation(self, validation: Validation) -> None:
        """Print a measurement: the bound, or what a stage without one is measured by."""
        held = validation.held_out
        said = f"-ELBO {held['elbo']:8.3f} nats" if "elbo" in held else f"loss {held['loss']:8.3f}"
        out.print(
            f"{validation.seconds:7.0f} s   epoch {validation.epoch:7.1f}   validation {said}   "
            f"active units {validation.active_units} of {validation.latent_units}"
        )
        if validation.progress >= 1 and self._shown is not None:
            self._shown.stop()
            self._shown = None

    def note(self, text: str) -> None:
        """Print what happened."""
        out.print(text, markup=False)


@dataclass(frozen=True)
class Rows:
    """Stored rows.

    Arguments:
        train: learnt from.
        validation: measured on while training.
        test: measured on afterwards.
    """

    train: Mapping[str, torch.Tensor]
    validation: Mapping[str, torch.Tensor]
    test: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class _Feed:
    train: Loader
    validation: Loader


def budget(parser: argparse.ArgumentParser, minutes: float) -> argparse.ArgumentParser:
    """Add what every such benchmark takes.

    Arguments:
        parser: of the command line.
        minutes: of training, where none are given.
    """
    parser.add_argument("--minutes", type=float, default=minutes, help="wall-clock budget of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --run")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an argument of the recipe or a training setting")
    parser.add_argument("--test-rows", type=int, metavar="N", help="N test images only, from all of them: a quick check, no figure")
    parser.add_argument("--importance", type=int, default=IMPORTANCE, metavar="K", help="importance samples a test image")
    return parser


def sorted_options(given: list[str], chosen: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recipe's arguments and the training settings: the defaults, then what was asked for.

    Arguments:
        given: `key=value` of the command line.
        chosen: the defaults.

    Raises:
        InputError: where one is no such pair.
    """
    found = dict(chosen)
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair}: give key=value")
        found[name] = _value(text)
    settings = {n: v for n, v in found.items() if n in Settings.model_fields}
    return {n: v for n, v in found.items() if n not in settings}, settings


def _value(text: str) -> Any:
    """A value of the command line: JSON (`512`, `true`, `{...}`), else JSON values with commas between them, else text."""
    for reading in (text, f"[{text}]"):
        try:
            return json.loads(reading)
        except json.JSONDecodeError:
            continue
    return text


def train(
    system: System, learnt: Mapping[str, torch.Tensor], watched: Mapping[str, torch.Tensor], settings: Settings, folder: Path | None = None,
    resume: bool = False,
) -> History:
    """Train a system, with a line that says how it goes.

    Arguments:
        system: its modality stored the rows.
        learnt: rows to learn from.
        watched: rows to measure on while training.
        settings: how.
        folder: of checkpoints; None = none are kept.
        resume: go on from the folder's checkpoint.
    """
    feed = _Feed(Loader(dict(learnt), system.modality, settings.batch, settings.seed), Loader(dict(watched), system.modality, 500))
    return fit(system, feed, settings, folder, resume, [Watching()])


def _best(history: History) -> float:
    """The lowest -ELBO of the last stage that measured it, whose weights are kept."""
    measured = [v for v in history.validations if "elbo" in v.held_out]
    return min(v.held_out["elbo"] for v in measured if v.stage == measured[-1].stage)


def explained(
    options: argparse.Namespace, record: Record, system: System, rows: Rows, training: Mapping[str, Any], data: str,
    target: float | None = None, values: int = VALUES,
) -> None:
    """Train within the budget, then measure the test rows.

    Arguments:
        options: of `budget`.
        record: gets the figures.
        system: to be trained.
        rows: stored by its modality.
        training: settings.
        data: what the rows are, in words.
        target: the largest NLL that passes; held against a full measurement alone.
        values: how many numbers of test data are held at a time; changes the speed, never the figures.
    """
    settings = Settings.checked(**{"minutes": options.minutes, "seed": options.seed, **training})
    history = train(system, rows.train, rows.validation, settings, options.run, options.resume)
    every, held = len(rows.test["x"]), len(rows.validation["x"])
    # Spread over all of them: test images may be sorted by class.
    some = torch.arange(every) if options.test_rows is None else torch.linspace(0, every - 1, min(options.test_rows, every)).long()
    began = time.monotonic()
    with bar("importance sampling", len(some)) as reach:
        test = {name: values[some] for name, values in rows.test.items()}
        scores = scored(system, test, options.importance, _TEST_SEED, values, options.run, reach)
    found = explained_by(scores, options.importance, _TEST_SEED)
    evaluated = time.monotonic() - began
    last = history.validations[-1]
    epochs = " + ".join(f"{end.epoch:.0f}" for end in history.ends)
    machine = ", ".join(f"{name} {value}" for name, value in history.machine.items())
    how = (
        f"{system.recipe}, {data}, {len(rows.train['x']):,} training images, {epochs} epochs "
        f"in {settings.minutes:g} min of training ({torch.get_num_threads()} threads, {machine}); "
        f"{options.importance:,} importance samples; {json.dumps({**system.arguments, **training})}"
    )
    whole = found.rows == every and options.importance >= IMPORTANCE
    n, seed, best = found.rows, options.seed, _best(history)
    record.add(
        figure("test NLL", found.nll, "nats", n, how, seed, at_most=target if whole else None),
        figure("standard error, test images", found.sampling_error, "nats", n, "of the NLL, from which images were held out", seed),
        figure("standard error, importance samples", found.standard_error, "nats", n, "of the NLL, from the random latents alone", seed),
        figure("effective sample size", found.effective_sample_size, "samples", n, f"mean, of {options.importance:,}", seed),
        figure("test -ELBO", -found.elbo, "nats", n, "the same draws", seed),
        figure("validation -ELBO", best, "nats", held, "the best measurement", seed),
        figure("active units", last.active_units, f"of {last.latent_units}", held, _ACTIVE, seed),
        figure("training", last.seconds / 60, "minutes", 1, "wall clock, of a resumed run all parts, compiling and validating too", seed),
        figure("evaluation", evaluated / 60, "minutes", 1, "wall clock of this process, after training", seed),
    )
