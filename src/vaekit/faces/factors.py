"""What is known of rows beside their values, as a person has it: the factors that made them, or an attribute of each.

    factors (N, factors): a file, an array or a frame          labels (N,): a column of the data, a file, or values
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from vaekit.core.errors import InputError
from vaekit.core.modality import Modality
from vaekit.data import column_names, open_column, open_facts
from vaekit.data.sources.facts import class_names, has_fractions
from vaekit.faces.matching import matching

__all__ = ["Factored", "factored", "labelled_by", "with_labels"]


@dataclass(frozen=True)
class Factored:
    """Rows beside their factors.

    Arguments:
        rows: stored tensors.
        factors: `(N, factors)`.
        names: of the factors.
    """

    rows: Mapping[str, Tensor]
    factors: np.ndarray
    names: tuple[str, ...]


def factored(modality: Modality, facts: Mapping[str, Any], data: Any, factors: Any, condition: Any = None) -> Factored:
    """Rows and the factors that made them.

    Arguments:
        modality: of the system.
        facts: what the system remembers of its training data.
        data: anything that can be opened.
        factors: of the same rows: a csv, parquet or npy file, an array `(N, factors)`, or a frame.
        condition: as for `matching`.

    Raises:
        InputError: where the data or the factors cannot be read, or are not of the same rows.
    """
    records = matching(facts, data, condition)
    names, values = open_facts(factors, records.rows, "factors", records.source)
    return Factored(modality.store(records), values, names)


def labelled_by(facts: Mapping[str, Any], data: Any, labels: Any) -> Mapping[str, Any]:
    """What a system remembers of its training data, with another column of the data as the labels, where `labels` names one."""
    if not _is_column(data, labels):
        return facts
    return {**facts, "labels": labels, "passed_over": _label_column(facts)}


def _is_column(data: Any, labels: Any) -> bool:
    return isinstance(labels, str) and labels in column_names(data)


def _label_column(facts: Mapping[str, Any]) -> list[str]:
    """The column that was the label in training, where one was."""
    return [name for name in (facts.get("labels"),) if isinstance(name, str)]


def with_labels(
    modality: Modality, facts: Mapping[str, Any], data: Any, labels: Any = None, condition: Any = None
) -> tuple[dict[str, Tensor], np.ndarray]:
    """Rows and one label of each, None or NaN where it is not known.

    Arguments:
        modality: of the system.
        facts: what the system remembers of its training data.
        data: anything that can be opened.
        labels: a column of the data, a file with one value a row, or values; None = the labels that come with the data.
        condition: as for `matching`.

    Raises:
        InputError: where the data or the labels cannot be read, or there are none.
    """
    column = _is_column(data, labels)
    if column and has_fractions(quantity := open_column(data, labels)):
        beside = {**facts, "labels": None, "passed_over": [labels, *_label_column(facts)]}
        return modality.store(matching(beside, data, condition)), quantity
    records = matching(labelled_by(facts, data, labels), data, condition)
    if labels is not None and not column:
        names, values = open_facts(labels, records.rows, "labels", records.source)
        if len(names) != 1:
            raise InputError(f"labels: has {len(names)} columns; give one value a row")
        return modality.store(records), values[:, 0]
    if records.label is None:
        raise InputError(f"{records.source}: comes without labels: give a column, a file with one value a row, or values")
    return modality.store(records), class_names(records.label, records.classes)
