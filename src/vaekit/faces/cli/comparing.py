"""Several models side by side: those that are there, or those that are trained for it.

    vae compare runs/a runs/b                               OUT/comparison.html  comparison.json
    vae compare --recipes vae,beta_vae DATA --minutes 2     and OUT/vae, OUT/beta_vae
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaekit.core.declared import Count, conform
from vaekit.core.errors import InputError
from vaekit.core.files import folders_above
from vaekit.data import CATALOGUE
from vaekit.data.opening import existing
from vaekit.evaluation.comparison import Line, cautions_between
from vaekit.faces.cli.answer import Answer, Stopped
from vaekit.faces.cli.fitting import OPTIONS, asked, refuse_none_held_out
from vaekit.faces.comparing import Comparison, compare, compete
from vaekit.faces.fitted import FittedVAE
from vaekit.faces.progress import on_terminal, working

__all__ = ["compared"]

# Keys of `--set` that would reach the Python face beside an option of this verb.
_OPTIONS = {**OPTIONS, "recipes": "--recipes", "recipe": "--recipes", "run": "--out", "folder": "--out", "replace": ""}
_TOLD = 8


def compared(
    subjects: list[str], recipes: str | None, out: Path | None, data: str | None, options: list[str], settings: dict[str, Any],
    labels: str | None, condition: list[str], resume: bool, particles: int, quiet: bool,
) -> Answer:
    """Measure several models on the same rows, trained before if asked, and write the page.

    Arguments:
        subjects: folders of runs; with recipes, the data alone.
        recipes: names with commas between; None = nothing is trained.
        out: folder of the page; None = by the data, or beside the first run.
        data: rows to measure on; None = those that were held out.
        options: `key=value` texts, for training.
        settings: epochs, minutes, seed and device, where they were given.
        labels: a column or a file.
        condition: columns, a file, or `label`.
        resume: go on where the folder holds runs.
        particles: importance samples a row.
        quiet: show nothing while it goes on.

    Raises:
        InputError: where data or an argument is wrong.
        Stopped: where a person stopped it.
    """
    conform("particles", particles, Count)
    if recipes is None:
        idle = [*(f"--set {option}" for option in options), *(f"--{n}" for n in settings), *["--labels"] * (labels is not None)]
        idle += ["--condition"] * bool(condition) + ["--resume"] * resume
        if idle:
            raise InputError(f"{idle[0]} is for training, and nothing is trained without --recipes: leave it out, or give --recipes")
        folder = out or Path(subjects[0]).resolve().parent / "comparison"
        return _written(subjects, folder, data, particles, quiet)
    if len(subjects) != 1:
        raise InputError(f"--recipes trains on one DATA, not on {len(subjects)}: give one file, folder of images or known data set")
    folder = out or Path("runs") / f"{Path(subjects[0]).resolve().name.split('.')[0] or 'data'}-comparison"
    told = condition[0] if len(condition) == 1 else condition or None
    names, watched = [name.strip() for name in recipes.split(",")], on_terminal() and not quiet
    source, arguments = asked(subjects[0], options, settings, _OPTIONS)
    # What only measuring would find is looked for before anything is trained.
    if data is None:
        for own in (arguments, *(own for own in map(arguments.get, names) if isinstance(own, Mapping))):
            refuse_none_held_out(own, "--data")
    elif data not in CATALOGUE:
        existing(Path(data).expanduser())
    try:
        trained = compete(
            names, source, folder, labels=labels, condition=told, resume=resume, progress=watched, **arguments, **settings,
        )
    except KeyboardInterrupt as error:
        raise Stopped("interrupted; what was trained is kept: go on with the same command and --resume") from error
    return _written(trained, folder, data, particles, quiet)


def _written(runs: list[str] | dict[str, FittedVAE], folder: Path, data: str | None, particles: int, quiet: bool) -> Answer:
    try:
        # A place that cannot be written is refused before anything is measured.
        with folders_above(folder / "page"), working(not quiet) as progress:
            found = compare(runs, data, particles, progress=progress)
            page = found.save(folder)
    except KeyboardInterrupt as error:
        raise Stopped("interrupted while measuring; the models are whole: compare them again by their folders") from error
    facts = {"page": str(page), "about": dict(found.about), "lines": [vars(line) for line in found.lines], "runs": list(found.metrics)}
    return Answer([*_table(found), *cautions_between(found.metrics), f"look at  {shlex.quote(str(page))}"], facts)


def _table(found: Comparison) -> list[str]:
    """The figures that can be ranked, at most so many a section; a star marks the best."""
    names = list(found.metrics)
    chosen: list[Line] = []
    for section in dict.fromkeys(line.section for line in found.lines):
        ranked = [line for line in found.lines if line.section == section and (line.best or line.better != "none")]
        chosen += ranked[:_TOLD]
    rows = [["", *names]]
    for line in chosen:
        unit = "" if line.unit in ("1", "share") else f", {line.unit}"
        arrow = {"lower": " ↓", "higher": " ↑", "one": " → 1", "none": ""}[line.better]
        values = ["–" if value is None else f"{value:.4g}{'*' if i in line.best else ' '}" for i, value in enumerate(line.values)]
        rows.append([f"{line.name}{unit}{arrow}", *values])
    rows.append(["latent", *(metrics["verdict"]["name"] for metrics in found.metrics.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
    return ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip() for row in rows]
