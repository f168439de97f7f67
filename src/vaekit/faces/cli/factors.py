"""What rows are known by, from the command: attributes to edit along, and factors to measure by.

    edit   x' = E[x|z + strength s w]          disentanglement   MIG, DCI, SAP, ... of the latent means beside a file of factors
"""

import time
from pathlib import Path
from typing import Any

from vaekit import tasks
from vaekit.core.errors import InputError
from vaekit.faces.api import load
from vaekit.faces.cli.answer import Answer
from vaekit.faces.cli.using import mapped, names_of
from vaekit.faces.cli.values import condition_of
from vaekit.operations.store import write_json

__all__ = ["disentanglement", "edit"]


def edit(
    run: Path, data: str, out: Path, labels: str | None, towards: str | None, strength: float, method: str, to: str | None,
    condition: list[str], seed: int,
) -> Answer:
    """Rows with more of an attribute; on a sheet, below the originals.

    Arguments:
        run: a finished run's folder.
        data: rows that have the attribute and rows that have not.
        out: where to write.
        labels: a column of the data, or a file with one value a row; None = those that come with the data.
        towards: the label that is more.
        strength: in deviations along the direction.
        method: means or probe.
        to: rows to edit; None = those of data.
        condition: `NAME=VALUE` texts, or a file.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where the labels do not fit the data, or do not vary.
    """
    fitted = load(run)
    along = fitted.direction(data, labels, method, towards, condition_of(condition, names_of(fitted)), seed)
    edited = data if to is None else to
    answer = mapped(fitted, edited, out, condition, lambda rows: tasks.edit(fitted.system, rows, along, strength, seed), labels)
    told = f"{strength:g} deviations ({strength * along.spread:.3g} of the latent) towards {along.attribute}, by {method}"
    return Answer([*answer.lines, told], {**answer.facts, "attribute": along.attribute, "direction": along.vector.tolist()})


def disentanglement(
    run: Path, data: str, factors: str, categorical: str | None, others: list[Path], out: Path | None, condition: list[str], seed: int
) -> Answer:
    """All measures of disentanglement.

    Arguments:
        run: a finished run's folder.
        data: rows to measure on.
        factors: a file with the factors of the same rows.
        categorical: factors whose numbers are names, with commas between.
        others: runs of other seeds.
        out: a .json file for the figures; None = nowhere.
        condition: `NAME=VALUE` texts, or a file.
        seed: of subsamples, draws and trees.

    Raises:
        InputError: where the factors do not fit the data, or the file is no .json.
    """
    if out is not None and out.suffix.lower() != ".json":
        raise InputError(f"{out}: figures are written as .json; give a path that ends so")
    began, fitted = time.monotonic(), load(run)
    named = [] if categorical is None else [name.strip() for name in categorical.split(",")]
    given = condition_of(condition, names_of(fitted))
    found = fitted.disentanglement(data, factors, (), named, [load(other) for other in others], given, seed)
    facts: dict[str, Any] = {"run": str(run), "data": data, "figures": found, "seconds": round(time.monotonic() - began, 3)}
    if out is not None:
        write_json(out, facts)
    width = max(len(figure["name"]) for figure in found)
    lines = [f"{figure['name']:<{width}}  {_number(figure['value'])}{_floor(figure)}" for figure in found]
    head = f"{fitted.system.recipe} on {data}, {found[0]['n']:,} rows, factors of {factors}"
    return Answer([head, *lines, *([] if out is None else [f"figures -> {out}"])], facts)


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _floor(figure: dict[str, Any]) -> str:
    return f"  (chance {figure['floor']:.3f})" if figure.get("floor") is not None else ""
