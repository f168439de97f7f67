"""New data as a trained system reads it: the columns that are x, the condition where the model was told one, the label where it is there.

    columns of the file = x of the model + condition + label;   what is left over is an error, not a guess
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.data import column_names, open_records, stream_records
from vaekit.data.sources.facts import class_names, stack_facts

__all__ = ["Given", "matching", "matching_chunks"]

_ROWS = 65536


@dataclass(frozen=True)
class Given:
    """A condition as a person names it for rows that already stand somewhere: one value, or a mapping from facts to values.

    Arguments:
        values: what is known of the rows.
    """

    values: Any

    def facts(self, names: Sequence[str], rows: int) -> np.ndarray:
        """The values as `(rows, facts)`, in the model's order.

        Raises:
            InputError: where a fact is missing or unknown, or has another number of values.
        """
        named = self.values if isinstance(self.values, Mapping) else {names[0]: self.values} if len(names) == 1 else {}
        if set(named) != set(names):
            wanted, found = ", ".join(names) or "nothing", ", ".join(named) or self.values
            raise InputError(f"condition: the model needs a value for {wanted}, but was given {found}")
        facts = np.empty((rows, len(names)), dtype=object)
        for place, name in enumerate(names):
            values = np.asarray(named[name]).reshape(-1)
            if len(values) not in (1, rows):
                raise InputError(f"condition '{name}' has {len(values)} values for {rows} rows: give one value, or one a row")
            facts[:, place] = values if len(values) == rows else np.repeat(values, rows)
        return facts


@dataclass(frozen=True)
class _Roles:
    """What each part of new data is to the model."""

    columns: tuple[str, ...] | None
    labels: str | None
    condition: Any

    @property
    def by_class(self) -> bool:
        """Whether the condition is the class of each row."""
        return isinstance(self.condition, str) and self.condition == "label"


def matching(facts: Mapping[str, Any], data: Any, condition: Any = None) -> Records:
    """New rows, in memory.

    Arguments:
        facts: what the system remembers of its training data.
        data: anything that can be opened.
        condition: of each row: a column, a path, values, or one value for all; None = found in the data as in training.

    Raises:
        InputError: where the data cannot be read, or a condition is missing.
    """
    roles = _roles(facts, data, condition)
    if isinstance(roles.condition, Given):
        records = open_records(data, roles.labels, None, roles.columns)
        names = tuple(facts["condition_columns"])
        return replace(records, condition=roles.condition.facts(names, records.rows), condition_columns=names)
    if roles.by_class:
        records = open_records(data, roles.labels, None, roles.columns)
        if records.label is None:
            raise _untold(data, ["label"])
        return replace(records, condition=stack_facts([class_names(records.label, records.classes)]), condition_columns=("label",))
    return open_records(data, roles.labels, roles.condition, roles.columns)


def matching_chunks(facts: Mapping[str, Any], data: Any, condition: Any = None, rows: int = _ROWS) -> Iterator[Records]:
    """New rows, a chunk at a time from files that can be read so.

    Arguments:
        facts: what the system remembers of its training data.
        data: anything that can be opened.
        condition: as for `matching`.
        rows: the most rows a chunk has.

    Raises:
        InputError: as `matching`, when the chunk at fault is reached.
    """
    roles = _roles(facts, data, condition)
    names = facts.get("condition_columns") or []
    from_table = isinstance(roles.condition, list) and roles.columns is not None
    if roles.condition is not None and not from_table and not isinstance(roles.condition, Given):
        records = matching(facts, data, condition)
        yield from (records.take(slice(start, start + rows)) for start in range(0, records.rows, rows))
        return
    for chunk in stream_records(data, rows, roles.columns, roles.condition if from_table else ()):
        if isinstance(roles.condition, Given):
            chunk = replace(chunk, condition=roles.condition.facts(names, chunk.rows), condition_columns=tuple(names))
        yield chunk


def _roles(facts: Mapping[str, Any], data: Any, condition: Any) -> _Roles:
    names = column_names(data)
    told: list[str] = list(facts.get("condition_columns") or [])
    labels = facts.get("labels")
    labels = labels if isinstance(labels, str) and labels in names else None
    if condition is None and told:
        asked = facts.get("condition")
        by_name = told == ([asked] if isinstance(asked, str) else asked)
        lacking = [name for name in told if name not in names] if names or not _has_arrays(data) else []
        if asked == "label" and "label" not in names:
            condition = "label"
        elif by_name and not lacking:
            condition = told
        else:
            raise _untold(data, lacking or told)
    elif condition is not None and np.ndim(condition) == 0 and not isinstance(condition, (str, Path)):
        condition = Given(condition)
    if not names:
        return _Roles(None, None, condition)
    listed = condition if isinstance(condition, (list, tuple)) else [condition]
    others = {labels, *told, *facts.get("passed_over", ()), *(name for name in listed if isinstance(name, str))}
    return _Roles(tuple(name for name in names if name not in others), labels, condition)


def _has_arrays(data: Any) -> bool:
    """Whether data is a file whose arrays have names that only opening it tells."""
    return isinstance(data, (str, Path)) and str(data).lower().endswith(".npz")


def _untold(data: Any, lacking: Sequence[str]) -> InputError:
    """What the model must be told of each row, and how."""
    where = str(data) if isinstance(data, (str, Path)) else "data"
    columns = f"column{'s' * (len(lacking) > 1)} {', '.join(map(repr, lacking))}"
    inside = "{" + ", ".join(f"{name!r}: ..." for name in lacking) + "}"
    words = " ".join(f"--condition {shlex.quote(f'{name}=VALUE')}" for name in lacking)
    return InputError(f"{where}: has no {columns}, which the model is told of each row: add it, or give condition={inside} ({words})")
