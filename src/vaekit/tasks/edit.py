r"""Rows with more or less of an attribute: a step along the direction of the latent space that the attribute has.

    z' = z + strength s w,   |w| = 1,   s = deviation of the posterior means along w
    means   w ~ mean of z where the attribute is there - mean of z where it is not              (Larsen et al. 2016, arXiv:1512.09300)
    probe   w ~ the weights of a linear classifier of the attribute, or of a line through a quantity, given z

The means' difference also holds whatever goes along with the attribute in these rows; a probe leaves out what does not help to tell it.
A quantity is there where it lies above its median.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vaekit.core.errors import InputError, nearest
from vaekit.core.system import System
from vaekit.tasks.decode import write
from vaekit.tasks.encode import encode
from vaekit.tasks.walk import Rows, count, layout

__all__ = ["Direction", "direction", "edit"]


@dataclass(frozen=True)
class Direction:
    """Where an attribute lies in the latent space.

    Arguments:
        vector: of length 1, `(latent,)`.
        spread: the deviation of the posterior means along it, in units of the latent.
        attribute: what more of it means, in words.
    """

    vector: np.ndarray
    spread: float
    attribute: str = ""


def direction(system: System, rows: Rows, labels: Any, method: str = "means", towards: Any = None, seed: int = 0) -> Direction:
    """The direction of an attribute from rows that have it and rows that have not.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        labels: the attribute of each row, `(N,)`: two values, of which the larger is more; a quantity; or any values, with `towards`. Rows
            with None or NaN are left out.
        method: `means` or `probe`.
        towards: this value against all others; None = the larger of two, or more of a quantity.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where labels do not fit the rows, or do not vary, or the method or the value is unknown.
    """
    if method not in _METHODS:
        raise InputError(f"method {method!r} is unknown: {nearest(method, _METHODS)}")
    given = np.asarray(labels)
    if given.shape != (count(rows),):
        raise InputError(f"labels have shape {given.shape}, but there are {count(rows)} rows: give one value a row")
    known = np.array([_is_known(value) for value in given.tolist()], dtype=bool)
    wanted, attribute = _wanted(given[known], towards)
    z = encode(system, rows, seed).mean[known].astype(np.float64)
    w = _METHODS[method](z, wanted)
    length = float(np.linalg.norm(w))
    if not length:
        raise InputError(f"labels: rows with more and with less of {attribute} have the same latents, so there is no direction")
    return Direction((w / length).astype(np.float32), float((z @ (w / length)).std()), attribute)


def edit(system: System, rows: Rows, along: Direction, strength: float = 2.0, seed: int = 0) -> np.ndarray:
    """Each row with more of an attribute, `(N, *event)`, in the data's own units: x' = E[x|z'], z' = E_q[z|x] + strength s w.

    Arguments:
        system: fitted.
        rows: stored by the system's modality; where the model has a condition, they keep theirs.
        along: what `direction` found.
        strength: how far, in deviations of the latent means along the direction; below 0 = less of it; 0 = the reconstruction.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where the direction is of another model, or the strength is not finite.
    """
    width = layout(system).width
    if along.vector.shape != (width,):
        raise InputError(f"the direction has shape {along.vector.shape}, but the model's latent has width {width}: find it with this model")
    if not np.isfinite(strength):
        raise InputError(f"strength must be a finite number, not {strength}")
    z = torch.from_numpy(encode(system, rows, seed).mean) + strength * along.spread * torch.from_numpy(along.vector)
    given = rows.get("condition")
    return system.modality.to_raw(write(system, z, None if given is None else given.cpu()))


def _is_known(label: Any) -> bool:
    """Whether a label is there: no None, no NaN, and no NA of a table, which does not say whether it equals itself."""
    same = label is not None and label == label
    return isinstance(same, (bool, np.bool_)) and bool(same)


def _wanted(labels: np.ndarray, towards: Any) -> tuple[np.ndarray, str]:
    """What is to be predicted: booleans, or a quantity; and in words."""
    labels = _numbers_if_all_are(labels)
    found = sorted(set(labels.tolist()))
    if len(found) < 2:
        raise InputError(f"labels have {'one value' if found else 'no value'} in all rows: give rows with and without the attribute")
    if towards is not None:
        here = np.array([_same(value, towards) for value in labels.tolist()])
        if not here.any():
            raise InputError(f"towards={towards!r} is the label of no row: {nearest(str(towards), map(str, found))}")
        return here, str(towards)
    if len(found) == 2:
        return np.array([value == found[1] for value in labels.tolist()]), str(found[1])
    if labels.dtype.kind not in "iuf":
        raise InputError(f"labels have {len(found)} values: say which of them is more with towards, such as towards={found[0]!r}")
    return labels.astype(np.float64), "a larger value"


def _same(value: Any, towards: Any) -> bool:
    """Whether a label is the one that was named, as a value or as its text: 3 is `3` and 3.0."""
    if isinstance(value, float) and isinstance(towards, str):
        return str(value).removesuffix(".0") == towards.removesuffix(".0")
    return bool(value == towards) or str(value) == str(towards)


def _numbers_if_all_are(labels: np.ndarray) -> np.ndarray:
    """Labels of mixed types as numbers where each of them is one, else as text."""
    if labels.dtype.kind in "biuf":
        return labels
    try:
        return labels.astype(np.float64) if labels.dtype.kind == "O" else labels.astype(str)
    except (TypeError, ValueError):
        return labels.astype(str)


def _of_means(z: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    there = wanted if wanted.dtype == bool else wanted > np.median(wanted)
    # Of a quantity whose largest value is its median, that value is what is there.
    there = there if there.any() else wanted == wanted.max()
    return z[there].mean(0) - z[~there].mean(0)


def _of_probe(z: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression, Ridge
    from threadpoolctl import threadpool_limits

    # On latents as they are, under a penalty: a coordinate that hardly moves would else be given a weight beyond measure.
    probe = LogisticRegression(max_iter=500) if wanted.dtype == bool else Ridge(1.0)
    with threadpool_limits(1):
        return probe.fit(z, wanted).coef_.reshape(-1)


_METHODS = {"means": _of_means, "probe": _of_probe}
