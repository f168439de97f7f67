"""What is known about each row besides x: its class, and the facts it is conditioned on.

    label: any values -> index in 0 .. classes - 1, or -1 where unknown;      condition: any columns -> (N, facts), numbers or text
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vaekit.core.errors import InputError

__all__ = ["class_names", "encode_labels", "has_fractions", "stack_facts"]


def encode_labels(values: np.ndarray, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes as indices `(N,)` int64 with their names, in numerical or else alphabetical order.

    An empty text, None, NaN or -1 means unlabelled and becomes -1.

    Arguments:
        values: one value a row: whole numbers, truth values or text.
        source: where they come from, for messages.

    Raises:
        InputError: where there is not one value a row, a number has a fraction, or -1 may be meant as a class.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InputError(f"{source}: labels have shape {values.shape}; give one class a row (for one-hot labels, labels.argmax(1))")
    if values.dtype.kind in "OUS":
        return _encode_text(values, source)
    if values.dtype.kind == "b":
        return values.astype(np.int64), ("False", "True")
    if values.dtype.kind not in "iuf":
        raise InputError(f"{source}: labels of type {values.dtype} are no classes; give whole numbers or text")
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    known = values[~missing]
    fractions = known[known != np.rint(known)]
    if len(fractions) or not np.isfinite(known).all():
        odd = fractions[0] if len(fractions) else "infinity"
        raise InputError(f"{source}: label {odd} is not a class; give whole numbers or text, or use the values as condition")
    return _encode_numbers(np.where(missing, -1, values).astype(np.int64), missing, source)


def has_fractions(values: np.ndarray) -> bool:
    """Whether values are a quantity, and no classes: numbers of which some are not whole.

    Arguments:
        values: of any shape and type; what is not finite is passed over.
    """
    return values.dtype.kind == "f" and bool(np.mod(values[np.isfinite(values)], 1).any())


def class_names(label: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The class of each row by name, None where unlabelled, as an object array."""
    return np.array([*classes, None], dtype=object)[label]


def stack_facts(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Columns `(N,)` side by side: float64 where all are numbers, else objects (a float, a text or None each)."""
    if all(column.dtype.kind in "biuf" for column in columns):
        return np.stack([column.astype(np.float64) for column in columns], axis=1)
    facts = np.empty((len(columns[0]), len(columns)), object)
    for position, column in enumerate(columns):
        facts[:, position] = column.astype(np.float64) if column.dtype.kind in "biuf" else column
    return facts


def _encode_text(values: np.ndarray, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    texts = np.array(["" if _is_blank(value) else str(value).strip() for value in values.tolist()])
    missing = texts == ""
    distinct, index = np.unique(texts, return_inverse=True)
    # `01` and `1` are two names; only where each number has one spelling are they numbers.
    if all(text == "" or (text.removeprefix("-").isdecimal() and str(int(text)) == text) for text in distinct):
        numbers = [-1 if text == "" else int(text) for text in distinct]
        # Python's own integers have room for names of twenty digits.
        kind = np.int64 if max(map(abs, numbers)) < 1 << 63 else object
        return _encode_numbers(np.array(numbers, kind)[index], missing, source)
    return _indexed(texts, np.unique(texts[~missing]), missing)


def _encode_numbers(values: np.ndarray, missing: np.ndarray, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    classes = np.unique(values[~missing])
    if -1 in classes and len(classes) == 2:
        other = classes[classes != -1][0]
        raise InputError(f"{source}: labels are only -1 and {other}, and -1 means unlabelled here; write two classes as 0 and 1")
    return _indexed(values, classes[classes != -1], missing | (values == -1))


def _indexed(values: np.ndarray, classes: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    return np.where(missing, -1, np.searchsorted(classes, values)).astype(np.int64), tuple(map(str, classes))


def _is_blank(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip())
