"""Several systems on the same rows: every figure side by side, with the best of each line and what must not be compared.

A figure is compared with another of the same section, name and unit alone. A density and a probability are on different scales, so nats are
not ranked across likelihoods; nor are samples that were judged in different ways, such as by the features of another network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["SECTIONS", "Line", "cautions_between", "side_by_side"]

SECTIONS = ("likelihood", "reconstruction", "latent", "prior", "representation", "samples")
# Closer than this share of the best, two runs are equal.
_TIE = 5e-4


@dataclass(frozen=True)
class Line:
    """One figure of every run.

    Arguments:
        section: where it stands in the metrics.
        name: of the figure.
        unit: of the values.
        better: `lower`, `higher`, `one` = the nearer to 1, or `none`.
        values: a run each; None where a run has no such figure.
        best: places of the best values; empty where there is nothing to rank.
    """

    section: str
    name: str
    unit: str
    better: str
    values: tuple[float | None, ...]
    best: tuple[int, ...]


def side_by_side(found: Mapping[str, Mapping[str, Any]]) -> list[Line]:
    """Every figure that any run has, in the order of the sections.

    Arguments:
        found: a run's name -> what `evaluate` measured of it.
    """
    lines = []
    for section in SECTIONS:
        of_runs = [{(f["name"], f["unit"]): f for f in (metrics.get(section) or {}).get("figures") or []} for metrics in found.values()]
        for key in dict.fromkeys(key for figures in of_runs for key in figures):
            better = next(figures[key]["better"] for figures in of_runs if key in figures)
            values = tuple(figures[key]["value"] if key in figures else None for figures in of_runs)
            judged = {figures[key].get("protocol") for figures in of_runs if key in figures}
            apart = (section == "likelihood" and len(_likelihoods(found)) > 1) or (section == "samples" and len(judged) > 1)
            # Below one half, a classifier that tells nothing apart is worse than a coin by chance.
            ranked = tuple(v if v is None else max(v, 0.5) for v in values) if key[1] == "AUC" and better == "lower" else values
            lines.append(Line(section, *key, better, values, () if apart else _best(ranked, better)))
    return lines


def _best(values: tuple[float | None, ...], better: str) -> tuple[int, ...]:
    known = [value for value in values if value is not None]
    if better == "none" or len(known) < 2:
        return ()
    target = {"lower": min(known), "higher": max(known), "one": min(known, key=_from_one)}[better]
    near = _TIE * max(abs(target), 1e-12)
    places = tuple(i for i, value in enumerate(values) if value is not None and abs(value - target) <= near)
    # Where all are equal, none is best.
    return places if len(places) < len(known) else ()


def _from_one(value: float) -> float:
    return abs(value - 1)


def _likelihoods(found: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {metrics["protocol"]["likelihood"] for metrics in found.values()}


def cautions_between(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What a reader must know before comparing, a sentence each.

    Arguments:
        found: a run's name -> what `evaluate` measured of it.
    """
    told = []
    likelihoods = sorted(_likelihoods(found))
    if len(likelihoods) > 1:
        names = " and ".join(name.replace("_", " ") for name in likelihoods)
        told.append(f"The runs have different likelihoods ({names}): their nats are on different scales and are not ranked.")
    spaces = {metrics["samples"].get("space") for metrics in found.values() if metrics.get("samples")} - {None}
    judges = {word for metrics in found.values() for word in _judges(metrics)}
    if len(spaces) > 1 or len(judges) > 1:
        told.append("The runs' samples were judged in different spaces or by different networks: those figures are not ranked.")
    silent = [name for name, metrics in found.items() if metrics["likelihood"].get("absent")]
    if silent:
        have = "has" if len(silent) == 1 else "have"
        told.append(f"{_listed(silent)} {have} no bound on the likelihood, and so no place in those lines.")
    known = {name for name, metrics in found.items() if metrics["protocol"].get("condition_width")}
    if known and known != set(found):
        told.append(f"{_listed(sorted(known))} {'is' if len(known) == 1 else 'are'} told a condition that the others must find out.")
    return told


def _judges(metrics: Mapping[str, Any]) -> set[str]:
    """How the distance of a run's samples was measured; nothing where it was not."""
    figures = (metrics.get("samples") or {}).get("figures") or []
    return {str(f.get("protocol")) for f in figures if f["name"] == "Frechet distance (FID)"}


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
