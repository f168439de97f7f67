"""The report as one HTML file: nothing is loaded from elsewhere, and every number is one that `metrics.json` holds.

Order: what it is about, the verdict, a handful of headline figures with what good looks like, pictures, every figure with its protocol.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader

from vaekit.evaluation.report.gallery import Gallery
from vaekit.evaluation.report.sections import sections

__all__ = ["page"]

_COLOURS = {"good": "good", "warn": "warn", "bad": "bad", "none": "plain"}
_PARTS = (
    ("likelihood", "Likelihood", "How probable held-out rows are under the model."),
    ("reconstruction", "Reconstruction", "What is left of a row after it went through the latent."),
    ("latent", "Latent space", "How much the latent carries, and whether rows lie where the prior does."),
    ("representation", "Representation", "What the latent knows of the labels, which it was measured with."),
    ("samples", "Samples", "How rows drawn from the model compare with held-out rows."),
)
_ARROWS = {"lower": "lower is better", "higher": "higher is better", "none": ""}
_BESIDE = {"pca": "PCA", "floor": "floor", "ceiling": "ceiling", "sampling_error": "sampling error"}


@dataclass(frozen=True)
class _Headline:
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
    environment = Environment(loader=PackageLoader("vaekit.evaluation.report", ""), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    style = environment.get_template("page.css").render()
    return environment.get_template("page.html").render(
        style=style, about=metrics["about"], verdict=metrics["verdict"], colour=_COLOURS[metrics["verdict"]["state"]], headlines=_headlines(metrics),
        sections=sections(metrics, gallery, history), parts=_parts(metrics), protocol=_protocol(metrics), notes=history.get("notes") or [],
    )


def number(value: float | int | None) -> str:
    """A figure as it is read: four digits or so, never more decimals than matter."""
    if value is None:
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 10_000):
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size < 0.001:
        return f"{value:.1e}"
    return f"{value:.1f}" if size >= 100 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def _split(value: float | int | None) -> tuple[str, str]:
    """A number at its point, which begins the second piece."""
    whole, point, part = number(value).partition(".")
    return whole, point + part


def _figures(section: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for figure in (section or {}).get("figures") or [] if figure["value"] is not None}


def _headlines(metrics: Mapping[str, Any]) -> list[_Headline]:
    """At most five figures, one a question, each with what good looks like."""
    likelihood, latent, representation, samples = (_figures(metrics.get(name)) for name in ("likelihood", "latent", "representation", "samples"))
    rebuilt = list(_figures(metrics.get("reconstruction")).values())
    plain = _figures((metrics.get("baseline") or {}).get("reconstruction"))
    found = []
    for name in ("bits per dimension", "negative log-likelihood"):
        if name in likelihood and len(found) < 1:
            found.append(_headline(likelihood[name], "lower is better; compare models of the same data"))
    if rebuilt:
        first = rebuilt[0]
        beside = plain.get(first["name"])
        found.append(_headline(first, f"the plain autoencoder reaches {number(beside['value'])}" if beside else _ARROWS[first["better"]]))
    if "active units by KL" in latent:
        found.append(_headline(latent["active units by KL"], "unused dimensions are not harmful, but none in use is"))
    if "linear probe" in representation:
        probe = representation["linear probe"]
        found.append(_headline(probe, f"PCA of the same width reaches {number(probe.get('pca'))}, guessing {number(probe.get('floor'))}"))
    tests = [figure for name, figure in samples.items() if name.startswith("two-sample")]
    if tests:
        found.append(_headline(tests[0], f"0.5 means that samples pass for real rows; real rows against real rows reach {number(tests[0].get('ceiling'))}"))
    return found


def _headline(figure: Mapping[str, Any], good: str) -> _Headline:
    unit = "" if figure["unit"] in ("1", "share") else figure["unit"]
    return _Headline(figure["name"], number(figure["value"]), unit, good)


def _parts(metrics: Mapping[str, Any]) -> list[_Part]:
    made = []
    for name, title, sentence in _PARTS:
        section = metrics.get(name)
        if section is None:
            continue
        beside = (metrics.get("baseline") or {}).get(name)
        others = _figures(beside)
        rows = tuple(_row(figure, others.get(figure["name"])) for figure in _figures(section).values())
        absent = section.get("absent") or ""
        if rows or absent:
            label = metrics["baseline"]["recipe"] if others else ""
            made.append(_Part(title, sentence, rows, absent[:1].upper() + absent[1:], label.replace("_", " ")))
    return made


def _row(figure: Mapping[str, Any], other: Mapping[str, Any] | None) -> _Row:
    error = figure.get("standard_error")
    beside = [f"± {number(error)}"] if error is not None else []
    beside += [f"{word} {number(figure[key])}" for key, word in _BESIDE.items() if figure.get(key) is not None]
    protocol = f"{figure['protocol']}; N = {figure['n']:,}, seed {figure['seed']}"
    return _Row(
        figure["name"], _split(figure["value"]), "" if figure["unit"] == "1" else figure["unit"], figure["better"],
        None if other is None else _split(other["value"]), ", ".join(beside), protocol,
    )


def _protocol(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The protocol as pairs of words, in the order that it stands in the file."""
    return [
        (name.replace("_", " "), number(value) if isinstance(value, (int, float)) and name != "seed" else str(value))
        for name, value in metrics["protocol"].items() if isinstance(value, (str, int, float)) and value != ""
    ]
