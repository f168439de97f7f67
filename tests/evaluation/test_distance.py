"""Distances between samples: against closed forms of normal distributions, an independent square root and plain loops."""

from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from vaekit.evaluation.distance import frechet_distance, kernel_distance

rng = np.random.default_rng(0)


def whitened(rows: int, mean: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Rows whose mean and covariance are exactly these, root' root = covariance."""
    values = rng.normal(size=(rows, len(mean)))
    values -= values.mean(0)
    q = np.linalg.qr(values)[0] * np.sqrt(rows - 1)
    return q @ root + mean


def test_the_frechet_distance_of_diagonal_normals_is_known():
    s, t, shift = np.array([1.0, 2.0, 0.5]), np.array([3.0, 2.0, 0.1]), np.array([1.0, 0.0, -2.0])
    a, b = whitened(50, np.zeros(3), np.diag(s)), whitened(80, shift, np.diag(t))
    assert frechet_distance(a, b) == pytest.approx((shift**2).sum() + ((s - t) ** 2).sum(), abs=1e-10)


def test_the_frechet_distance_of_normals_that_do_not_commute_is_that_of_a_matrix_square_root():
    a, b = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)) + 1
    c, d = np.cov(a.T), np.cov(b.T)
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-12)


@pytest.mark.parametrize("rows", [200, 20])
def test_equal_samples_are_at_no_distance_even_where_the_covariance_has_no_rank(rows):
    a = rng.normal(size=(rows, 64)) * np.geomspace(1e-4, 1e3, 64)
    assert frechet_distance(a, a[::-1]) < 1e-9 * np.square(a).sum(1).mean()
    # Twice a sample about its mean: each deviation is 1 more, in its own units.
    assert frechet_distance(a, 2 * a - a.mean(0)) == pytest.approx(a.var(0, ddof=1).sum(), rel=1e-9)


def test_the_kernel_distance_by_plain_loops_and_its_error_by_leaving_rows_out():
    a, b = rng.normal(size=(7, 3)), rng.normal(0.3, 1, (5, 3))

    def mmd(a, b):
        def k(u, v):
            return (u @ v / 3 + 1) ** 3

        pairs = [np.mean([k(u, v) for u, v in permutations(values, 2)]) for values in (a, b)]
        return sum(pairs) - 2 * np.mean([k(u, v) for u in a for v in b])

    left = [mmd(np.delete(a, i, 0), b) for i in range(7)], [mmd(a, np.delete(b, i, 0)) for i in range(5)]
    value, error = kernel_distance(a, b)
    assert value == pytest.approx(mmd(a, b))
    assert error == pytest.approx(np.sqrt(6 * np.var(left[0]) + 4 * np.var(left[1])))


def test_the_kernel_distance_has_no_bias_and_its_error_is_the_spread_of_repeats():
    found = np.array([kernel_distance(*rng.normal(size=(2, 60, 4)) + np.array([0.0, 0.4])[:, None, None]) for _ in range(100)])
    # The same expectation by plain sampling, far finer than 100 repeats can tell.
    u, v, w = rng.normal(size=(3, 200_000, 4))
    known = np.mean(((u * v).sum(1) / 4 + 1) ** 3) + np.mean((((u + 0.4) * (v + 0.4)).sum(1) / 4 + 1) ** 3)
    known -= 2 * np.mean(((u * (w + 0.4)).sum(1) / 4 + 1) ** 3)
    assert abs(found[:, 0].mean() - known) < 4 * found[:, 0].std() / np.sqrt(100) + 0.01
    assert 0.7 < found[:, 1].mean() / found[:, 0].std() < 1.4
    same = kernel_distance(*rng.normal(size=(2, 300, 4)))
    assert abs(same[0]) < 4 * same[1]


@pytest.mark.parametrize("a, b", [((3, 2), (3, 4)), ((1, 2), (9, 2)), ((3,), (3,))])
def test_what_has_no_distance_is_refused(a, b):
    for distance in (frechet_distance, kernel_distance):
        with pytest.raises(ValueError, match=r"features must|rows or more"):
            distance(np.zeros(a), np.zeros(b))
        with pytest.raises(ValueError, match="finite"):
            distance(np.full((5, 2), np.nan), np.zeros((5, 2)))
