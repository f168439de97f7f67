"""The ten lines that a person wants to read after training: the verdict first, then what it rests on, then where to look."""

import shlex
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from vaekit.core.stage import Stage
from vaekit.faces.fitted import FittedVAE
from vaekit.tasks.walk import has_density
from vaekit.training.progress import Validation

__all__ = ["summary"]

_WIDTH = 16
# Readings that are densities of the values; those that are nats; what remains, such as the error of a velocity, is neither.
_OF_VALUES = ("loss", "distortion", "bound")
_NATS = (*_OF_VALUES, "classification")
_ANNEALED, _GAP = "negative log-likelihood, annealed", "gap between the annealed bounds"


def summary(fitted: FittedVAE, metrics: Mapping[str, Any] | None, run: Path, report: Path | None) -> list[str]:
    """Lines for a terminal.

    Arguments:
        fitted: the trained system.
        metrics: what was measured of it; None = nothing was.
        run: its folder.
        report: the page; None = none was written.
    """
    lines = [*_trained(fitted)]
    if metrics is not None:
        verdict = metrics["verdict"]
        remedy = f" Remedy: {verdict['remedy']}." if verdict["remedy"] else ""
        lines = [f"{fitted.system.recipe} on {fitted.data['source']}: {verdict['name']}. {' '.join(verdict['sentences'])}{remedy}", *lines]
        lines += _measured(metrics)
    if report is not None:
        lines.append(_line("look at", f"{report}  (every figure: {report.with_name('metrics.json')})"))
    return [*lines, *(_line("next", command) for command in _commands(fitted, run))]


def _commands(fitted: FittedVAE, run: Path) -> list[str]:
    """What to do with the model, each ready to be run as it stands: new rows where it has a prior, else the codes of its own data."""
    if has_density(fitted.system):
        words = ["generate", str(run), "-n", "100"]
        for fact in fitted.system.modality.state.get("conditions", []):
            words += ["--condition", f"{fact['name']}={fact['names'][0] if fact['names'] else format(fact['location'], '.4g')}"]
        return [_command([*words, "--out", str(run / "samples")])]
    facts = fitted.data
    if facts.get("source") is None:
        return []
    # Columns and labels are found in the data itself; a file of its own is named again.
    told = facts.get("condition")
    beside = isinstance(told, str) and told != "label" and facts["condition_columns"] != [told]
    given = ["--condition", str(told)] if beside else []
    return [_command(["encode", str(run), facts["source"], *given, "--out", str(run / "codes")])]


def _command(words: Sequence[str]) -> str:
    return " ".join(["vae", *map(shlex.quote, words)])


def _trained(fitted: FittedVAE) -> list[str]:
    modality = fitted.system.modality
    shape = " x ".join(map(str, modality.event)) if len(modality.event) > 1 else f"{modality.event[0]} columns"
    known = f", {len(modality.classes)} classes" if modality.classes else ""
    return [
        _line("data", f"{fitted.data['rows']:,} rows of {shape}{known}; {modality.rows:,} of them to learn from"),
        _line("likelihood", f"{modality.likelihood}: {modality.because}"),
        _line("training", _training(fitted) if fitted.history.validations else "unknown: the model was saved without its history"),
    ]


def _training(fitted: FittedVAE) -> str:
    """How long training took, and what it reached."""
    modality, history = fitted.system.modality, fitted.history
    where = f"{history.machine['device']}, {history.machine['precision']}"
    stages = [[v for v in history.validations if v.stage == number] for number in sorted({v.stage for v in history.validations})]
    epochs = " + ".join(f"{end.epoch:.3g}" for end in history.ends)
    # Training sees standardised values, whose density differs from that of the values themselves by a constant.
    units = " of scaled values" if bool(modality.log_det(modality.example(1)).any()) else ""
    held_out = ", then ".join(_held_out(fitted.system.stages[measured[-1].stage], measured, units) for measured in stages)
    return f"{epochs} epochs in {history.validations[-1].seconds:.3g} s on {where}; of the weights kept, held out: {held_out}"


def _held_out(stage: Stage, measured: Sequence[Validation], units: str) -> str:
    """What the weights that a stage ended with reached on held-out rows: the negative bound where there is one, else what was watched."""
    kept = _kept(stage, measured)
    if "elbo" in kept.held_out:
        return f"negative bound {kept.held_out['elbo']:.4g} nats a row{units}"
    unit = " nats a row" if stage.watch in _NATS else ""
    return f"{stage.watch} {kept.held_out[stage.watch]:.4g}{unit}{units if stage.watch in _OF_VALUES else ''}"


def _kept(stage: Stage, measured: Sequence[Validation]) -> Validation:
    """The measurement at which the weights stood that a stage ended with: the best of what it watches, of equals the later; or the last."""
    finite = [v for v in measured if isfinite(v.held_out[stage.watch])]
    return finite[-1] if stage.keep == "last" else min(reversed(finite), key=lambda v: v.held_out[stage.watch])


def _measured(metrics: Mapping[str, Any]) -> list[str]:
    lines, scored = [], _figures(metrics["likelihood"])
    if scored:
        rows = "these rows" if "trained_on" in metrics["protocol"] else "held-out rows"
        parts = [f"-log p(x) of {rows} {_value(scored['negative log-likelihood'])}"]
        if _ANNEALED in scored:
            parts.append(f"annealed {_value(scored[_ANNEALED])} (at most {_value(scored[_GAP])} too high, by rows drawn from the model)")
        parts += [*_values(scored, ("bits per dimension",)), "bound " + " + ".join(_values(scored, ("distortion", "rate")))]
        lines.append(_line("fit", ", ".join(parts)))
    baseline = metrics["baseline"]
    others = _figures(baseline["reconstruction"]) if baseline else {}
    made = list(_figures(metrics["reconstruction"]).items())[:2]
    compared = (f"{n} {_value(f)}" + (f" ({baseline['recipe']} {_value(others[n])})" if n in others else "") for n, f in made)
    lines.append(_line("reconstruction", ", ".join(compared)))
    if metrics["representation"]:
        probes = list(_figures(metrics["representation"]).items())[:2]
        shown = (f"{n} {_value(f)} (PCA {_value({**f, 'value': f['pca']})}, floor {_value({**f, 'value': f['floor']})})" for n, f in probes)
        lines.append(_line("labels", ", ".join(shown)))
    samples = _figures(metrics["samples"])
    if samples:
        lines.append(_line("samples", ", ".join(_values(samples, list(samples)[:5]))))
    return lines


def _figures(section: Mapping[str, Any]) -> dict[str, Any]:
    return {figure["name"]: figure for figure in section["figures"]}


def _values(figures: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [f"{name} {_value(figures[name])}" for name in names if name in figures]


def _value(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "unknown"
    # A share is plain as a number, and a name may hold its unit already.
    unit = "" if figure["unit"] in ("1", "share") or figure["unit"] in figure["name"].split() else f" {figure['unit']}"
    return f"{figure['value']:.4g}{unit}"


def _line(name: str, text: str) -> str:
    return f"{name:<{_WIDTH}}{text}"
