"""What an argument may be: said once, where it is declared, and read from there before any work is done.

    latent: Count = 16          corruption: Annotated[float, Range(0, 1, "()")] = 0.25
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from torch import nn

from vaekit.core.errors import InputError

__all__ = ["Count", "Fraction", "Limit", "NonNegative", "Part", "Positive", "Range", "Rest", "Several", "Share", "conform"]


class Limit(ABC):
    """What a declaration says beyond a type, as the second part of `Annotated`."""

    @abstractmethod
    def holds(self, value: Any) -> bool:
        """Whether a value of the type is allowed."""

    @abstractmethod
    def words(self, kind: str) -> str:
        """What is allowed, in words that go on from the type's."""


@dataclass(frozen=True)
class Range(Limit):
    """Numbers from `low` to `high`.

    Arguments:
        low: the lower end.
        high: the upper end.
        ends: a square bracket where an end is allowed, a round one where it is not.
    """

    low: float = -inf
    high: float = inf
    ends: str = "[]"

    def holds(self, value: Any) -> bool:
        """Whether a number lies within."""
        above = value > self.low or (value == self.low and self.ends[0] == "[")
        return above and (value < self.high or (value == self.high and self.ends[1] == "]"))

    def words(self, kind: str) -> str:
        """The range after its kind of number."""
        if self.high == inf:
            return f"{kind} of {self.low:g} or more" if self.ends[0] == "[" else f"{kind} above {self.low:g}"
        closed = self.ends[1] == "]"
        if self.ends[0] == "[":
            return f"{kind} from {self.low:g} to {'' if closed else 'below '}{self.high:.15g}"
        return f"{kind} above {self.low:g} and {'at most' if closed else 'below'} {self.high:.15g}"


Count: TypeAlias = Annotated[int, Range(1)]
Several: TypeAlias = Annotated[int, Range(2)]
NonNegative: TypeAlias = Annotated[float, Range(0)]
Positive: TypeAlias = Annotated[float, Range(0, ends="(]")]
Share: TypeAlias = Annotated[float, Range(0, 1)]
Rest: TypeAlias = Annotated[float, Range(0, 1, "[)")]
Part: TypeAlias = Annotated[float, Range(0, 1, "()")]
Fraction: TypeAlias = Annotated[float, Range(0, 1, "(]")]

_WORDS: dict[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a word", Mapping: "a mapping", NoneType: "nothing",
    nn.Module: "a network (a torch.nn.Module, which is handed in from Python)",
}


def conform(name: str, value: Any, declared: Any) -> None:
    """See that a value is what its argument is declared to be; what is declared loosely is left to whom it is for.

    Arguments:
        name: of the argument, for the message.
        value: as a person gave it.
        declared: a type, a union, `Literal`, `tuple[T, ...]` (one T will do), or `Annotated[T, limit]`.

    Raises:
        InputError: where it is not; says what is allowed.
    """
    try:
        fits = _fits(value, declared)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    if not fits:
        finite = "finite and " if isinstance(value, float) and not isfinite(value) else ""
        raise InputError(f"{name} must be {finite}{_words(declared)}, not {value!r}")


def _fits(value: Any, declared: Any) -> bool:
    origin, parts = get_origin(declared) or declared, get_args(declared)
    if origin is Annotated:
        return _fits(value, parts[0]) and all(limit.holds(value) for limit in parts[1:] if isinstance(limit, Limit))
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin is tuple:
        several = isinstance(value, (list, tuple))
        return all(_fits(one, parts[0]) for one in value) and bool(value) if several else _fits(value, parts[0])
    if origin is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin) if origin in _WORDS else True


def _words(declared: Any) -> str:
    origin, parts = get_origin(declared) or declared, get_args(declared)
    if origin is Annotated:
        limits = [limit for limit in parts[1:] if isinstance(limit, Limit)]
        return limits[0].words(_words(parts[0])) if limits else _words(parts[0])
    if origin in (Union, UnionType):
        # That something may be left out helps nobody who gave it.
        return " or ".join(_words(part) for part in parts if part is not NoneType)
    if origin is Literal:
        # An empty word stands for leaving the argument out.
        *others, last = [repr(part) for part in parts if part != ""]
        return f"{', '.join(others)} or {last}" if others else last
    if origin is tuple:
        return f"{_words(parts[0])}, or several such as 256,128"
    return _WORDS.get(origin, "a schedule")
