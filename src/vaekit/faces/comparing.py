"""Several trained systems on the same held-out rows: one table and one page of pictures.

    compare(runs)               systems that have been trained
    compete(recipes, data)      train several recipes under one budget, each in a run folder of its own

Two runs can be compared where the rows that were held out are the same, value for value: a row that one of them learnt from would
flatter it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from vaekit.core.errors import InputError
from vaekit.core.files import whole_file
from vaekit.data import open_records
from vaekit.evaluation.comparison import Line, side_by_side
from vaekit.evaluation.report import Gallery, comparison_page
from vaekit.faces import api
from vaekit.faces.apart import refuse_taken
from vaekit.faces.extractors import Judges
from vaekit.faces.fitted import FittedVAE
from vaekit.faces.going_on import gone_on_with, is_begun, see_that_it_is_the_same
from vaekit.faces.measuring import measured
from vaekit.faces.origin import held_out
from vaekit.faces.preparing import see_that_it_can_be_built
from vaekit.faces.progress import Progress
from vaekit.operations.store import write_json

__all__ = ["Comparison", "compare", "compete"]


@dataclass(frozen=True)
class Comparison:
    """What several systems come to on the same rows.

    Arguments:
        metrics: a run's name -> what was measured of it, as JSON.
        about: what the rows and the runs are, in words.
        galleries: a run's name -> what is shown of it.
        histories: a run's name -> what training measured, as JSON.
    """

    metrics: Mapping[str, Mapping[str, Any]]
    about: Mapping[str, Any]
    galleries: Mapping[str, Gallery] = field(repr=False)
    histories: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def lines(self) -> list[Line]:
        """Every figure of every run, side by side."""
        return side_by_side(self.metrics)

    def save(self, folder: str | Path) -> Path:
        """Write `comparison.html` and `comparison.json`, each whole or not at all; returns the page.

        Arguments:
            folder: made where it is missing.

        Raises:
            InputError: where it cannot be written.
        """
        page = Path(folder) / "comparison.html"
        text = comparison_page(self.metrics, self.galleries, self.histories, self.about)
        page.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(page) as temporary:
            temporary.write_text(text, encoding="utf-8")
        write_json(page.with_suffix(".json"), {"about": self.about, "runs": self.metrics})
        return page


def compare(
    runs: Mapping[str, FittedVAE | str | Path] | Sequence[FittedVAE | str | Path], data: Any = None, particles: int = 100, seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Measure several trained systems on the same held-out rows.

    Arguments:
        runs: two or more: trained systems or their folders, by name, or in a list to be named by their folders or recipes.
        data: rows to measure on; None = the test rows that were held out of all.
        particles: importance samples a row.
        seed: of the draws.
        progress: called with a word and a fraction.

    Raises:
        InputError: where there are fewer than two runs, two have one name, or their held-out rows are not the same.
    """
    named = _named(runs)
    if data is None:
        _same_rows(named)
    metrics, galleries, what = {}, {}, {}
    judges = Judges()
    for name, fitted in named.items():

        def tell(doing: str, share: float, name: str = name) -> None:
            if progress is not None:
                progress(f"{name}: {doing}", share)

        metrics[name], galleries[name] = measured(fitted, data, particles, False, seed, tell, judges=judges)
        what[name] = _what(fitted)
    first = next(iter(metrics.values()))
    about = {
        "data": first["about"]["data"], "facts": first["about"]["facts"][:1], "measured": f"{first['protocol']['measured_rows']:,}",
        "versions": first["about"]["versions"], "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "what": what,
    }
    return Comparison(metrics, about, galleries, {name: fitted.history.to_json() for name, fitted in named.items()})


def compete(
    recipes: Sequence[str], data: Any, folder: str | Path, *, labels: Any = None, condition: Any = None, resume: bool = False,
    progress: bool = True, **arguments: Any,
) -> dict[str, FittedVAE]:
    """Train several recipes on the same data under one budget, each in `folder/RECIPE`.

    Arguments:
        recipes: names in the book, two or more.
        data: as for `fit`.
        folder: holds the runs.
        labels: as for `fit`.
        condition: as for `fit`: every recipe is told it.
        resume: keep runs of these arguments and this data that are finished, and go on with one that was stopped.
        progress: show a bar, on a terminal or in a notebook.
        arguments: as for `fit`, for all of them; a mapping under a recipe's name is for that one alone.

    Raises:
        InputError: where a recipe cannot be built with these arguments on this data, or its folder holds anything else: before any of
            them is trained.
    """
    if len(recipes) < 2 or len(set(recipes)) < len(recipes):
        raise InputError(f"a comparison needs two or more different recipes, not {', '.join(recipes) or 'none'}")
    for recipe in recipes:
        if not isinstance(arguments.get(recipe, {}), Mapping):
            raise InputError(f"{recipe}={arguments[recipe]!r}: {recipe} is a recipe here; say which of its arguments, {recipe}.KEY=VALUE")
    of_all = {name: value for name, value in arguments.items() if name not in recipes}
    told = {recipe: {**of_all, **arguments.get(recipe, {})} for recipe in recipes}
    records = open_records(data, labels, condition)
    for recipe, given in told.items():
        see_that_it_can_be_built(records, recipe, given)
        if resume and is_begun(Path(folder) / recipe):
            see_that_it_is_the_same(Path(folder) / recipe, recipe, records, given)
        else:
            refuse_taken(Path(folder) / recipe)
    shared = {"labels": labels, "condition": condition, "progress": progress}
    return {recipe: gone_on_with(Path(folder) / recipe, data, recipe, **shared, **given) for recipe, given in told.items()}


def _named(runs: Mapping[str, FittedVAE | str | Path] | Sequence[FittedVAE | str | Path]) -> dict[str, FittedVAE]:
    """Each system under a name of its own."""
    given: Iterable[tuple[str, FittedVAE | str | Path]]
    given = runs.items() if isinstance(runs, Mapping) else ((_name(run), run) for run in runs)
    found: dict[str, FittedVAE] = {}
    for name, run in given:
        if name in found:
            raise InputError(f"two runs are named {name!r}: give them names, as a mapping from name to run")
        found[name] = run if isinstance(run, FittedVAE) else api.load(run)
    if len(found) < 2:
        raise InputError(f"a comparison needs two or more runs, not {len(found)}")
    return found


def _name(run: FittedVAE | str | Path) -> str:
    if isinstance(run, FittedVAE):
        return run.folder.name if run.folder else run.system.recipe or "composed by hand"
    return Path(run).resolve().name


def _same_rows(named: Mapping[str, FittedVAE]) -> None:
    """Raise where the held-out rows of two runs differ."""
    first, wanted = "", np.empty(0)
    for name, fitted in named.items():
        modality = fitted.system.modality
        test = held_out(modality, fitted.data, fitted.parts).test
        if not len(test["x"]):
            raise InputError(f"{name}: held no rows out to be measured on (test=0): give data")
        rows = np.asarray(modality.to_raw(modality.batch(test).x), dtype=np.float64)  # type: ignore[arg-type]
        if not first:
            first, wanted = name, rows
        elif rows.shape != wanted.shape or not np.allclose(rows, wanted, rtol=1e-4, atol=1e-6, equal_nan=True):
            raise InputError(
                f"{first} and {name} held different rows out (other data, labels, shares or seed): train them alike, or give rows that "
                "none of them has seen as data"
            )


def _what(fitted: FittedVAE) -> str:
    """A run in a few words."""
    size = sum(p.numel() for p in fitted.system.model.parameters())
    seen = fitted.history.validations
    took = f"{fitted.history.epochs:.3g} epochs in {seen[-1].seconds / 60:.2g} min" if seen else "no history"
    return f"{fitted.system.recipe or 'composed by hand'}, {size / 1e6:.2g} M parameters, {took}"
