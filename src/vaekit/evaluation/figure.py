"""A measured number with all that is needed to read it: its unit, which way is better, how and on how many rows it was measured."""

from math import isfinite
from typing import Any

__all__ = ["Figure", "figure", "finite"]

Figure = dict[str, Any]


def finite(value: float) -> float | None:
    """A number as JSON can hold it: None where it is not finite."""
    return float(value) if isfinite(value) else None


def figure(name: str, value: float, unit: str, better: str, protocol: str, n: int, seed: int, **beside: float) -> Figure:
    """One figure, as JSON.

    Arguments:
        name: what is measured, unique in its section.
        value: None where it is not finite.
        unit: `nats`, `bits`, `dB`, `share`, `1` ...
        better: `lower`, `higher`, `one` = the nearer to 1, or `none`.
        protocol: how it was measured, in words.
        n: rows it was measured on.
        seed: of all that is random in it.
        beside: other numbers of the same unit to read it by, such as `floor`, `ceiling` or `standard_error`.
    """
    if better not in ("lower", "higher", "one", "none"):
        raise ValueError(f"better must be lower, higher, one or none, not {better!r}")
    facts = {"name": name, "value": finite(value), "unit": unit, "better": better, "protocol": protocol, "n": n, "seed": seed}
    return {**facts, **{key: finite(number) for key, number in beside.items()}}
