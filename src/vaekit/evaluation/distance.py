r"""How far two samples lie apart in a space of features.

    Frechet: d^2 = |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))          (Heusel et al. 2017, arXiv:1706.08500)
    kernel:  MMD^2 = E k(a, a') + E k(b, b') - 2 E k(a, b),  k(u, v) = (u . v / d + 1)^3   (Binkowski et al. 2018, arXiv:1801.01401)

The first fits a normal distribution to each sample and is 0 where mean m and covariance C agree; from N rows it comes out too large by
something of the order of 1/N. The second is without bias, so that it may fall below 0, and tells its own standard error.

No square root of a product of covariances is taken: with centred rows A / sqrt(N - 1) = Q R, C = R' R and tr (C_a C_b)^(1/2) is the sum
of the singular values of R_a R_b'. Nothing is squared on the way, so that equal samples come out at 0 to machine precision, and there
may be fewer rows than features.
"""

import numpy as np

__all__ = ["frechet_distance", "kernel_distance"]


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """The squared Frechet distance between normal distributions fitted to two samples, in squared units of the features.

    Arguments:
        features_a: `(N, features)`, N >= 2.
        features_b: `(M, features)`, M >= 2.

    Raises:
        ValueError: where the widths differ, or a sample has fewer than two rows or a value that is not finite.

    Source: Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter 2017, arXiv:1706.08500.
    """
    (mean_a, root_a), (mean_b, root_b) = (_moments(values) for values in _checked(features_a, features_b, 2))
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    return float(max(np.square(mean_a - mean_b).sum() + np.square(root_a).sum() + np.square(root_b).sum() - 2 * shared, 0.0))


def kernel_distance(features_a: np.ndarray, features_b: np.ndarray) -> tuple[float, float]:
    """The squared maximum mean discrepancy between two samples without bias, and its standard error by the jackknife.

    Arguments:
        features_a: `(N, features)`, N >= 3.
        features_b: `(M, features)`, M >= 3.

    Raises:
        ValueError: where the widths differ, or a sample has fewer than three rows or a value that is not finite.

    Source: Binkowski, Sutherland, Arbel, Gretton 2018, arXiv:1801.01401.
    """
    a, b = _checked(features_a, features_b, 3)
    n, m, across = len(a), len(b), _kernel(a, b)
    within_a, within_b = _off_diagonal(_kernel(a, a)), _off_diagonal(_kernel(b, b))
    total_a, total_b, total = within_a.sum(), within_b.sum(), across.sum()
    value = total_a / (n * (n - 1)) + total_b / (m * (m - 1)) - 2 * total / (n * m)
    # The estimate without one row of a, for every row, and likewise of b: each a few sums of what is there.
    less_a = (total_a - 2 * within_a.sum(1)) / ((n - 1) * (n - 2)) - 2 * (total - across.sum(1)) / ((n - 1) * m)
    less_b = (total_b - 2 * within_b.sum(1)) / ((m - 1) * (m - 2)) - 2 * (total - across.sum(0)) / (n * (m - 1))
    return float(value), float(np.sqrt((n - 1) * less_a.var() + (m - 1) * less_b.var()))


def _checked(features_a: np.ndarray, features_b: np.ndarray, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = (np.asarray(values, dtype=np.float64) for values in (features_a, features_b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be (N, features) and (M, features), not {a.shape} and {b.shape}")
    if min(len(a), len(b)) < fewest:
        raise ValueError(f"a distance needs {fewest} rows or more of each sample, not {len(a)} and {len(b)}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features must be finite")
    return a, b


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean, and R with R' R = the covariance."""
    mean = values.mean(0)
    return mean, np.asarray(np.linalg.qr((values - mean) / np.sqrt(len(values) - 1), mode="r"))


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _off_diagonal(values: np.ndarray) -> np.ndarray:
    np.fill_diagonal(values, 0.0)
    return values
