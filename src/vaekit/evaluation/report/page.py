"""The report as one HTML file: nothing is loaded from elsewhere, and every number is one that `metrics.json` holds.

Order: what it is about, the verdict, a handful of figures with what good looks like, pictures, every figure with its protocol.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vaekit.evaluation.report import captions
from vaekit.evaluation.report.cautions import cautions
from vaekit.evaluation.report.gallery import Gallery
from vaekit.evaluation.report.rendering import number, rendered
from vaekit.evaluation.report.sections import sections

__all__ = ["COLOURS", "Headline", "headlines", "page"]

COLOURS = {"good": "good", "warn": "warn", "bad": "bad", "none": "plain"}
_PARTS = (
    ("likelihood", "Likelihood", captions.LIKELIHOOD),
    ("reconstruction", "Reconstruction", "What is left of a row after it went through the latent."),
    ("latent", "Latent space", "How much the latent carries, and how much of it is used."),
    ("prior", "Prior", captions.MEASURED_PRIOR),
    ("representation", "Representation", "What the latent knows of the labels, which it was measured with."),
    ("labels", "Classes", "How often the model tells the class of a held-out row, whose label it was not shown."),
    ("samples", "Samples", captions.MEASURED_SAMPLES),
)
_ARROWS = {"lower": "lower is better", "higher": "higher is better", "one": "1 is best", "none": ""}
_BESIDE = {
    "pca": "PCA", "ceiling": "at most", "floor": "floor", "sampling_error": "sampling error", "expected": "by chance", "p_value": "p",
    "alike": "rows against rows",
}


# What stands at the bottom of a figure of samples, where it is not shuffled rows.
_SPOILT = {"sharpness": "blurred rows"}


@dataclass(frozen=True)
class Headline:
    """One of the few figures that come first."""

    name: str
    value: str
    unit: str
    good: str


@dataclass(frozen=True)
class _Row:
    """One figure of a table, as words; numbers in two pieces that align at the point."""

    name: str
    value: tuple[str, str]
    unit: str
    better: str
    baseline: tuple[str, str] | None
    beside: str
    protocol: str


@dataclass(frozen=True)
class _Part:
    """A table of figures."""

    title: str
    sentence: str
    rows: tuple[_Row, ...]
    absent: str
    baseline: str


def page(metrics: Mapping[str, Any], gallery: Gallery, history: Mapping[str, Any]) -> str:
    """The page.

    Arguments:
        metrics: what `evaluate` measured, with `about`: `data`, `recipe`, `date`, `versions` and `facts`, each in words.
        gallery: what is shown.
        history: what training measured, as JSON.
    """
    verdict = metrics["verdict"]
    return rendered(
        "page.html", about=metrics["about"], verdict=verdict, colour=COLOURS[verdict["state"]], cautions=cautions(metrics, history),
        headlines=headlines(metrics),
        sections=sections(metrics, gallery, history), parts=_parts(metrics), protocol=_protocol(metrics),
        notes=history.get("notes") or [],
    )


def _split(value: float | int | None, unit: str) -> tuple[str, str]:
    """A number at its point, which begins the second piece."""
    whole, point, part = number(value, unit).partition(".")
    return whole, point + part


def _figures(section: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for figure in (section or {}).get("figures") or [] if figure["value"] is not None}


def headlines(metrics: Mapping[str, Any]) -> list[Headline]:
    """At most six figures, one a question, each with what good looks like.

    Arguments:
        metrics: what `evaluate` measured.
    """
    likelihood, latent = _figures(metrics["likelihood"]), _figures(metrics["latent"])
    representation, samples = _figures(metrics["representation"]), _figures(metrics["samples"])
    plain = _figures((metrics["baseline"] or {}).get("reconstruction"))
    found: list[Headline] = []
    if "bits per dimension" in likelihood:
        found.append(_headline(likelihood["bits per dimension"], "lower is better; compare models of the same data"))
    for name, rebuilt in list(_figures(metrics["reconstruction"]).items())[:1]:
        beside = f"the plain autoencoder reaches {number(plain[name]['value'])}" if name in plain else _ARROWS[rebuilt["better"]]
        found.append(_headline(rebuilt, beside))
    active = latent.get("active units by KL") or latent.get("active units by variance")
    if "codes used" in latent:
        found.append(_headline(latent["codes used"], "codes that no row has do no harm; a model that uses a few has collapsed"))
    if active:
        # By both criteria, as the verdict counts them.
        both = metrics["latent"]["dimensions"].get("active")
        active = active if both is None else {**active, "name": "active units", "value": sum(both)}
        found.append(_headline(active, "unused dimensions do no harm; a model that uses none has collapsed"))
    if "linear probe" in representation:
        probe = representation["linear probe"]
        pca, floor = number(probe.get("pca")), number(probe.get("floor"))
        found.append(_headline(probe, f"PCA of the same width reaches {pca}, guessing {floor}"))
    told = _figures(metrics.get("labels"))
    if "accuracy" in told:
        n, floor = told["accuracy"]["n"], number(told["accuracy"].get("floor"))
        found.append(_headline(told["accuracy"], f"of the classes of {n:,} rows with a label; guessing {floor}"))
    for test in [figure for name, figure in samples.items() if name.startswith("two-sample")][:1]:
        real = number(test.get("ceiling"))
        found.append(_headline(test, f"0.5 means that samples pass for real rows; real rows against real rows reach {real}"))
    return found


def _headline(figure: Mapping[str, Any], good: str) -> Headline:
    unit = "" if figure["unit"] in ("1", "share") else figure["unit"]
    return Headline(figure["name"], number(figure["value"], figure["unit"]), unit, good)


def _parts(metrics: Mapping[str, Any]) -> list[_Part]:
    made = []
    for name, title, sentence in _PARTS:
        section = metrics.get(name)
        if section is None:
            continue
        beside = (metrics["baseline"] or {}).get(name)
        others = _figures(beside)
        rows = tuple(_row(figure, others.get(figure["name"])) for figure in _figures(section).values())
        absent = section.get("absent") or ""
        if name == "likelihood" and any(row.name.endswith("annealed") for row in rows):
            sentence += captions.ANNEALED
        if name == "representation" and metrics["protocol"].get("condition_width"):
            sentence += " What the condition tells, the latent need not hold."
        if rows or absent:
            label = metrics["baseline"]["recipe"] if others else ""
            made.append(_Part(title, sentence, rows, absent[:1].upper() + absent[1:], label.replace("_", " ")))
    return made


def _row(figure: Mapping[str, Any], other: Mapping[str, Any] | None) -> _Row:
    error = figure.get("standard_error")
    beside = [f"± {number(error)}"] if error is not None else []
    # Where both stand beside a figure, they are what real rows reach, and what rows do that were spoilt.
    both = figure.get("ceiling") is not None and figure.get("floor") is not None
    words = {**_BESIDE, "ceiling": "real rows", "floor": _SPOILT.get(figure["name"], "shuffled rows")} if both else _BESIDE
    beside += [f"{word} {number(figure[key])}" for key, word in words.items() if figure.get(key) is not None]
    protocol = f"{figure['protocol']}; N = {figure['n']:,}, seed {figure['seed']}"
    return _Row(
        figure["name"], _split(figure["value"], figure["unit"]), "" if figure["unit"] == "1" else figure["unit"], figure["better"],
        None if other is None else _split(other["value"], other["unit"]), ", ".join(beside), protocol,
    )


def _protocol(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The protocol as pairs of words, in the order that it stands in the file."""
    return [
        (name.replace("_", " "), number(value) if isinstance(value, (int, float)) and name != "seed" else str(value))
        for name, value in metrics["protocol"].items() if isinstance(value, (str, int, float)) and value != ""
    ]
