"""Splits: every row once, each class in its share, the same for the same seed."""

import numpy as np
import pytest

from vaekit.core.errors import InputError
from vaekit.data import split


def parts(splits) -> list[np.ndarray]:
    return [splits.train, splits.validation, splits.test]


@pytest.mark.parametrize("seed", range(100))
def test_every_row_once_and_no_part_empty(seed):
    draw = np.random.default_rng(seed)
    rows, classes = draw.integers(3, 12 if seed % 2 else 400), draw.integers(0, 6)
    validation, test = draw.uniform(0.01, 0.45, 2)
    label = draw.integers(-1, classes, rows) if classes else None
    made = parts(split(int(rows), label, validation, test, seed))
    assert all(len(part) for part in made) and len(made[2]) >= min(2, rows - 2)
    np.testing.assert_array_equal(np.sort(np.concatenate(made)), np.arange(rows))
    assert all((np.diff(part) > 0).all() for part in made)


@pytest.mark.parametrize("seed", range(20))
def test_each_class_in_its_share(seed):
    label = np.repeat([-1, 0, 1, 2], [100, 700, 37, 163])
    np.random.default_rng(seed).shuffle(label)
    for part, share in zip(parts(split(1000, label, 0.1, 0.2, seed))[1:], (0.1, 0.2), strict=True):
        assert len(part) == 1000 * share
        counts = np.bincount(label[part] + 1, minlength=4)
        assert (np.abs(counts - np.array([100, 700, 37, 163]) * share) <= 2).all()


def test_the_seed_decides():
    one, again, other = split(100, seed=1), split(100, seed=1), split(100, seed=2)
    assert all((a == b).all() for a, b in zip(parts(one), parts(again), strict=True))
    assert (one.test != other.test).any()


def test_rows_are_drawn_evenly():
    drawn = np.zeros(20)
    for seed in range(2000):
        drawn[split(20, seed=seed, validation=0, test=0.25).test] += 1
    # 2000 draws of probability 1/4: standard deviation 19.4.
    assert np.abs(drawn - 500).max() < 5 * 19.4


def test_a_part_that_is_not_wanted_is_empty():
    made = split(10, validation=0, test=0.5)
    assert len(made.validation) == 0 and len(made.test) == 5 and len(made.train) == 5


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"rows": 2}, "at least 3 rows"),
        ({"rows": 1}, "1 rows"),
        ({"rows": 10, "validation": 0.6, "test": 0.4}, "below 1"),
        ({"rows": 10, "test": -0.1}, "at least 0"),
        ({"rows": 10, "test": float("nan")}, "fractions"),
        ({"rows": 10, "label": np.zeros(9)}, "9 labels"),
    ],
)
def test_refusals(arguments, part):
    with pytest.raises(InputError, match=part):
        split(**arguments)
