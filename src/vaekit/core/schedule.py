r"""Weights that change while a stage runs: functions of `progress`, the fraction of the stage that is done, in [0, 1].

    linear    w(p) = a + (b - a) min(p / u, 1)
    cosine    w(p) = a + (b - a) (1 - cos(pi min(p / u, 1))) / 2
    cyclic    w(p) = a + (b - a) min(frac(n p) / u, 1)          (Fu et al. 2019, arXiv:1903.10145)

`progress` is a tensor, not a step counter: a Python number would make `torch.compile` start over at every step.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeAlias, get_type_hints

import torch
from torch import Tensor, nn

from vaekit.core.declared import Count, Fraction, Limit, Range, conform
from vaekit.core.errors import InputError, nearest

__all__ = ["Constant", "Cosine", "Cyclic", "Ends", "Linear", "NonNegativeWeight", "Schedule", "Scheduled", "Weight", "as_json",
           "ends", "schedule"]


class Schedule(Protocol):
    """A weight as a function of progress."""

    def __call__(self, progress: Tensor) -> Tensor:
        """The weight, shape ()."""


class _Checked:
    """A schedule that is seen to give a finite number everywhere."""

    def __post_init__(self) -> None:
        for argument, declared in get_type_hints(type(self), include_extras=True).items():
            conform(f"schedule {type(self).__name__.lower()!r}: {argument}", getattr(self, argument), declared)


@dataclass(frozen=True)
class Constant(_Checked):
    """The same weight throughout."""

    value: float = 1.0

    def __call__(self, progress: Tensor) -> Tensor:
        """The weight, shape ()."""
        # Not a constant to a compiler: a loss times a known one would be folded into its own detached reading, and lose its gradient.
        return progress * 0 + self.value


@dataclass(frozen=True)
class Linear(_Checked):
    """A straight line from `start` to `stop`, reached at progress `until`."""

    start: float = 0.0
    stop: float = 1.0
    until: Fraction = 0.1

    def __call__(self, progress: Tensor) -> Tensor:
        """The weight, shape ()."""
        return self.start + (self.stop - self.start) * (progress / self.until).clamp(max=1)


@dataclass(frozen=True)
class Cosine(Linear):
    """Half a cosine from `start` to `stop`, reached at progress `until`, in place of the straight line."""

    def __call__(self, progress: Tensor) -> Tensor:
        """The weight, shape ()."""
        return self.start + (self.stop - self.start) * (1 - torch.cos(math.pi * (progress / self.until).clamp(max=1))) / 2


@dataclass(frozen=True)
class Cyclic(_Checked):
    """`cycles` ramps from `start` to `stop`, each rising for the fraction `until` of its cycle, then staying."""

    start: float = 0.0
    stop: float = 1.0
    cycles: Count = 4
    until: Fraction = 0.5

    def __call__(self, progress: Tensor) -> Tensor:
        """The weight, shape ()."""
        # The last instant belongs to the last cycle's end, not to a new one's start.
        within = torch.where(progress >= 1, torch.ones_like(progress), (progress * self.cycles).frac())
        return self.start + (self.stop - self.start) * (within / self.until).clamp(max=1)


Weight: TypeAlias = float | Schedule | Mapping[str, object]


@dataclass(frozen=True)
class Ends(Limit):
    """A number, or a schedule that begins and ends, within a range."""

    range: Range

    def holds(self, value: Any) -> bool:
        """Whether both ends lie within; a schedule that is none is refused by its own words."""
        if not isinstance(value, Mapping) and (isinstance(value, (bool, str)) or not callable(value)):
            return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and self.range.holds(value)
        return all(self.range.holds(end) for end in ends(value))

    def words(self, kind: str) -> str:
        """The range, and the names of the schedules."""
        return f"{self.range.words('a number')} or a schedule ({', '.join(_NAMED)}) within that"


NonNegativeWeight: TypeAlias = Annotated[Weight, Ends(Range(0))]


class Scheduled(nn.Module):
    """A module that is told how far its stage is: a term, or a part of a model whose temperature falls."""

    progress: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("progress", torch.zeros(()), persistent=False)

    def advance(self, progress: float) -> None:
        """Say which fraction of the stage is done, in [0, 1]."""
        self.progress.fill_(progress)


_NAMED = {"constant": Constant, "linear": Linear, "cosine": Cosine, "cyclic": Cyclic}


def schedule(weight: Weight) -> Schedule:
    """A schedule from a number, a schedule, or its JSON form `{"recipe": "linear", "arguments": {"until": 0.2}}`.

    Raises:
        InputError: where the name or its arguments are unknown or out of range, or the number is not finite.
    """
    if isinstance(weight, Mapping):
        return _named(weight)
    if isinstance(weight, (int, float)) and math.isfinite(weight):
        return Constant(float(weight))
    if callable(weight):
        return weight
    raise InputError(f"a weight must be a finite number or a schedule ({', '.join(_NAMED)}), not {weight!r}")


def ends(weight: Weight) -> tuple[float, float]:
    """What a weight is when a stage begins and when it ends; raises what `schedule` raises."""
    made = schedule(weight)
    return float(made(torch.zeros(()))), float(made(torch.ones(())))


def _named(form: Mapping[str, Any]) -> Schedule:
    """A schedule from its JSON form, whose every part is checked by name."""
    for part in form:
        if part not in ("recipe", "arguments"):
            raise InputError(f"a schedule has no part {part!r}: {nearest(part, ('recipe', 'arguments'))}")
    if "recipe" not in form:
        raise InputError(f"a schedule needs its name as 'recipe', one of {', '.join(_NAMED)}, but was given {dict(form)!r}")
    name, arguments = form["recipe"], form.get("arguments") or {}
    conform("recipe, the name of a schedule,", name, str)
    if name not in _NAMED:
        raise InputError(f"schedule {name!r} is unknown: {nearest(name, _NAMED)}")
    conform(f"schedule {name!r}: arguments", arguments, Mapping)
    taken = get_type_hints(_NAMED[name])
    for argument in arguments:
        if argument not in taken:
            raise InputError(f"schedule {name!r} takes no {argument!r}: {nearest(argument, taken)}")
    return _NAMED[name](**arguments)


def as_json(value: Any) -> Any:
    """A schedule of this file in its JSON form, which `schedule` reads; any other value as it is."""
    name = type(value).__name__.lower()
    return {"recipe": name, "arguments": vars(value).copy()} if _NAMED.get(name) is type(value) else value
