r"""Whether samples could be held-out rows.

With B(p, P) the ball around p that reaches its k-th neighbour in P, real rows R and samples G:

    precision = share of g in some B(r, R)      recall = share of r in some B(g, G)   (Kynkaanniemi et al. 2019, arXiv:1904.06991)
    density   = mean over g of #{r: g in B(r, R)} / k
    coverage  = share of r with some g in B(r, R)                                     (Naeem et al. 2020, arXiv:2002.09797)
    two-sample test = area under the ROC curve of a classifier of R against G; 1/2 = cannot be told apart

Two figures stand beside each: the ceiling has training rows in the samples' place, the floor the same rows with every column
shuffled by itself, which keeps the columns and loses what ties them. A measure that cannot see those ties has its floor near its
ceiling.
"""

from typing import Any

import numpy as np
import torch

from vaekit.core.system import System
from vaekit.evaluation.classical import principal, told_apart
from vaekit.evaluation.figure import Figure, figure
from vaekit.evaluation.values import features, filled, kind_of, take
from vaekit.tasks.generate import draw
from vaekit.tasks.walk import Rows

__all__ = ["compare", "measure_samples", "neighbourhoods"]

_COMPONENTS = 64
_FEWEST = 12
_MANIFOLD, _COVER = 3, 5


def neighbourhoods(real: np.ndarray, samples: np.ndarray, manifold: int = _MANIFOLD, cover: int = _COVER) -> dict[str, float]:
    """Precision, recall, density and coverage of samples against real rows.

    Arguments:
        real: `(N, features)`, N > k.
        samples: `(M, features)`, M > k.
        manifold: k of precision and recall.
        cover: k of density and coverage.
    """
    r, g = torch.from_numpy(real), torch.from_numpy(samples)
    across = torch.cdist(r, g)
    # The nearest of all is the row itself, at distance 0.
    to_real = torch.cdist(r, r).kthvalue(manifold + 1, dim=1).values
    to_samples = torch.cdist(g, g).kthvalue(manifold + 1, dim=1).values
    reach = torch.cdist(r, r).kthvalue(cover + 1, dim=1).values
    return {
        "precision": float((across <= to_real.unsqueeze(1)).any(0).double().mean()),
        "recall": float((across <= to_samples.unsqueeze(0)).any(1).double().mean()),
        "density": float((across <= reach.unsqueeze(1)).double().sum(0).mean() / cover),
        "coverage": float((across <= reach.unsqueeze(1)).any(1).double().mean()),
    }


def compare(real: np.ndarray, samples: np.ndarray, seed: int = 0) -> dict[str, float]:
    """All measures of samples against real rows, by name.

    Arguments:
        real: `(N, features)`.
        samples: `(M, features)`.
        seed: of the classifiers.
    """
    tests = {f"two-sample test, {name}": value for name, value in told_apart(real, samples, seed).items()}
    return {**neighbourhoods(real, samples), **tests}


def measure_samples(system: System, train_rows: Rows, test_rows: Rows, seed: int = 0, most: int = 1000) -> dict[str, Any]:
    """Samples against held-out rows as JSON: `space`, and `figures` with `floor` and `ceiling`; or `absent`, why there are none.

    Samples are draws of x, never means. Where the model has a condition, they get the held-out rows' conditions.

    Arguments:
        system: fitted, with a prior.
        train_rows: the ceiling is drawn from them.
        test_rows: held out.
        seed: of samples, subsamples and classifiers.
        most: at most so many rows of each sort.

    Raises:
        InputError: where the model has no prior.
    """
    n = min(len(train_rows["x"]), len(test_rows["x"]), most)
    if n < _FEWEST:
        return {"figures": [], "space": None, "absent": f"samples are compared from {_FEWEST} held-out rows on; there are {n}"}
    kind, held = kind_of(system), take(test_rows, n, seed)
    drawn = draw(system, n, held.get("condition"), seed=seed)
    x, observed = filled(system, held, seed)
    # Rows for the ceiling, and others to find components in: those of the ceiling's own rows would give the ceiling away.
    pool = take(train_rows, min(len(train_rows["x"]), n + most), seed)
    fresh, also = filled(system, pool, seed)
    order = np.random.default_rng(seed).permutation(len(pool["x"]))
    # Gaps must not tell samples apart: samples borrow the held-out rows' gaps, and every gap holds the column's mean.
    usual = torch.where(observed, x, 0).sum(0) / observed.sum(0).clamp(min=1)
    usual = usual.round() if kind.name == "classes" else usual
    pairs = ((x, observed), (drawn, observed), (fresh, also))
    real, made, known = (features(torch.where(seen, values, usual.to(values.dtype)), kind) for values, seen in pairs)
    ceiling, basis = known[order[:n]], known[order[n:]] if len(order) > n else known
    floor = np.random.default_rng(seed).permuted(ceiling, axis=0)
    space = f"{real.shape[1]} values in the model's space"
    if kind.grid and real.shape[1] > _COMPONENTS:
        basis, ceiling, real, made, floor = principal(basis, _COMPONENTS, seed, ceiling, real, made, floor)
        space = f"first {real.shape[1]} principal components of the training rows"
    value, low, high = (compare(real, other, seed) for other in (made, floor, ceiling))
    figures = _figures(value, low, high, f"{n} samples against {n} held-out rows, {space}", n, seed)
    return {"figures": figures, "space": space, "absent": None}


def _figures(
    value: dict[str, float], floor: dict[str, float], ceiling: dict[str, float], how: str, n: int, seed: int
) -> list[Figure]:
    return [
        figure(name, value[name], unit, better, f"{which}; {how}", n, seed, floor=floor[name], ceiling=ceiling[name])
        for name, unit, better, which in (
            ("precision", "share", "higher", f"k = {_MANIFOLD}"),
            ("recall", "share", "higher", f"k = {_MANIFOLD}"),
            ("density", "1", "higher", f"k = {_COVER}"),
            ("coverage", "share", "higher", f"k = {_COVER}"),
            ("two-sample test, gradient boosting", "AUC", "lower", "3-fold cross-validation, 1/2 = cannot be told apart"),
            ("two-sample test, logistic regression", "AUC", "lower", "3-fold cross-validation, 1/2 = cannot be told apart"),
        )
    ]
