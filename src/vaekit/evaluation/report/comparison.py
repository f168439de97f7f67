"""The page of a comparison: one table to begin with, the same rows as each model sees them, then every figure.

Nothing is loaded from elsewhere, and every number is one that `comparison.json` holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaekit.evaluation.comparison import SECTIONS, Line, cautions_between, side_by_side
from vaekit.evaluation.report import drawing
from vaekit.evaluation.report.gallery import Gallery, differences
from vaekit.evaluation.report.page import COLOURS, headlines
from vaekit.evaluation.report.rendering import number, rendered
from vaekit.evaluation.report.sections import Picture, Section, pictured

__all__ = ["comparison_page"]

_REBUILT = "The first line holds the same held-out images for all; the others show what each model makes of them."
_DRAWN = "Means of p(x|z) for draws of z from each model's own prior, beside held-out images. None was chosen."
_TRAINED = "Negative bound on held-out rows, against the time of training: lower is better. A model without a bound has no line."
_COLUMNS = "Distance between the distributions of each column, drawn and held out, from 0 (equal) to 1."


@dataclass(frozen=True)
class _Shown:
    """A line of a table, in words."""

    name: str
    unit: str
    better: str
    arrow: str
    values: tuple[str, ...]
    best: tuple[int, ...]


@dataclass(frozen=True)
class _Run:
    """A model's line in the first table."""

    name: str
    place: int
    what: str
    verdict: str
    colour: str
    best: tuple[int, ...]


def comparison_page(
    found: Mapping[str, Mapping[str, Any]], galleries: Mapping[str, Gallery], histories: Mapping[str, Mapping[str, Any]],
    about: Mapping[str, Any],
) -> str:
    """The page.

    Arguments:
        found: a run's name -> what was measured of it.
        galleries: a run's name -> what is shown of it; all of the same rows.
        histories: a run's name -> what training measured, as JSON.
        about: `data`, `facts`, `measured`, `date`, `versions`, and `what` by run, each in words.
    """
    lines = side_by_side(found)
    leading = _leading(found, lines)
    runs = [
        _Run(
            name, place, about["what"][name], metrics["verdict"]["name"], COLOURS[metrics["verdict"]["state"]],
            tuple(i for i, line in enumerate(leading) if place in line.best),
        )
        for place, (name, metrics) in enumerate(found.items())
    ]
    parts = [(section.capitalize(), [_shown(line) for line in lines if line.section == section]) for section in SECTIONS]
    return rendered(
        "comparison.html", about=about, names=list(found), runs=runs, leading=[_shown(line) for line in leading],
        cautions=cautions_between(found), sections=_sections(galleries, histories), parts=[(t, shown) for t, shown in parts if shown],
    )


def _leading(found: Mapping[str, Mapping[str, Any]], lines: Sequence[Line]) -> list[Line]:
    """The few figures that the reports begin with: those of the run that has most of them."""
    names = max(([headline.name for headline in headlines(metrics)] for metrics in found.values()), key=len)
    return [line for line in lines if line.name in names]


def _shown(line: Line) -> _Shown:
    # A share is plain as a number, and a name may hold its unit already.
    unit = "" if line.unit in ("1", "share") or line.unit in line.name.split() else line.unit
    arrow = {"lower": "↓", "higher": "↑", "one": "→ 1", "none": ""}[line.better]
    return _Shown(line.name, unit, line.better, arrow, tuple(number(value, line.unit) for value in line.values), line.best)


def _sections(galleries: Mapping[str, Gallery], histories: Mapping[str, Mapping[str, Any]]) -> list[Section]:
    made = [*_images(galleries), _columns(galleries), _training(histories)]
    return [section for section in made if section is not None]


def _images(galleries: Mapping[str, Gallery]) -> list[Section]:
    found = []
    rebuilt = {name: g.reconstructed.images for name, g in galleries.items() if g.reconstructed is not None}
    if rebuilt:
        first = next(iter(galleries.values()))
        images = np.stack([next(iter(rebuilt.values()))[0], *(pair[1] for pair in rebuilt.values())])
        picture = pictured(images, first.limits, "held-out images as each model rebuilds them", labels=("held out", *rebuilt))
        found.append(Section("Reconstructions", _REBUILT, (picture,)))
    drawn = {name: g for name, g in galleries.items() if g.sampled is not None and g.real is not None}
    if drawn:
        real = next(iter(drawn.values()))
        assert real.real is not None
        sheets = [pictured(real.real.images, real.limits, "held-out images", "Real, held out")]
        sheets += [pictured(g.sampled.images, g.limits, f"images drawn from {name}", name) for name, g in drawn.items() if g.sampled]
        found.append(Section("Samples", _DRAWN, tuple(sheets), 2))
    return found


def _columns(galleries: Mapping[str, Gallery]) -> Section | None:
    """How far the columns of a table are from the real ones, by model."""
    drawn = {name: differences(g.table, g.drawn) for name, g in galleries.items() if g.table is not None and g.drawn is not None}
    if not drawn:
        return None
    columns = next(g.columns for g in galleries.values() if g.columns)
    svg = drawing.heat("", np.stack(list(drawn.values())), columns, list(drawn), (0.0, 1.0), wide=True)
    return Section("Columns, real and drawn", _COLUMNS, (Picture("distance between real and drawn columns by model", svg),))


def _training(histories: Mapping[str, Mapping[str, Any]]) -> Section | None:
    lines = {}
    for name, history in histories.items():
        seen = [v for v in history.get("validations") or [] if v["held_out"].get("elbo") is not None]
        if len(seen) > 1:
            lines[name] = ([v["seconds"] / 60 for v in seen], [v["held_out"]["elbo"] for v in seen])
    if len(lines) < 2:
        return None
    svg = drawing.many("Negative bound on held-out rows", lines, "minutes of training", "nats a row")
    return Section("Training", _TRAINED, (Picture("held-out negative bound over training, by model", svg),))
