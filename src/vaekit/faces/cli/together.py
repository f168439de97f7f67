"""The verbs on an ensemble: the same files in and out, with how far the members disagree.

    fit        M members on the same rows            score        log (1/M) sum_m p_m(x), and each member's own
    encode     each member's own latents             reconstruct  the members' mean, and the parts of its variance
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaekit import tasks
from vaekit.core.errors import InputError
from vaekit.core.files import folders_above
from vaekit.data import open_writer
from vaekit.faces.cli.answer import Answer, Stopped
from vaekit.faces.cli.fitting import OPTIONS, asked, folder_of, refuse_none_held_out
from vaekit.faces.cli.results import beside, place_of, writing_rows
from vaekit.faces.cli.using import chunks_of, place_of_numbers, written
from vaekit.faces.ensembles import Ensemble, ensemble, load
from vaekit.faces.progress import Lines, on_terminal, working
from vaekit.operations.store import write_json

__all__ = ["encode", "evaluate", "fit", "reconstruct", "score"]

# Codes of different members have nothing to do with one another.
_PARTS = ("mean", "spread", "sample")


def fit(
    data: str | None, recipe: str, run: Path | None, options: list[str], settings: dict[str, Any], labels: str | None,
    condition: list[str], replace: bool, resume: bool, report: bool, members: int, quiet: bool,
) -> Answer:
    """Train several seeds of a recipe, and measure them together.

    Arguments:
        data: what to learn from.
        recipe: a name in the book.
        run: the ensemble's folder; None = by data and recipe.
        options: `key=value` texts.
        settings: epochs, minutes, seed and device, where they were given.
        labels: a column or a file.
        condition: columns, a file, or `label`.
        replace: remove the ensemble that the folder holds.
        resume: go on where the folder holds members.
        report: measure as well.
        members: how many.
        quiet: show no bar.

    Raises:
        InputError: where data or an argument is wrong.
        Stopped: where a person stopped it.
    """
    data, arguments = asked(data, options, settings, {**OPTIONS, "members": "--members", "watching": ""})
    if report:
        refuse_none_held_out(arguments, "--no-report")
    folder, told = run or folder_of(data, f"{recipe}-ensemble"), condition[0] if len(condition) == 1 else condition or None
    watched, began = on_terminal() and not quiet, time.monotonic()
    try:
        made = ensemble(
            data, recipe, members=members, run=folder, replace=replace, resume=resume, labels=labels, condition=told, progress=watched,
            watching=None if watched else _lines, **settings, **arguments,
        )
    except KeyboardInterrupt as error:
        raise Stopped(f"interrupted; what was trained is kept in {folder}: go on with the same command and --resume") from error
    seconds = time.monotonic() - began
    lines = [f"{members} members of {recipe} on {data}, trained in {seconds:.3g} s, in {folder}"]
    facts: dict[str, Any] = {"run": str(folder), "recipe": recipe, "members": members, "seconds": round(seconds, 2)}
    if not report:
        return Answer(lines, facts)
    found = _measured(made, folder, quiet)
    return Answer([*lines, *found.lines], {**facts, **found.facts})


def evaluate(run: Path, data: str | None, out: Path | None, particles: int, ais: int, seed: int, quiet: bool) -> Answer:
    """Measure the members of an ensemble together.

    Arguments:
        run: folder of an ensemble.
        data: rows to measure on; None = those that were held out.
        out: folder for `metrics.json`; None = the ensemble's own.
        particles: importance samples a row and member.
        ais: must be 0.
        seed: of the draws.
        quiet: show nothing while it goes on.

    Raises:
        InputError: where annealing is asked for.
    """
    if ais:
        raise InputError(f"--ais: anneal a member, such as {run / 'member-1'}; an ensemble has no latent of its own to anneal")
    return _measured(_opened(run), out or run, quiet, data, particles, seed)


def score(run: Path, data: str, out: Path, particles: int, condition: list[str], seed: int) -> Answer:
    """Each row's bound under all members together, and the spread between them.

    Arguments:
        run: folder of an ensemble.
        data: rows to score.
        out: where to write.
        particles: importance samples a row and member.
        condition: `NAME=VALUE` texts, or a file.
        seed: of the noise, which belongs to each row.
    """
    began, made = time.monotonic(), _opened(run)
    first = made.members[0]
    place, rows, total = place_of_numbers(first, out), 0, 0.0
    with open_writer(place.path, ["nats"] if place.tabular else [], place.kind) as writer:
        for _, stored in chunks_of(first, data, condition):
            found = tasks.score_together([m.system for m in made.members], stored, particles, seed)
            others = {"bits_per_dimension": found.bits_per_dimension, "between_members": found.between, "within_a_member": found.within}
            others |= {f"member_{m + 1}": nats for m, nats in enumerate(found.members)}
            writer.append(found.nats, others if place.named else None)
            rows, total = rows + len(found.nats), total + float(found.nats.sum())
    answer = written(place, rows, began)
    means = f"mean {total / rows:.5g} nats a row under the mixture of {len(made.members)} members ({particles} particles)"
    return Answer([*answer.lines, means], {**answer.facts, "mean_nats": total / rows, "members": len(made.members)})


def encode(run: Path, data: str, out: Path, values: str, condition: list[str], seed: int) -> Answer:
    """Each row's latents, member by member: they are not aligned, so that nothing is averaged.

    Arguments:
        run: folder of an ensemble.
        data: rows to encode.
        out: where to write.
        values: any of mean, spread and sample, with commas between; empty = mean.
        condition: `NAME=VALUE` texts, or a file.
        seed: of the sample.

    Raises:
        InputError: where another value is asked for.
    """
    began, made = time.monotonic(), _opened(run)
    wanted = (values or "mean").split(",")
    if not set(wanted) <= set(_PARTS) or len(set(wanted)) < len(wanted):
        raise InputError(f"--values {values!r} must be any of {', '.join(_PARTS)}, with commas between")
    first = made.members[0]
    place, rows = place_of_numbers(first, out), 0
    numbered, latents = range(1, len(made.members) + 1), tasks.latent_names(first.system)
    columns = [f"member_{m}_{name}_{d}" for m in numbered for name in wanted for d in latents] if place.tabular else []
    with open_writer(place.path, columns, place.kind) as writer:
        for _, stored in chunks_of(first, data, condition):
            each = [tasks.encode(member.system, stored, seed) for member in made.members]
            parts = [{"mean": one.mean, "spread": one.spread, "sample": one.sample} for one in each]
            writer.append(np.concatenate([part[name] for part in parts for name in wanted], axis=1))
            rows += len(each[0].mean)
    answer = written(place, rows, began)
    return Answer([*answer.lines, "latents of different members are not aligned: compare rows within a member"], answer.facts)


def reconstruct(run: Path, data: str, out: Path, condition: list[str], seed: int) -> Answer:
    """Each row as all members see it; in formats that name their columns, with the share of its variance that lies between members.

    Arguments:
        run: folder of an ensemble.
        data: rows to reconstruct.
        out: where to write.
        condition: `NAME=VALUE` texts, or a file.
        seed: of the draws.
    """
    began, made = time.monotonic(), _opened(run)
    first = made.members[0]
    place, rows, shares = place_of(first, out), 0, 0.0
    paired = place.kind == "picture"
    with writing_rows(first, place, across=16 if paired else None) as append:
        for records, stored in chunks_of(first, data, condition):
            found = tasks.reconstruct_together([m.system for m in made.members], stored, seed=seed)
            append(beside(records.x.reshape(found.mean.shape), found.mean) if paired else found.mean, {"epistemic_share": found.share})
            rows, shares = rows + records.rows, shares + float(found.share.sum())
    answer = written(place, rows, began)
    line = f"{shares / rows:.1%} of a row's variance lies between members: what more data could settle"
    return Answer([*answer.lines, line], {**answer.facts, "mean_epistemic_share": shares / rows})


def _opened(run: Path) -> Ensemble:
    made = load(run)
    if not isinstance(made, Ensemble):
        raise InputError(f"{run}: holds one model, no ensemble")
    return made


def _lines(member: int) -> Sequence[Any]:
    return (Lines(),)


def _measured(made: Ensemble, folder: Path, quiet: bool, data: str | None = None, particles: int = 100, seed: int = 0) -> Answer:
    path = folder / "metrics.json"
    # A place that cannot be written is refused before anything is measured.
    with folders_above(path), working(not quiet) as progress:
        metrics = made.evaluate(data, particles, seed, progress)
        write_json(path, metrics)
    lines = []
    for one in metrics["figures"]:
        unit = f" {one['unit']}" if one["unit"] == "nats" else ""
        told = [f"{name.replace('_', ' ')} {one[name]:.3g}" for name in ("between_members", "within_a_member") if name in one]
        lines.append(f"{one['name']:<42}{one['value']:.4g}{unit}{' (' + ', '.join(told) + ')' if told else ''}")
    return Answer([*lines, f"every figure: {path}; a member's own report: vae evaluate {folder / 'member-1'}"], metrics)
