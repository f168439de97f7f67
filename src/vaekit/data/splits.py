"""Training, validation and test rows: seeded, disjoint, together everything, and each class in its share.

Rows are shuffled, brought together by class, and taken at even steps (systematic sampling): a part of m of n rows takes the positions

    floor((j n + u) / m),   j = 0 .. m - 1,   one u drawn from 0 .. n - 1,

so that a class of size s gives s m / n rows, give or take one.
"""

from dataclasses import dataclass

import numpy as np

from vaekit.core.errors import InputError

__all__ = ["Splits", "split"]


# Of test and validation rows: measuring shows how rows differ, for which it takes two.
_LEAST = (2, 1)


@dataclass(frozen=True)
class Splits:
    """Row positions of each part, ascending int64."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(rows: int, label: np.ndarray | None = None, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Splits:
    """Three disjoint parts that hold every row once.

    Arguments:
        rows: how many rows there are.
        label: class of each row `(rows,)`, -1 = unlabelled, which counts as a class of its own; None = not stratified.
        validation: fraction of the rows to validate on; 0 = an empty part.
        test: fraction of the rows to test on; 0 = an empty part.
        seed: the same seed gives the same parts on every machine.

    Returns:
        The parts; one that was asked for is never empty, and the test part has 2 rows wherever there are 4 or more.

    Raises:
        InputError: where a fraction is not in [0, 1), no row is left to train on, or the labels do not fit.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise InputError(f"validation={validation} and test={test} must be fractions of at least 0 whose sum is below 1")
    parts = 1 + (validation > 0) + (test > 0)
    if rows < parts:
        raise InputError(f"{rows} rows cannot be split into {parts} parts; give at least {parts} rows, or set a fraction to 0")
    if label is not None and len(label) != rows:
        raise InputError(f"{len(label)} labels do not fit {rows} rows; give one a row")
    generator = np.random.Generator(np.random.PCG64(seed))
    order = generator.permutation(rows)
    if label is not None:
        order = order[np.argsort(label[order], kind="stable")]
    counts = _counts(rows, test, validation)
    held = []
    for count in counts:
        taken = _every(len(order), count, generator)
        held.append(np.sort(order[taken]))
        order = np.delete(order, taken)
    return Splits(np.sort(order), held[1], held[0])


def _counts(rows: int, *fractions: float) -> list[int]:
    """Rows to test and to validate on."""
    counts = [max(least, round(rows * fraction)) if fraction else 0 for least, fraction in zip(_LEAST, fractions)]
    # Rounding up must leave a row to train on; the part that is furthest above its least gives way.
    while sum(counts) >= rows:
        counts[int(np.argmax(np.subtract(counts, _LEAST)))] -= 1
    return counts


def _every(rows: int, count: int, generator: np.random.Generator) -> np.ndarray:
    # In whole numbers, so that rounding can neither repeat a row nor step over the end.
    start = generator.integers(rows)
    return (np.arange(count, dtype=np.int64) * rows + start) // max(count, 1)
