"""Repeated training rows: planted copies are found, fresh rows are not accused, and the p-value is that of an enumeration."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from vaekit.evaluation.memorisation import ALARM, memorisation, nearest_two

rng = np.random.default_rng(0)


def rows_of(kind: str, count: int) -> np.ndarray:
    if kind == "digits":
        return load_digits().data[rng.permutation(1797)[:count]].astype(np.float32)
    if kind == "bits":
        return (rng.random((count, 12)) < 0.3).astype(np.float32)
    return (rng.normal(size=(count, 6)) * [1, 1, 2, 3, 0.5, 1]).astype(np.float32)


def test_fresh_rows_are_not_accused_in_any_of_many_repeats():
    found = []
    for _ in range(60):
        rows = rows_of("real", 700)
        found.append(memorisation(rows[:400], rows[400:550], rows[550:]))
    p = np.array([f.p_value for f in found])
    assert p.min() > ALARM and (p < 0.05).mean() < 0.15
    assert abs(np.mean([f.copied for f in found]) - 2 / 150) < 0.01
    z = np.array([(f.nearness - 0.5) / f.standard_error for f in found])
    assert abs(z.mean()) < 0.5 and 0.7 < z.std() < 1.4


@pytest.mark.parametrize("kind", ["real", "digits"])
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_planted_copies_are_found(kind, share):
    rows = rows_of(kind, 1797)
    train, held, samples = rows[:1400], rows[1400:1580], rows[1580:1760].copy()
    assert memorisation(train, held, samples).p_value > ALARM
    planted = int(share * len(samples))
    samples[:planted] = train[rng.permutation(len(train))[:planted]] + 0.01 * rng.normal(size=(planted, train.shape[1]))
    found = memorisation(train, held, samples)
    assert found.p_value < 1e-5 and found.copied >= share * 0.95
    if share == 1:
        assert found.nearness > 0.99


def test_copies_are_found_among_samples_that_are_bad():
    rows = rows_of("real", 1000)
    samples = rows_of("real", 200) * 4
    samples[:20] = rows[:20]
    found = memorisation(rows[:800], rows[800:], samples)
    assert found.p_value < 1e-5 and found.nearness < 0.5
    assert set(found.nearest[:20]) == set(range(20))


def test_a_model_that_is_merely_smooth_is_not_accused():
    rows = rows_of("real", 1000)
    found = memorisation(rows[:800], rows[800:], rows_of("real", 200) * 0.3)
    assert found.nearness > 0.6 and found.p_value > ALARM


def test_rows_that_recur_in_the_data_are_no_copies():
    rows = rows_of("bits", 900)
    found = memorisation(rows[:600], rows[600:750], rows[750:])
    assert found.p_value > ALARM and found.lone.min() == 0


@pytest.mark.parametrize("samples, held", [(3, 4), (5, 2), (4, 3)])
def test_the_p_value_is_that_of_an_enumeration(samples, held):
    # On a line with training rows at 0 and 100, d_1 / d_2 rises with the place: all orders of the two kinds, each as probable.
    train = np.array([[0.0], [100.0]])
    orders = list(combinations(range(samples + held), samples))
    counted = [memorisation(train, *(np.array([[1.0 + i] for i in range(samples + held) if (i in order) == of]) for of in (False, True)))
               for order in orders]
    copied = np.array([round(f.copied * samples) for f in counted])
    for found, k in zip(counted, copied):
        assert found.p_value == pytest.approx((copied >= k).mean())


def test_too_few_different_rows_are_refused():
    with pytest.raises(ValueError, match="1 different training rows"):
        memorisation(np.zeros((5, 2)), np.zeros((5, 2)), np.zeros((5, 2)))


def test_the_nearest_of_rows_far_from_zero_is_the_nearest():
    train, rows = (np.log1p(rng.poisson(1e5, (n, 4))).astype(np.float32) for n in (200, 50))
    apart = np.linalg.norm(rows[:, None].astype(float) - train.astype(float), axis=2)
    first, lone, which = nearest_two(train, rows)
    two = np.sort(apart, axis=1)[:, :2]
    np.testing.assert_array_equal(which, apart.argmin(1))
    np.testing.assert_allclose(first, two[:, 0], rtol=1e-6)
    np.testing.assert_allclose(lone, two[:, 0] / two[:, 1], rtol=1e-6)
