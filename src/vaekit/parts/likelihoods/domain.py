r"""Where values may lie: what a likelihood needs of the data, in the model's space.

| domain | values |
| --- | --- |
| real | any finite number |
| binary | 0, 1 |
| unit, open_unit | [0, 1], (0, 1) |
| levels(L) | k / (L - 1), k = 0 .. L - 1 |
| codes(K) | 0 .. K - 1 |
| counts | 0, 1, 2, ...; to be learnt from, up to 1,000,000: of more, float32 has no log-gamma to a nat |

NaN is a gap, and gaps lie in every domain.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import prod

import numpy as np

__all__ = ["Domain", "binary", "chunks", "codes", "counts", "counts_within_reach", "levels", "open_unit", "real", "unit"]

_CHUNK = 1 << 20
_LARGEST_COUNT = 1_000_000


@dataclass(frozen=True)
class Domain:
    """A set of numbers.

    Arguments:
        name: what code calls it.
        words: what a person calls it.
        contains: which of an array's numbers lie in it, as bools.
    """

    name: str
    words: str
    contains: Callable[[np.ndarray], np.ndarray] = field(repr=False, compare=False)

    def first_violation(self, values: np.ndarray, worth: float = 1.0) -> tuple[int, ...] | None:
        """Index of the first value outside, reading row by row; None where all lie inside.

        Arguments:
            values: any shape and numeric type; read in chunks of bounded memory.
            worth: what 1 of the model's space is worth in these values, 255 for bytes read as [0, 1].
        """
        for start, chunk in chunks(values):
            outside = ~(self.contains(chunk / worth) | np.isnan(chunk))
            if outside.any():
                row, column = divmod(int(outside.argmax()), chunk.shape[1])
                return (start + row, *(int(i) for i in np.unravel_index(column, values.shape[1:])))
        return None


def chunks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Rows as float64 `(rows, columns)`, about a million numbers at a time, each with the place of its first row."""
    columns = max(1, prod(values.shape[1:]))
    step = max(1, _CHUNK // columns)
    for start in range(0, len(values), step):
        yield start, values[start : start + step].reshape(-1, columns).astype(np.float64)


def _is_binary(values: np.ndarray) -> np.ndarray:
    return (values == 0) | (values == 1)


def _is_unit(values: np.ndarray) -> np.ndarray:
    return (values >= 0) & (values <= 1)


def _is_open_unit(values: np.ndarray) -> np.ndarray:
    return (values > 0) & (values < 1)


def _is_level(values: np.ndarray, steps: int) -> np.ndarray:
    # float32 holds k / steps to about 1e-7; the tolerance allows that and no value halfway.
    return _is_unit(values) & (np.abs(values * steps - np.rint(values * steps)) < 1e-3)


def _is_code(values: np.ndarray, classes: int) -> np.ndarray:
    return (values >= 0) & (values < classes) & (values == np.rint(values))


def _is_count(values: np.ndarray) -> np.ndarray:
    return (values >= 0) & np.isfinite(values) & (values == np.rint(values))


def _is_count_within_reach(values: np.ndarray) -> np.ndarray:
    return _is_count(values) & (values <= _LARGEST_COUNT)


real = Domain("real", "finite numbers", np.isfinite)
binary = Domain("binary", "0/1 values", _is_binary)
unit = Domain("unit", "values in [0, 1]", _is_unit)
open_unit = Domain("open_unit", "values strictly between 0 and 1", _is_open_unit)
counts = Domain("counts", "counts 0, 1, 2, ...", _is_count)
counts_within_reach = Domain("counts", f"counts 0, 1, 2, ... {_LARGEST_COUNT:,}", _is_count_within_reach)


def levels(number: int) -> Domain:
    """The equally spaced levels 0, 1/(L-1), ..., 1."""
    return Domain(f"levels({number})", f"values on the {number} levels k/{number - 1}", partial(_is_level, steps=number - 1))


def codes(classes: int) -> Domain:
    """The classes 0 .. K-1."""
    return Domain(f"codes({classes})", f"whole codes 0..{classes - 1}", partial(_is_code, classes=classes))
