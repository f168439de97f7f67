"""Train and measure: from data to a run's folder.

    runs/NAME/   system.json  weights.safetensors   the model          report.html  metrics.json   what was measured of it
                 run.json     checkpoint.safetensors                   what `--resume` goes on from
"""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vaekit.core.errors import InputError
from vaekit.faces import api
from vaekit.faces.cli.answer import Answer, Stopped
from vaekit.faces.cli.summary import summary
from vaekit.faces.cli.values import assigned
from vaekit.faces.fitted import FittedVAE
from vaekit.faces.folder import RUN
from vaekit.faces.progress import Lines, on_terminal, working
from vaekit.operations.store import read_json
from vaekit.training.interrupt import Hurried
from vaekit.training.progress import Hook

__all__ = ["OPTIONS", "asked", "evaluate", "fit", "folder_of", "refuse_none_held_out", "resume"]

_REPORT = "report.html"
# Keys of `--set` that would reach the Python face beside an option, with that option; empty = they are for Python alone.
OPTIONS = {
    "data": "DATA", "recipe": "--recipe", "run": "--run", "labels": "--labels", "condition": "--condition", "replace": "--replace",
    "resume": "--resume", "progress": "", "hooks": "", "split_seed": "",
}


def fit(
    data: str | None, recipe: str, run: Path | None, options: list[str], settings: dict[str, Any], labels: str | None,
    condition: list[str], replace: bool, report: bool, quiet: bool,
) -> Answer:
    """Train, measure and report.

    Arguments:
        data: what to learn from.
        recipe: a name in the book.
        run: the run's folder; None = by data and recipe.
        options: `key=value` texts.
        settings: epochs, minutes, seed and device, where they were given.
        labels: a column or a file.
        condition: columns, a file, or `label`.
        replace: remove the run that the folder holds.
        report: measure as well.
        quiet: show no bar.

    Raises:
        InputError: where data or an argument is wrong.
        Stopped: where a person stopped it.
    """
    data, arguments = asked(data, options, settings, OPTIONS)
    if report:
        refuse_none_held_out(arguments, "--no-report")
    folder = run or folder_of(data, recipe)

    def work(progress: bool, hooks: Sequence[Hook]) -> FittedVAE:
        told = condition[0] if len(condition) == 1 else condition or None
        return api.fit(
            data, recipe, labels=labels, condition=told, run=folder, replace=replace, progress=progress, hooks=hooks,
            **arguments, **settings,
        )

    return _done(work, folder, report, quiet, earlier=_begun_at(folder))


def asked(data: str | None, options: Sequence[str], settings: Mapping[str, Any], taken: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """What training is asked for: the data, and the arguments of `--set`.

    Arguments:
        data: what to learn from, where it was given.
        options: `key=value` texts.
        settings: those that were given as options of their own.
        taken: keys that are no options of a recipe, as for `assigned`.

    Raises:
        InputError: where there is no data, or something is said twice.
    """
    if data is None:
        raise InputError("give DATA: a file, a folder of images, or a known data set such as digits")
    arguments = assigned(options, taken)
    twice = next((name for name in settings if name in arguments), None)
    if twice:
        raise InputError(f"--{twice} and --set {twice}=... say the same thing; give one of the two")
    return data, arguments


def refuse_none_held_out(arguments: Mapping[str, Any], otherwise: str) -> None:
    """Refuse to train what could not be measured afterwards.

    Arguments:
        arguments: of `--set`.
        otherwise: what to give in place of a share.

    Raises:
        InputError: where no rows are to be held out.
    """
    if arguments.get("test") == 0:
        raise InputError(f"test must be above 0 for a report, which is measured on rows held out, not 0: give a share, or {otherwise}")


def resume(
    data: str | None, recipe: str | None, run: Path | None, options: list[str], settings: dict[str, Any], labels: str | None,
    condition: list[str], replace: bool, report: bool, quiet: bool,
) -> Answer:
    """Go on with a run that was stopped, with its own arguments.

    Arguments:
        data: the same data; None = opened from where the run found it.
        recipe: with data, names the default folder; of a run that is given, its own; None = not said.
        run: the run's folder; None = by data and recipe.
        options: none may be given.
        settings: none may be given.
        labels: as in the run.
        condition: as in the run.
        replace: may not be asked for.
        report: measure as well.
        quiet: show no bar.

    Raises:
        InputError: where there is nothing to go on with, or an argument would change the run.
        Stopped: where a person stopped it.
    """
    changed = [*(f"--set {option}" for option in options), *(f"--{name}" for name in settings), *["--replace"] * replace]
    if changed:
        raise InputError(f"{changed[0]} would change the run, and --resume goes on with its own arguments; leave it out")
    if run is None and data is None:
        raise InputError("give --run, the folder of the run to go on with")
    folder = run or folder_of(str(data), recipe or "vae")
    file = folder / RUN
    own = read_json(file).get("recipe", recipe) if file.is_file() else recipe
    if recipe not in (None, own):
        raise InputError(f"--recipe {recipe} would change the run, and --resume goes on with its own, {own}; leave it out")

    def work(progress: bool, hooks: Sequence[Hook]) -> FittedVAE:
        told = condition[0] if len(condition) == 1 else condition or None
        return api.resume(folder, data, labels=labels, condition=told, progress=progress, hooks=hooks)

    return _done(work, folder, report, quiet)


def evaluate(run: Path, data: str | None, out: Path | None, particles: int, ais: int, seed: int, quiet: bool) -> Answer:
    """Measure a trained model again.

    Arguments:
        run: a finished run's folder.
        data: rows to measure on; None = those that were held out.
        out: folder for the report; None = the run's own, or one in it that is named by the data.
        particles: importance samples a row.
        ais: temperatures of annealed importance sampling; 0 = none.
        seed: of the draws.
        quiet: show nothing while it goes on.
    """
    fitted = api.load(run)
    folder = out or (run if data is None else run / _stem(data))
    return _measured(fitted, run, folder, quiet, data, particles, seed, ais)


def _begun_at(folder: Path) -> int | None:
    """When the folder's run was begun, ns; None where it holds none."""
    file = folder / RUN
    return file.stat().st_mtime_ns if file.is_file() else None


def _done(
    work: Callable[[bool, Sequence[Hook]], FittedVAE], folder: Path, report: bool, quiet: bool, earlier: int | None = None
) -> Answer:
    """Train with whoever watches, then measure; `earlier` tells the run which the folder held before, where there is another to come."""
    watched = on_terminal() and not quiet
    try:
        fitted = work(watched, () if watched else (Lines(),))
    except KeyboardInterrupt as error:
        if _begun_at(folder) not in (None, earlier):
            saved = "what was learnt up to the last measurement is" if isinstance(error, Hurried) else "all steps are"
            raise Stopped(f"interrupted; {saved} saved: go on with  vae fit --resume --run {shlex.quote(str(folder))}") from error
        raise Stopped("interrupted before training began; nothing was written") from error
    if report:
        return _measured(fitted, folder, folder, quiet)
    return Answer(summary(fitted, None, folder, None), _facts(fitted, folder))


def _measured(
    fitted: FittedVAE, run: Path, folder: Path, quiet: bool, data: str | None = None, particles: int = 100, seed: int = 0,
    ais: int = 0,
) -> Answer:
    began = time.monotonic()
    try:
        with working(not quiet) as progress:
            metrics = fitted.report(folder / _REPORT, data, particles, seed, progress, ais)
    except KeyboardInterrupt as error:
        raise Stopped(f"interrupted while measuring; the model is whole: measure it with  vae evaluate {shlex.quote(str(run))}") from error
    facts = {**_facts(fitted, run), "report": str(folder / _REPORT), "measured_seconds": round(time.monotonic() - began, 2), **metrics}
    return Answer(summary(fitted, metrics, run, folder / _REPORT), facts)


def _facts(fitted: FittedVAE, folder: Path) -> dict[str, Any]:
    history, seen = fitted.history, fitted.history.validations
    training = {
        "seconds": round(seen[-1].seconds, 2) if seen else None, "epochs": history.epochs, "steps": history.steps, "best": history.best,
        "notes": history.notes, **history.machine,
    }
    return {"run": str(folder), "recipe": fitted.system.recipe, "training": training}


def folder_of(data: str, recipe: str) -> Path:
    """Where a run goes that was given no folder."""
    return Path("runs") / f"{_stem(data)}-{recipe}"


def _stem(data: str) -> str:
    """A data set's name: `faces.csv` and `faces.idx.gz` are `faces`."""
    return Path(data).resolve().name.split(".")[0] or "data"
