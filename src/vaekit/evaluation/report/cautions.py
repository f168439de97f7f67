"""What a person should mind before the model is used: each caution a sentence with the figures it rests on.

The verdict speaks of the latent alone; a healthy latent does not make samples good, a training finished, or eighteen rows many.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from vaekit.evaluation.memorisation import ALARM

__all__ = ["cautions"]

# Judgements, not measurements: where a reader would want to be told.
_TOLD_APART, _FEW, _BEHIND, _STILL, _RISEN = 0.9, 100, 0.05, 0.1, 0.1
# Nats a row that are lost in the noise of a few thousand rows.
_NOTHING = 0.05
# Bits and small counts may agree by chance.
_SEEN = 0.1


def cautions(metrics: Mapping[str, Any], history: Mapping[str, Any]) -> list[str]:
    """Sentences, the gravest first; empty where there is nothing to mind.

    Arguments:
        metrics: what `evaluate` measured.
        history: what training measured, as JSON.
    """
    found = [
        _seen(metrics), _repeated(metrics), _samples(metrics), _training(history.get("validations") or []), _labels(metrics),
        _rows(metrics), _labelled(metrics),
    ]
    return [sentence for sentence in found if sentence]


def _value(section: Mapping[str, Any] | None, start: str, key: str = "value") -> float | None:
    """The first figure of a section whose name begins so."""
    figures = (section or {}).get("figures") or []
    return next((figure.get(key) for figure in figures if figure["name"].startswith(start)), None)


def _seen(metrics: Mapping[str, Any]) -> str:
    share = metrics["protocol"].get("trained_on") or 0.0
    return f"{share:.0%} of these rows are rows that the model was trained on, which every figure is better for." if share > _SEEN else ""


def _repeated(metrics: Mapping[str, Any]) -> str:
    share, p, expected = (_value(metrics["samples"], "repeated", key) for key in ("value", "p_value", "expected"))
    if share is None or p is None or p >= ALARM:
        return ""
    return (
        f"{share:.0%} of the drawn rows lie as close to one training row as {expected:.0%} of held-out rows do (p = {p:.1g}): the model "
        "may give training rows back, so do not take its rows for new ones, least of all where the data is private."
    )


def _samples(metrics: Mapping[str, Any]) -> str:
    told, real = (_value(metrics["samples"], "two-sample", key) for key in ("value", "ceiling"))
    if told is None or told < _TOLD_APART:
        return ""
    beside = "" if real is None else f"; real rows against real rows reach {real:.2f}"
    return f"A classifier tells drawn rows from real ones (AUC {told:.2f}{beside}): do not use them in place of real rows."


def _training(seen: Sequence[Mapping[str, Any]]) -> str:
    last = [v["held_out"].get("elbo", v["held_out"].get("loss")) for v in seen if v["stage"] == seen[-1]["stage"]]
    losses = [loss for loss in last if loss is not None]
    if len(losses) < 8:
        return ""
    # The first steps fall so far that nothing after them would count: what counts is the fall since the first quarter.
    quarter = len(losses) // 4
    fallen, lowest = losses[quarter] - min(losses), min(losses)
    if fallen <= 0:
        return ""
    if losses[-1] - lowest > max(_RISEN * fallen, _NOTHING):
        return (
            "The held-out loss rose again before training ended, and the weights of its lowest point were kept: a smaller network may do "
            "better, and patience=5 stops sooner."
        )
    if losses[-quarter - 1] - losses[-1] > _STILL * fallen:
        return "The held-out loss was still falling when training ended: more epochs should help."
    return ""


def _labels(metrics: Mapping[str, Any]) -> str:
    own, pca = (_value(metrics["representation"], "linear probe", key) for key in ("value", "pca"))
    if own is None or pca is None or own > pca - _BEHIND or metrics["protocol"].get("condition_width"):
        return ""
    return f"The latent tells less of the labels than PCA of the same width does ({own:.2f} against {pca:.2f})."


def _rows(metrics: Mapping[str, Any]) -> str:
    rows = metrics["protocol"]["measured_rows"]
    return f"Only {rows} rows were measured on, so every figure is rough." if rows < _FEW else ""


def _labelled(metrics: Mapping[str, Any]) -> str:
    known = _value(metrics.get("labels"), "accuracy", "n")
    if known is None or known >= _FEW or known == metrics["protocol"]["measured_rows"]:
        return ""
    return f"Only {known} of the rows have a label, so that what is said of labels is rough."
