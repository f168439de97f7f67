"""Rows and their classes, from the command.

    predict   argmax_y q(y|x), with q(y|x) for every y          augment   y in turn, x ~ p(x|y)
"""

import time
from pathlib import Path

import numpy as np

from vaekit import tasks
from vaekit.core.files import whole_file
from vaekit.data import open_writer
from vaekit.faces.api import load
from vaekit.faces.cli.answer import Answer
from vaekit.faces.cli.results import place_of, writing_rows
from vaekit.faces.cli.using import as_named, chunks_of, class_column, place_of_numbers, rows_at_once, seed_of_chunk, written

__all__ = ["augment", "predict"]


def predict(run: Path, data: str, out: Path, condition: list[str], seed: int) -> Answer:
    """The class of each row, and in all formats the probability of every class.

    Arguments:
        run: a finished run's folder.
        data: rows to tell apart; a label that they have is not looked at.
        out: where to write.
        condition: `NAME=VALUE` texts, or a file.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where the model knows no classes.
    """
    began, fitted = time.monotonic(), load(run)
    place, classes = place_of_numbers(fitted, out), fitted.system.modality.classes
    columns = [f"p_{name}" for name in classes] if place.tabular else []
    told = np.zeros(len(classes), dtype=int)
    with open_writer(place.path, columns, place.kind) as writer:
        for _, stored in chunks_of(fitted, data, condition):
            found = tasks.predict(fitted.system, stored, seed)
            writer.append(found.probability, {"label": as_named(classes, found.names)} if place.named else None)
            told += np.bincount(found.label, minlength=len(classes))
    answer, each = written(place, int(told.sum()), began), dict(zip(classes, told.tolist()))
    words = ", ".join(f"{name}: {rows:,}" for name, rows in sorted(each.items(), key=lambda pair: -pair[1])[:12])
    return Answer([*answer.lines, words], {**answer.facts, "classes": each})


def augment(run: Path, out: Path, count: int, label: str | None, temperature: float, seed: int) -> Answer:
    """New rows with their classes: in a column or an array where the format has room for one, else in a text file beside them.

    Arguments:
        run: a finished run's folder.
        out: where to write.
        count: how many rows.
        label: their class; None = every class in turn.
        temperature: spread of the latents.
        seed: of the draws.

    Raises:
        InputError: where the model knows no classes, or not this one.
    """
    began, fitted = time.monotonic(), load(run)
    place, name = place_of(fitted, out), class_column(fitted)
    size, names = min(rows_at_once(fitted), max(count, 1)), []
    with writing_rows(fitted, place) as append:
        for number, start in enumerate(range(0, max(count, 1), size)):
            rows = min(size, count - start)
            made = tasks.augment(fitted.system, rows, label, temperature, seed_of_chunk(seed, number), start)
            append(made.values, {name: as_named(made.classes, made.names)})
            names.extend(made.names.tolist())
    answer = written(place, count, began)
    if place.named:
        return Answer([*answer.lines, f"classes in the column '{name}'"], {**answer.facts, "labels": name})
    # `mnist.v2.npy` has a file of its own, and not that of `mnist.npy`.
    beside = place.path.with_name(Path(place.path.name.removesuffix(".gz")).stem + "-labels.txt")
    with whole_file(beside) as temporary:
        temporary.write_text("\n".join(names) + "\n", encoding="utf-8")
    return Answer([*answer.lines, f"classes in {beside}, one a line"], {**answer.facts, "labels": str(beside)})
