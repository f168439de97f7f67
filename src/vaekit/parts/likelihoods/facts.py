r"""What can be said of values before any model has seen them: one pass over them in chunks, and for counts their moments by column.

    dispersion = sum_j Var_j / sum_j E_j   over the columns j: 1 for a Poisson law, more for a negative-binomial one
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from vaekit.core.errors import InputError
from vaekit.parts.likelihoods import domain

__all__ = ["Facts", "Kind", "facts"]

Kind = Literal["image", "vector"]

# Fewer steps than this are a scale of their own (0..16, say); more are bytes that happen to be dark.
_SHORT = 33
_BYTES = 256


@dataclass(frozen=True)
class Facts:
    """What values are like.

    Arguments:
        values: the values themselves, not copied.
        kind: `image` or `vector`.
        columns: names of a table's columns; empty where there are none.
        minimum, maximum: of what was seen, NaN left out.
        integer: whether all are whole numbers.
        gaps: how many are NaN.
        zeros: share of zeros among the seen.
        levels: how many equally spaced levels from 0 on an image's values lie on; None where they do not.
        worth: what 1 of the model's space is worth in these values: 255 for bytes, 1 where values are used as they are.
        mean, variance: by column, for whole numbers from 0 on in a vector; else None.
        position: place of each row in its source, from 0, for messages; None = in order.
    """

    values: np.ndarray = field(repr=False)
    kind: Kind
    columns: tuple[str, ...]
    minimum: float
    maximum: float
    integer: bool
    gaps: int
    zeros: float
    levels: int | None = None
    worth: float = 1.0
    mean: np.ndarray | None = field(default=None, repr=False)
    variance: np.ndarray | None = field(default=None, repr=False)
    position: np.ndarray | None = field(default=None, repr=False)

    def first_outside(self, of: domain.Domain) -> tuple[int, ...] | None:
        """Index of the first value outside a domain, read as the model reads it; None where all lie inside."""
        return of.first_violation(self.values, self.worth)

    @property
    def dispersion(self) -> float:
        """Variance over mean, pooled over the columns of counts; NaN for other values."""
        if self.mean is None or self.variance is None or not self.mean.sum() > 0:
            return float("nan")
        return float(self.variance.sum() / self.mean.sum())

    def zeros_expected(self, over_dispersed: bool) -> float:
        """Share of zeros that Poisson laws, or negative-binomial ones, of the columns' moments would make."""
        if self.mean is None or self.variance is None:
            return float("nan")
        poisson = np.exp(-self.mean)
        if not over_dispersed:
            return float(poisson.mean())
        excess = self.variance - self.mean
        wide = excess > 1e-9
        r = np.square(self.mean) / np.where(wide, excess, 1.0)
        ratio = np.divide(self.mean, r, out=np.zeros_like(r), where=r > 0)
        return float(np.where(wide, np.exp(-r * np.log1p(ratio)), poisson).mean())


def facts(values: np.ndarray, kind: Kind = "vector", columns: Sequence[str] = (), position: np.ndarray | None = None) -> Facts:
    """Look at values once, in bounded memory.

    Arguments:
        values: `(N, ...)`, numbers in the person's own units; NaN = a gap.
        kind: `image` looks for levels; `vector` for counts.
        columns: names of a table's columns.
        position: place of each row in its source, from 0, for messages; None = in order.

    Raises:
        InputError: where the values are not numbers, or none was seen.
    """
    if values.dtype.kind not in "buif":
        raise InputError(f"values must be numbers, not {values.dtype}: encode text as codes first")
    seen, gaps, zeros, whole = 0, 0, 0, True
    low, high, smallest = np.inf, -np.inf, np.inf
    for _, chunk in domain.chunks(values):
        numbers = chunk[~np.isnan(chunk)]
        seen, gaps = seen + numbers.size, gaps + chunk.size - numbers.size
        zeros += int(np.count_nonzero(numbers == 0))
        whole = whole and bool(np.all((numbers == np.rint(numbers)) & np.isfinite(numbers)))
        low, high = np.min(numbers, initial=low), np.max(numbers, initial=high)
        smallest = np.min(numbers, where=numbers > 0, initial=smallest)
    if not seen:
        raise InputError("there are no values to look at: every cell is empty")
    found = Facts(values, kind, tuple(columns), float(low), float(high), whole, gaps, zeros / seen, position=position)
    if kind == "image":
        levels, worth = _levels(found, float(smallest))
        return replace(found, levels=levels, worth=worth)
    if whole and low >= 0:
        mean, variance = _moments(values)
        return replace(found, mean=mean, variance=variance)
    return found


def _levels(found: Facts, smallest: float) -> tuple[int | None, float]:
    """How many levels, and what the last of them is worth."""
    top = found.maximum
    if found.minimum < 0 or not np.isfinite(top) or top == 0:
        return (2, 1.0) if top == 0 == found.minimum else (None, 1.0)
    if domain.binary.first_violation(found.values, top) is None:
        return 2, top
    if found.integer:
        levels = int(top) + 1 if top < _SHORT else max(_BYTES, 2 ** int(top).bit_length())
        return levels, levels - 1.0
    if top <= 1:
        for levels in (round(1 / smallest) + 1, _BYTES):
            if 2 <= levels <= _BYTES and domain.levels(levels).first_violation(found.values) is None:
                return levels, 1.0
    return None, 1.0


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance by column, gaps left out: sums of chunks of rows about the first chunk's mean, so that no digits cancel."""
    count, first, second = (np.zeros(1) for _ in range(3))
    origin: np.ndarray | None = None
    for _, chunk in domain.chunks(values):
        seen = ~np.isnan(chunk)
        if origin is None:
            origin = np.where(seen, chunk, 0).sum(0) / np.maximum(seen.sum(0), 1)
        away = np.where(seen, chunk - origin, 0)
        count, first, second = count + seen.sum(0), first + away.sum(0), second + np.square(away).sum(0)
    mean = first / np.maximum(count, 1)
    return mean + (0 if origin is None else origin), second / np.maximum(count, 1) - np.square(mean)
