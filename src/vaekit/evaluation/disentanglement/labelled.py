r"""Codes beside the factors that made the data, checked once and numbered.

    z of (N, latent), v of (N, factors), with v_k in 0 .. values_k - 1

A factor is numbered by its distinct values in rising order. One whose values are quantities, and more than `MOST` or than half of the rows
(`BINS` are never too many), is cut into equal widths, as codes are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vaekit.core.errors import InputError

__all__ = ["BINS", "MOST", "Labelled", "binned", "labelled"]

MOST = 64
"""Values that a factor may have before it is cut into bins."""

BINS = 20
"""Bins of equal width that a code is cut into (Locatello et al. 2019, arXiv:1811.12359)."""


@dataclass(frozen=True)
class Labelled:
    """Rows with a code and the factors behind them.

    Arguments:
        codes: `(N, latent)`, float64, from the first row's: no measure depends on where zero is.
        factors: the number of each factor's value, `(N, factors)`, from 0.
        amounts: the factors as quantities, `(N, factors)`; the numbers of `factors` where they are no quantity.
        names: of the factors.
        named: which factors are names rather than quantities, `(factors,)`, bool.
    """

    codes: np.ndarray
    factors: np.ndarray
    amounts: np.ndarray
    names: tuple[str, ...]
    named: np.ndarray

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.codes)

    @property
    def values(self) -> np.ndarray:
        """How many values each factor has, `(factors,)`."""
        return self.factors.max(0) + 1

    def take(self, rows: np.ndarray) -> "Labelled":
        """The rows at these places."""
        return replace(self, codes=self.codes[rows], factors=self.factors[rows], amounts=self.amounts[rows])

    def halves(self, most: int, seed: int) -> tuple["Labelled", "Labelled"]:
        """Two halves of at most `most` rows, drawn without replacement: one to fit to, one to measure on.

        Arguments:
            most: rows of both together.
            seed: of the draw.
        """
        drawn = np.random.default_rng(seed).permutation(self.rows)[:most]
        return self.take(drawn[: len(drawn) // 2]), self.take(drawn[len(drawn) // 2 :])

    def by_factor(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each factor's name and its column of `factors`."""
        return zip(self.names, self.factors.T)


def labelled(codes: Any, factors: Any, names: Sequence[str] = (), categorical: Sequence[str | int] = ()) -> Labelled:
    """Codes and factors that fit together.

    Arguments:
        codes: `(N, latent)`, numbers.
        factors: `(N, factors)`, numbers, text or booleans.
        names: of the factors; empty = `factor 0`, `factor 1`, ...
        categorical: names or places of factors whose numbers are names; text and booleans always are.

    Raises:
        InputError: where the lengths differ, there are fewer than two coordinates or factors, a number is not finite, or a factor has one
            value alone.
    """
    z, v = np.asarray(codes), np.asarray(factors)
    if z.ndim != 2 or v.ndim != 2:
        raise InputError(f"codes {z.shape} and factors {v.shape} must have shapes (rows, latent) and (rows, factors)")
    if len(z) != len(v):
        raise InputError(f"factors have {len(v)} rows, but the codes have {len(z)}: give the factors of the same rows")
    if z.shape[1] < 2:
        raise InputError(f"codes have {z.shape[1]} coordinate, but disentanglement is between coordinates: train with latent=2 or more")
    if v.shape[1] < 2:
        raise InputError(f"factors have {v.shape[1]} column, but disentanglement is between factors: give 2 or more")
    z = z.astype(np.float64)
    if not np.isfinite(z).all():
        raise InputError(f"codes are not finite in row {int((~np.isfinite(z)).any(1).argmax()) + 1}: drop those rows")
    called = tuple(map(str, names)) or tuple(f"factor {k}" for k in range(v.shape[1]))
    if len(called) != v.shape[1] or len(set(called)) < len(called):
        raise InputError(f"{len(called)} names do not name {v.shape[1]} factors: give one for each, all different")
    named = np.zeros(len(called), dtype=bool)
    for given in categorical:
        if given not in called and given not in range(len(called)):
            raise InputError(f"categorical={given!r} is no factor: they are {', '.join(called)}")
        named[called.index(given) if isinstance(given, str) else given] = True
    columns = [_numbered(name, column, bool(told)) for name, column, told in zip(called, v.T, named)]
    named |= np.array([column is None for _, column in columns])
    numbers = np.stack([number for number, _ in columns], axis=1)
    amounts = np.stack([number if column is None else column for number, column in columns], axis=1).astype(np.float64)
    # What is the same in all rows is then zero to the bit, and so are its variance and its correlations.
    return Labelled(z - z[:1], numbers, amounts, called, named)


def _numbered(name: str, column: np.ndarray, named: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """The number of each value, and the values themselves where they are numbers; those that are quantities are cut where they are many."""
    quantity = _quantity(column)
    if quantity is not None and not np.isfinite(quantity).all():
        row = int((~np.isfinite(quantity)).argmax()) + 1
        raise InputError(f"factor '{name}' is not finite in row {row}: drop the rows whose factors are unknown")
    found, numbers = np.unique(column.astype(str) if quantity is None else quantity, return_inverse=True)
    if len(found) < 2:
        raise InputError(f"factor '{name}' has one value in all rows, so no code can tell it: leave it out")
    if len(found) > MOST and (named or quantity is None):
        raise InputError(f"factor '{name}' has {len(found)} names, more than {MOST}: leave it out, or group them")
    # A value that hardly any two rows share tells the row, and every code would tell it as well.
    if quantity is not None and not named and len(found) > min(MOST, max(BINS, len(column) // 2)):
        numbers = np.unique(binned(quantity[:, None], BINS)[:, 0], return_inverse=True)[1]
    return numbers.reshape(-1), quantity


def _quantity(column: np.ndarray) -> np.ndarray | None:
    """A column as numbers; None where it holds text or booleans."""
    if column.dtype.kind in "iuf":
        return column.astype(np.float64)
    if column.dtype.kind == "b" or any(isinstance(value, (bool, np.bool_)) for value in column):
        return None
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return None


def binned(values: np.ndarray, bins: int) -> np.ndarray:
    """Each column cut into bins of equal width between its least and its largest value, `(N, columns)`, 0 .. bins - 1.

    Arguments:
        values: `(N, columns)`.
        bins: how many.
    """
    low, high = values.min(0), values.max(0)
    width = np.where(high > low, high - low, 1.0)
    return np.minimum(((values - low) / width * bins).astype(np.int64), bins - 1)
