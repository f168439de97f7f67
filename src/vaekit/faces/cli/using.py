"""The verbs on a trained model: files in, files out, a chunk of rows at a time.

    generate   z ~ p(z), x ~ p(x|z)          reconstruct  E[x|z], z = E_q[z|x]          denoise  E_q E[x|z]
    redraw     z_1 .. z_k of a row, the rest from the prior
    encode     q(z|x)                         score        log (1/K) sum_k p(x, z_k) / q(z_k|x)
    interpolate, traverse   E[x|z] along lines of the latent space
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count as counting
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vaekit import tasks
from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.data import open_writer
from vaekit.data.loading import seed_of
from vaekit.faces.api import load
from vaekit.faces.cli.answer import Answer
from vaekit.faces.cli.results import Place, beside, place_of, writing_rows, writing_ways
from vaekit.faces.cli.values import condition_of, numbers
from vaekit.faces.factors import labelled_by
from vaekit.faces.fitted import FittedVAE
from vaekit.faces.matching import matching, matching_chunks

__all__ = [
    "PARTS", "as_named", "chunks_of", "class_column", "denoise", "encode", "generate", "interpolate", "mapped", "names_of",
    "place_of_numbers", "reconstruct", "redraw", "rows_at_once", "score", "seed_of_chunk", "traverse", "written",
]

_VALUES, _ROWS, _PAIRS = 1 << 24, 65536, 8
PARTS = ("mean", "spread", "sample", "codes")


def generate(
    run: Path, out: Path, count: int, condition: list[str], label: str | None, temperature: str, mean: bool | None, seed: int
) -> Answer:
    """New rows in a file.

    Arguments:
        run: a finished run's folder.
        out: where to write.
        count: how many rows.
        condition: `NAME=VALUE` texts.
        label: the class, of a model that has it as a latent; None = as it is drawn.
        temperature: spread of the latents; one number, or one for each latent with commas between.
        mean: expected values instead of draws; None = for images alone.
        seed: of the draws.

    Raises:
        InputError: where an argument is wrong, or the model has nothing to draw from.
    """
    began, fitted, spread = time.monotonic(), load(run), numbers("temperature", temperature) or [1.0]
    place, given, names = place_of(fitted, out), condition_of(condition, names_of(fitted)), fitted.system.modality.classes
    if isinstance(given, Path):
        raise InputError(f"--condition {given}: a file tells of rows that are at hand; give NAME=VALUE for rows to come")
    if count < 1:
        raise InputError(f"-n {count}: give 1 row or more")
    size = min(rows_at_once(fitted), count)
    mean = len(fitted.system.modality.event) == 3 if mean is None else mean
    with writing_rows(fitted, place) as append:
        for number, start in enumerate(range(0, count, size)):
            rows = min(size, count - start)
            values = tasks.generate(fitted.system, rows, given, spread, seed_of_chunk(seed, number), mean, label)
            classes = {} if label is None else {class_column(fitted): np.repeat(as_named(names, np.array([label], object)), rows)}
            append(values, {**_columns_of(fitted, given, rows), **classes})
    return written(place, count, began)


def reconstruct(run: Path, data: str, out: Path, condition: list[str], seed: int) -> Answer:
    """Rows as the model sees them; on a sheet, below the originals.

    Arguments:
        run: a finished run's folder.
        data: rows to reconstruct.
        out: where to write.
        condition: `NAME=VALUE` texts, or a file.
        seed: of what is redrawn each time a row is seen.
    """
    fitted = load(run)
    return mapped(fitted, data, out, condition, lambda rows: tasks.reconstruct(fitted.system, rows, seed))


def redraw(run: Path, data: str, out: Path, keep: int, temperature: str, condition: list[str], seed: int) -> Answer:
    """Rows with what their upper latents decided kept, and the rest drawn anew; on a sheet, below the originals.

    Arguments:
        run: a finished run's folder.
        data: rows to begin from.
        out: where to write.
        keep: how many latents are kept, the top first.
        temperature: of what is drawn anew; one number, or one for each latent with commas between.
        condition: `NAME=VALUE` texts, or a file.
        seed: of the draws.
    """
    fitted, spread, chunks = load(run), numbers("temperature", temperature) or [1.0], counting()

    def work(rows: dict[str, Tensor]) -> np.ndarray:
        return tasks.redraw(fitted.system, rows, keep, 1, spread, seed_of_chunk(seed, next(chunks)))[:, 0]

    return mapped(fitted, data, out, condition, work)


def denoise(run: Path, data: str, out: Path, draws: int, condition: list[str], seed: int) -> Answer:
    """Rows with what the model takes for noise removed.

    Arguments:
        run: a finished run's folder.
        data: corrupted rows.
        out: where to write.
        draws: latents a row.
        condition: `NAME=VALUE` texts, or a file.
        seed: of the draws.
    """
    fitted = load(run)
    return mapped(fitted, data, out, condition, lambda rows: tasks.denoise(fitted.system, rows, draws, seed))


def encode(run: Path, data: str, out: Path, values: str, condition: list[str], seed: int) -> Answer:
    """Each row's latent.

    Arguments:
        run: a finished run's folder.
        data: rows to encode.
        out: where to write.
        values: any of mean, spread, sample and codes, with commas between; empty = the codes where the latent has some, else the mean.
        condition: `NAME=VALUE` texts, or a file.
        seed: of the sample.

    Raises:
        InputError: where another value is asked for.
    """
    began, fitted = time.monotonic(), load(run)
    length = tasks.walk.codes_a_row(fitted.system)
    wanted = (values or ("codes" if length else "mean")).split(",")
    if not set(wanted) <= set(PARTS) or len(set(wanted)) < len(wanted):
        raise InputError(f"--values {values!r} must be any of {', '.join(PARTS)}, with commas between")
    if "codes" in wanted and not length:
        raise InputError("--values codes: the latent of this model is not one of codes; use mean")
    place = place_of_numbers(fitted, out)
    rows, latents = 0, tasks.latent_names(fitted.system)
    each = {name: list(map(str, range(length))) if name == "codes" else latents for name in wanted}
    columns = [f"{name}_{d}" for name in wanted for d in each[name]] if place.tabular else []
    with open_writer(place.path, columns, place.kind) as writer:
        for _, stored in chunks_of(fitted, data, condition):
            found = tasks.encode(fitted.system, stored, seed)
            parts = {"mean": found.mean, "spread": found.spread, "sample": found.sample, "codes": found.codes}
            writer.append(np.concatenate([np.asarray(parts[name]) for name in wanted], axis=1))
            rows += len(found.mean)
    return written(place, rows, began)


def score(run: Path, data: str, out: Path, particles: int, condition: list[str], seed: int) -> Answer:
    """Each row's bound on log p(x): nats, and in formats that name their columns what it is made of.

    Arguments:
        run: a finished run's folder.
        data: rows to score.
        out: where to write.
        particles: importance samples a row.
        condition: `NAME=VALUE` texts, or a file.
        seed: of the noise, which belongs to each row.
    """
    began, fitted = time.monotonic(), load(run)
    place, rows, total, bits = place_of_numbers(fitted, out), 0, 0.0, 0.0
    with open_writer(place.path, ["nats"] if place.tabular else [], place.kind) as writer:
        for _, stored in chunks_of(fitted, data, condition):
            found = tasks.score(fitted.system, stored, particles, seed)
            others = {"bits_per_dimension": found.bits_per_dimension, "distortion": found.distortion, "rate": found.rate}
            writer.append(found.nats, others if place.named else None)
            rows, total, bits = rows + len(found.nats), total + float(found.nats.sum()), bits + float(found.bits_per_dimension.sum())
    answer = written(place, rows, began)
    means = f"mean {total / rows:.5g} nats a row, {bits / rows:.4g} bits per dimension ({particles} particles)"
    return Answer([*answer.lines, means], {**answer.facts, "mean_nats": total / rows, "mean_bits_per_dimension": bits / rows})


def interpolate(
    run: Path, data: str, out: Path, start: str | None, end: str | None, steps: int, path: str, condition: list[str], seed: int
) -> Answer:
    """Ways between rows of the data.

    Arguments:
        run: a finished run's folder.
        data: where the rows are.
        out: where to write.
        start: numbers of rows to begin at, from 1; None = pairs at random.
        end: numbers of rows to end at.
        steps: values a way, ends included.
        path: linear or spherical.
        condition: `NAME=VALUE` texts, or a file.
        seed: of the pairs.

    Raises:
        InputError: where a row is not there, or one list is given without the other.
    """
    began, fitted = time.monotonic(), load(run)
    place = place_of(fitted, out)
    records = matching(fitted.data, data, condition_of(condition, names_of(fitted)))
    if (start is None) != (end is None):
        raise InputError(f"--{'to' if end is None else 'from'} is missing: give both --from and --to, or neither")
    if start is None:
        drawn = np.random.default_rng(seed).permutation(records.rows)[: 2 * min(_PAIRS, records.rows // 2)].tolist()
        if not drawn:
            raise InputError(f"{records.source}: one row has no way to another; give a file with at least 2, or --from 1 --to 1")
        pairs = [drawn[::2], drawn[1::2]]
    else:
        pairs = [_rows_named(records, "from", start), _rows_named(records, "to", end)]
    ends = [fitted.system.modality.store(records.take(np.asarray(rows))) for rows in pairs]
    values = tasks.interpolate(fitted.system, ends[0], ends[1], steps, path, seed)
    writing_ways(fitted, place, values, "way", range(1, len(values) + 1))
    return written(place, values.shape[0] * values.shape[1], began)


def traverse(
    run: Path, out: Path, data: str | None, row: int | None, dimensions: str | None, span: str, steps: int, condition: list[str], seed: int
) -> Answer:
    """What each latent coordinate does.

    Arguments:
        run: a finished run's folder.
        out: where to write.
        data: where the row to begin at is; None = the prior's centre.
        row: its number, from 1; None = the first.
        dimensions: coordinates, from 0, with commas between; None = all; `ranked` = all, with the largest rate on the data first.
        span: first and last value, in deviations of the prior.
        steps: values a coordinate.
        condition: `NAME=VALUE` texts, or a file.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where the row or a coordinate is not there, the span is no pair, or there is no data to rank by or to take a row of.
    """
    began, fitted = time.monotonic(), load(run)
    place, given = place_of(fitted, out), condition_of(condition, names_of(fitted))
    ends = numbers("span", span) or []
    if len(ends) != 2:
        raise InputError(f"--span {span!r} is not a pair of numbers; write, say, --span -3,3")
    if row is not None and data is None:
        raise InputError(f"--row {row}: is one of DATA; give DATA, or leave it out to begin at the prior's centre")
    ranked = dimensions == "ranked"
    if ranked and data is None:
        raise InputError("--dimensions ranked: ranks by the rates of rows; give DATA, or numbers")
    chosen, stored = None if ranked else numbers("dimensions", dimensions, int), None
    if data is not None:
        records = matching(fitted.data, data, given)
        chosen = tasks.ranked_dimensions(fitted.system, fitted.system.modality.store(records), seed) if ranked else chosen
        stored = fitted.system.modality.store(records.take(np.asarray(_rows_named(records, "row", str(1 if row is None else row)))))
    values = tasks.traverse(fitted.system, stored, given if stored is None else None, chosen, (ends[0], ends[1]), steps, seed)[0]
    writing_ways(fitted, place, values, "dimension", chosen or range(len(values)))
    done = written(place, values.shape[0] * values.shape[1], began)
    order = [int(d) for d in chosen or range(len(values))]
    return Answer([*done.lines, f"dimensions, in this order: {', '.join(map(str, order))}"], {**done.facts, "dimensions": order})


def mapped(
    fitted: FittedVAE, data: str, out: Path, condition: list[str], work: Callable[[dict[str, Tensor]], np.ndarray],
    labels: str | None = None,
) -> Answer:
    """Rows in, as many rows out, in the data's own units; on a sheet, below the originals.

    Arguments:
        fitted: the model.
        data: rows in a file.
        out: where to write.
        condition: `NAME=VALUE` texts, or a file.
        work: makes rows of stored rows.
        labels: passed over, where the data have a column of this name.
    """
    began = time.monotonic()
    place, rows = place_of(fitted, out), 0
    paired = place.kind == "picture"
    with writing_rows(fitted, place, across=16 if paired else None) as append:
        for records, stored in chunks_of(fitted, data, condition, labels):
            values = work(stored)
            append(beside(records.x.reshape(values.shape), values) if paired else values, _condition_columns(fitted, records))
            rows += records.rows
    return written(place, rows, began)


def chunks_of(
    fitted: FittedVAE, data: str, condition: list[str], labels: str | None = None
) -> Iterator[tuple[Records, dict[str, Tensor]]]:
    """Rows of a file as they came and as they are stored, a chunk at a time."""
    given = condition_of(condition, names_of(fitted))
    for records in matching_chunks(labelled_by(fitted.data, data, labels), data, given, rows_at_once(fitted)):
        yield records, fitted.system.modality.store(records)


def rows_at_once(fitted: FittedVAE) -> int:
    """How many rows a chunk has."""
    return max(min(_VALUES // prod(fitted.system.modality.event), _ROWS), 1)


def seed_of_chunk(seed: int, number: int) -> int:
    """The seed of a chunk's draws: of the first, the Python face's own; of the others, one that neighbouring seeds do not share.

    Arguments:
        seed: of all.
        number: of the chunk, from 0.
    """
    return seed_of(seed, number) if number else seed


def class_column(fitted: FittedVAE) -> str:
    """The name of the column that holds a row's class: that of the condition which is the class, else of the labels, else `label`."""
    facts = fitted.system.modality.state.get("conditions") or []
    if len(facts) == 1 and facts[0]["names"] and not fitted.system.modality.classes:
        return str(facts[0]["name"])
    return fitted.data.get("label_column") or "label"


def names_of(fitted: FittedVAE) -> list[str]:
    """The facts that a model is told of each row; none where it has no condition."""
    return list(fitted.data.get("condition_columns") or [])


def _columns_of(fitted: FittedVAE, given: Any, rows: int) -> dict[str, np.ndarray]:
    """A condition as columns beside the rows that were made with it."""
    return {name: np.repeat(_as_written(fitted, name, np.array([text], object)), rows) for name, text in (given or {}).items()}


def _condition_columns(fitted: FittedVAE, records: Records) -> dict[str, np.ndarray]:
    """The condition of rows as columns beside what was made of them."""
    if records.condition is None:
        return {}
    return {name: _as_written(fitted, name, values) for name, values in zip(records.condition_columns, records.condition.T)}


def _as_written(fitted: FittedVAE, name: str, values: np.ndarray) -> np.ndarray:
    """Values of a condition as the data have it: a quantity as a number, a class by its name."""
    names = next((fact["names"] for fact in fitted.system.modality.state.get("conditions") or [] if fact["name"] == name), None)
    if names is None:
        return values
    return as_named(names, values) if names else values.astype(np.float64)


def as_named(names: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Classes as the data have them: by name, as whole numbers where all names are.

    Arguments:
        names: of all classes.
        values: names among them, objects.
    """
    # Of nineteen digits or more, or with a zero in front, a name is no number.
    numbered = all(len(known) < 19 and known.removeprefix("-").isdecimal() and known == str(int(known)) for known in names)
    # Not by way of floats, which have no place for eighteen digits; a word such as `true` stays what it is.
    return np.array([*map(_whole, values)]) if numbered else values


def _whole(value: Any) -> Any:
    try:
        return int(value)
    except ValueError:
        return value


def place_of_numbers(fitted: FittedVAE, out: Path) -> Place:
    """Where latents or scores go: like the data, or an array where the data are images."""
    format = str(fitted.data.get("format", "array"))
    place = Place(out, "npy" if format in ("folder", "idx") else format)
    if place.pictured:
        raise InputError(f"{place.path}: numbers are no pictures; give a path that ends in .csv, .parquet, .npy or .npz")
    return place


def _rows_named(records: Records, option: str, text: str | None) -> list[int]:
    found = numbers(option, text, int) or []
    for number in found:
        if not 1 <= number <= records.rows:
            raise InputError(f"--{option} {number}: {records.source} has rows 1 to {records.rows}")
    return [number - 1 for number in found]


def written(place: Place, rows: int, began: float) -> Answer:
    """What to say of a file that was written."""
    seconds = time.monotonic() - began
    facts = {"out": str(place.path), "rows": rows, "seconds": round(seconds, 3)}
    return Answer([f"{rows:,} rows in {seconds:.1f} s -> {place.path}"], facts)
