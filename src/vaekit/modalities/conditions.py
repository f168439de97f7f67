r"""What is known of a row beside its values, as numbers a network can take.

    a number   (v - m) / s        a class   one-hot
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.core.errors import InputError, nearest
from vaekit.core.records import Records
from vaekit.modalities.affine import FARTHEST, LARGEST

__all__ = ["Conditions", "check_conditions"]

# What facts are called that came without names.
_UNNAMED = re.compile(r"condition([ _]\d+)?")


@dataclass(frozen=True)
class _Fact:
    """One column of a condition: numeric with `location` and `scale`, or classes with `names`."""

    name: str
    names: tuple[str, ...] = ()
    location: float = 0.0
    scale: float = 1.0

    @property
    def width(self) -> int:
        return len(self.names) or 1


class Conditions:
    """Columns of known facts, fitted to training rows."""

    def __init__(self) -> None:
        self.facts: tuple[_Fact, ...] = ()

    @property
    def width(self) -> int:
        """How many numbers a condition has; 0 = none."""
        return sum(fact.width for fact in self.facts)

    def fit(self, values: np.ndarray | None, names: Sequence[str]) -> "Conditions":
        """Learn each column's classes, or its mean and deviation.

        Arguments:
            values: `(N, facts)`, numbers or text; None = no condition.
            names: of the columns.

        Raises:
            InputError: where a column has only one value.
        """
        if values is not None:
            self.facts = tuple(_fitted(name, column) for name, column in zip(_named(values, names), values.T))
        return self

    def encode(self, given: Any, rows: int) -> Tensor | None:
        """A condition as `(rows, width)`.

        Arguments:
            given: an array `(rows, facts)`; one value, or a value a row, of a single fact; or a mapping from names to either, as which a
                frame is taken.
            rows: how many rows are wanted.

        Raises:
            InputError: where the condition is missing, unknown, or of another length.
        """
        if not self.facts:
            if given is not None:
                raise InputError("the model has no condition: train it with condition= to steer it")
            return None
        if given is None:
            known = " and ".join(f.name + (f" (one of {', '.join(f.names[:10])})" if f.names else " (a number)") for f in self.facts)
            raise InputError(f"the model needs a condition: give condition {known}")
        columns = self._columns(given, rows)
        return torch.cat([_encoded(fact, column) for fact, column in zip(self.facts, columns)], dim=1)

    def of_records(self, records: Records) -> Tensor | None:
        """The conditions of records as `(N, width)`: by name where both sides have names, else by place.

        Raises:
            InputError: as `encode`; or where there are several facts, and those of the records have other names.
        """
        wanted, found = [f.name for f in self.facts], records.condition_columns
        given = records.condition
        if given is not None and len(wanted) == len(found) > 1 and not any(map(_UNNAMED.fullmatch, (*wanted, *found))):
            if set(found) != set(wanted):
                raise InputError(
                    f"{records.source}: condition has the columns {', '.join(found)}; the model was trained with {', '.join(wanted)}"
                )
            given = given[:, [found.index(name) for name in wanted]]
        return self.encode(given, records.rows)

    def _columns(self, given: Any, rows: int) -> list[np.ndarray]:
        framed = getattr(given, "columns", None)
        if len(self.facts) > 1 and framed is not None:
            given = {str(name): given[name] for name in framed}
        if isinstance(given, Mapping):
            names = [f.name for f in self.facts]
            for name in given:
                if name not in names:
                    raise InputError(f"condition: {name!r} is unknown: {nearest(str(name), names)}")
            for name in names:
                if name not in given:
                    raise InputError(f"condition: {name!r} is missing: give it beside {', '.join(map(str, given))}")
            values = [given[name] for name in names]
        else:
            array = np.asarray(given)
            if array.ndim == 2:
                if array.shape[1] != len(self.facts):
                    wanted = ", ".join(f.name for f in self.facts)
                    raise InputError(f"condition has {array.shape[1]} columns; the model was trained with {len(self.facts)}: {wanted}")
                values = list(array.T)
            elif len(self.facts) == 1:
                values = [array]
            else:
                values = list(array.reshape(-1)) if array.size == len(self.facts) else [array]
                if len(values) != len(self.facts):
                    raise InputError(f"condition: give {len(self.facts)} values: {', '.join(f.name for f in self.facts)}")
        return [_repeated(np.asarray(v).reshape(-1), rows) for v in values]

    @property
    def state(self) -> list[dict[str, Any]]:
        """What was fitted, as JSON."""
        return [{"name": f.name, "names": list(f.names), "location": f.location, "scale": f.scale} for f in self.facts]

    @state.setter
    def state(self, state: Sequence[Mapping[str, Any]]) -> None:
        self.facts = tuple(_Fact(f["name"], tuple(f["names"]), f["location"], f["scale"]) for f in state)


def _repeated(values: np.ndarray, rows: int) -> np.ndarray:
    if len(values) == 1:
        return np.repeat(values, rows)
    if len(values) != rows:
        raise InputError(f"condition has {len(values)} rows, but {rows} are wanted: give one value, or one a row")
    return values


def _as_text(value: Any) -> str:
    """One spelling of a class whatever type it came in: 3, 3.0 and '3' are the same."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _spelled(text: str, known: Mapping[str, int]) -> str:
    """A class as training spelled it: a file without types says `1.0` or `true` where one with types says 1."""
    if text in known:
        return text
    try:
        plain = _as_text(float({"true": "1", "false": "0"}.get(text.lower(), text)))
    except ValueError:
        return text
    return plain if plain in known else text


def _fitted(name: str, column: np.ndarray) -> _Fact:
    numbers = _measured(column)
    if numbers is None or _counted(numbers):
        names = sorted({_as_text(v) for v in column}, key=lambda n: (len(n), n) if n.lstrip("-").isdigit() else (99, n))
        if len(names) < 2:
            raise InputError(f"condition '{name}' has only one value ({names[0]}): it cannot steer anything; leave it out")
        return _Fact(name, tuple(names))
    deviation = float(numbers.std())
    if not deviation > 0:
        raise InputError(f"condition '{name}' has only one value ({numbers[0]:g}): it cannot steer anything; leave it out")
    return _Fact(name, location=float(numbers.mean()), scale=deviation)


def _counted(numbers: np.ndarray) -> bool:
    """Whether numbers are the names of classes: whole, of few kinds, and each kind of several rows."""
    kinds = len(np.unique(numbers))
    return kinds <= min(50, len(numbers) // 5) and bool((numbers == np.rint(numbers)).all())


def check_conditions(records: Records) -> None:
    """Refuse conditions whose numbers are not finite, or too large to be squared.

    Raises:
        InputError: where there is one; names its column and row.
    """
    if records.condition is None:
        return
    for name, column in zip(_named(records.condition, records.condition_columns), records.condition.T):
        numbers = _measured(column)
        if numbers is None:
            gone = np.array([v is None or v != v for v in column])
            if gone.any():
                where = f"{records.source}: condition '{name}', row {records.number(int(gone.argmax()))}"
                raise InputError(f"{where}: is empty; fill or drop that row")
            continue
        for bad, words in ((~np.isfinite(numbers), "not a finite number; fill"), (np.abs(numbers) > LARGEST, "too large; rescale it")):
            if bad.any():
                raise InputError(f"{records.source}: condition '{name}', row {records.number(int(bad.argmax()))}: {words} or drop that row")


def _named(values: np.ndarray, names: Sequence[str]) -> list[str]:
    return list(names) or [f"condition {i + 1}" for i in range(values.shape[1])]


def _measured(column: np.ndarray) -> np.ndarray | None:
    """A column's numbers; None where it holds words: classes named by digits are words, '7' is not more than '1'."""
    words = column.dtype.kind not in "buif" and any(isinstance(v, str) for v in column)
    return None if words else _numbers(column)


def _numbers(column: np.ndarray) -> np.ndarray | None:
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return None


def _encoded(fact: _Fact, column: np.ndarray) -> Tensor:
    if fact.names:
        place = {name: i for i, name in enumerate(fact.names)}
        texts = [_spelled(_as_text(v), place) for v in column]
        unknown = next((t for t in texts if t not in place), None)
        if unknown is not None:
            near = nearest(unknown, fact.names).rstrip(".")
            raise InputError(
                f"condition '{fact.name}': {unknown!r} was not in the training rows: {near}; where few rows have it, drop them, or merge "
                "it with another value"
            )
        return torch.nn.functional.one_hot(torch.tensor([place[t] for t in texts]), len(fact.names)).float()
    numbers = _numbers(column)
    if numbers is None:
        raise InputError(f"condition '{fact.name}' is a number in the training rows, not {column[0]!r}")
    if not np.isfinite(numbers).all():
        first = int((~np.isfinite(numbers)).argmax())
        raise InputError(f"condition '{fact.name}': value {first + 1} is {numbers[first]}: give a finite number")
    scaled = (numbers - fact.location) / fact.scale
    far = np.abs(scaled) > FARTHEST
    if far.any():
        first = int(far.argmax())
        raise InputError(
            f"condition '{fact.name}': value {first + 1} ({numbers[first]:g}) is more than {FARTHEST:g} deviations from the training rows' "
            "mean: give a nearer one, or rescale it and train again"
        )
    return torch.from_numpy(scaled).float().unsqueeze(1)
