"""Runs of one command that was stopped: kept where they are whole, gone on with where they were begun, else begun.

A run is kept or gone on with where it had the same arguments and the same data as are given now.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vaekit.core.records import Records
from vaekit.faces import api
from vaekit.faces.composed import kept, see_no_difference
from vaekit.faces.fitted import FittedVAE
from vaekit.faces.folder import HISTORY, RUN
from vaekit.faces.preparing import fingerprint, kind_of
from vaekit.operations.store import read_json
from vaekit.training.progress import Hook

__all__ = ["gone_on_with", "is_begun", "see_that_it_is_the_same"]


def is_begun(run: Path) -> bool:
    """Whether a folder holds a run, whole or not."""
    return (run / RUN).is_file()


def see_that_it_is_the_same(run: Path, recipe: str, records: Records, given: Mapping[str, Any]) -> None:
    """Refuse to keep, or go on with, a run of other arguments or other data than are given now.

    Arguments:
        run: the folder of a run that was begun.
        recipe: its name.
        records: the data.
        given: arguments of `fit`, save data, labels and condition.

    Raises:
        InputError: where something differs; says what.
    """
    was, shares = read_json(run / RUN), {name: given.get(name, 0.1) for name in ("validation", "test")}
    kind = kind_of(records) if given.get("kind", "auto") == "auto" else given["kind"]
    arguments = kept({name: value for name, value in given.items() if name not in ("kind", *shares)})
    # As a file holds them: of a tuple, a list.
    now, data = json.loads(json.dumps({"recipe": recipe, "kind": kind, **arguments})), {"fingerprint": fingerprint(records), **shares}
    then = {"recipe": was.get("recipe"), "kind": was.get("kind"), **was.get("arguments", {})}
    see_no_difference(f"{run}: the run had another argument", then, now)
    see_no_difference(f"{run}: the run had other data", {name: was["data"][name] for name in data}, data)


def gone_on_with(
    run: Path, data: Any, recipe: str, *, labels: Any = None, condition: Any = None, progress: bool = True, hooks: Sequence[Hook] = (),
    **given: Any,
) -> FittedVAE:
    """The run's system, trained as far as was still needed.

    Arguments:
        run: its folder.
        data: as for `fit`.
        recipe: a name in the book.
        labels: as for `fit`.
        condition: as for `fit`.
        progress: show a bar, on a terminal or in a notebook.
        hooks: who else watches.
        given: as for `fit`.
    """
    handed = {name: given[name] for name in ("reader", "writer") if given.get(name) is not None}
    if (run / HISTORY).is_file():
        return api.load(run, **handed)
    if is_begun(run):
        return api.resume(run, data, labels=labels, condition=condition, progress=progress, hooks=hooks, **handed)
    return api.fit(data, recipe, labels=labels, condition=condition, run=run, progress=progress, hooks=hooks, **given)
