"""Where a system's data came from: what it remembers of it, and opening it again.

A model that is loaded on another day is measured on the rows that were held out when it was trained: the same source, the same split, and a
fingerprint that says so.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vaekit.core.errors import InputError
from vaekit.core.modality import Modality
from vaekit.core.records import Records
from vaekit.data import column_names, open_records
from vaekit.faces.preparing import Parts, divide, fingerprint

__all__ = ["held_out", "remembered", "reopened"]


def held_out(modality: Modality, facts: Mapping[str, Any], at_hand: Mapping[str, Mapping[str, Tensor]] | None) -> Parts:
    """The parts of the data that a system was trained on, opened again where they are not at hand.

    Arguments:
        modality: the system's.
        facts: what it remembers of its data.
        at_hand: stored tensors by part; None = they must be opened.

    Raises:
        InputError: where the data cannot be opened again, or has changed.
    """
    if at_hand is not None:
        return Parts(**at_hand, facts=dict(facts))
    records = reopened(facts)
    return Parts.stored(modality, divide(records, facts["validation"], facts["test"], facts["seed"]), dict(facts))


def remembered(data: Any, records: Records, labels: Any, condition: Any, validation: float, test: float, seed: int) -> dict[str, Any]:
    """What a system remembers of its data, as JSON.

    Arguments:
        data: as a person gave it.
        records: what was opened.
        labels: as a person gave them.
        condition: as a person gave it.
        validation: fraction of the rows.
        test: fraction of the rows.
        seed: of the split.
    """
    return {
        "source": _source(data), "rows": records.rows, "fingerprint": fingerprint(records), "validation": validation, "test": test,
        "seed": seed, "labels": _nameable(labels), "label_column": _column(data, labels),
        "condition": _nameable(condition), "columns": list(records.columns),
        "condition_columns": list(records.condition_columns), "format": records.format,
        "dtypes": list(records.dtypes),
    }


def reopened(facts: Mapping[str, Any], data: Any = None, labels: Any = None, condition: Any = None) -> Records:
    """The data that is remembered, whole.

    Arguments:
        facts: what is remembered.
        data: where it is now; None = where it was.
        labels: where they are now; None = where they were.
        condition: where it is now; None = where it was.

    Raises:
        InputError: where the data was in memory and is gone, or is not the same.
    """
    if data is None and facts.get("source") is None:
        raise InputError("the model was trained on values in memory, which are gone: give the data")
    given = (facts["source"], data), (facts["labels"], labels), (facts["condition"], condition)
    records = open_records(*(before if now is None else now for before, now in given))
    if fingerprint(records) != facts["fingerprint"]:
        raise InputError(
            f"{records.source}: is not the data of this run (its values, labels or condition differ): give what it was trained on"
        )
    return records


def _column(data: Any, labels: Any) -> str | None:
    """The labels' name in the data; None where they are a file or values, or came unasked."""
    if not isinstance(labels, str):
        return None
    # Arrays of an .npz have names that only opening it tells: what could be opened as labels and is no file is one of them.
    return labels if labels in column_names(data) or not Path(labels).expanduser().is_file() else None


def _source(data: Any) -> str | None:
    """Where the data can be opened again; None for values in memory."""
    if isinstance(data, Path):
        return str(data)
    return data if isinstance(data, str) else None


def _nameable(given: Any) -> Any:
    """A label or condition as it can be asked for again: a name or names; None for values in memory."""
    if isinstance(given, Path):
        return str(given)
    if isinstance(given, (list, tuple)) and all(isinstance(name, str) for name in given):
        return list(given)
    return given if isinstance(given, str) else None
