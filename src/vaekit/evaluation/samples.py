r"""Whether samples could be held-out rows, by every measure of this room.

    precision, recall, density, coverage       `neighbourhoods.py`
    Frechet and kernel distance                `distance.py`, of the features of an `Extractor` where one is given
    sharpness, of images                       `sharpness.py`, of means of p(x|z) in place of draws of x
    repeated training rows                     `memorisation.py`
    two-sample test = area under the ROC curve of a classifier of real rows against samples; 1/2 = cannot be told apart

Two figures stand beside each but the test for repeated rows: the ceiling has training rows in the samples' place, the floor the same rows
with every column shuffled by itself, which keeps the columns and loses what ties them. A measure that cannot see those ties has its floor
near its ceiling. Sharpness has blurred rows for a floor, since shuffled ones are rougher than any image.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.core.system import System
from vaekit.evaluation.classical import principal, told_apart
from vaekit.evaluation.distance import frechet_distance, kernel_distance
from vaekit.evaluation.extractor import Extractor
from vaekit.evaluation.figure import Figure, figure
from vaekit.evaluation.memorisation import Memorisation, memorisation
from vaekit.evaluation.neighbourhoods import COVER, MANIFOLD, neighbourhoods
from vaekit.evaluation.sharpness import measure_sharpness
from vaekit.evaluation.values import Kind, features, filled, kind_of, take
from vaekit.tasks.generate import draw
from vaekit.tasks.walk import Rows

__all__ = ["compare", "measure_samples"]

_COMPONENTS = 64
_FEWEST = 12
# Numbers of training rows that repeated rows are looked for among.
_KNOWN = 1 << 25
_SORTS = ("samples", "floor", "ceiling")


def compare(real: np.ndarray, samples: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Where samples lie against real rows, and how well they are told apart, by name.

    Arguments:
        real: `(N, features)`.
        samples: `(M, features)`.
        seed: of the classifiers.
    """
    tests = {f"two-sample test, {name}": value for name, value in told_apart(real, samples, seed).items()}
    return {**neighbourhoods(real, samples), **tests}


def measure_samples(
    system: System, train_rows: Rows, test_rows: Rows, seed: int = 0, most: int = 1000, extractor: Extractor | None = None
) -> dict[str, Any]:
    """Samples against held-out rows as JSON: `space`, and `figures` with `floor` and `ceiling`; or `absent`, why there are none.

    Samples are draws of x, never means, but for the sharpness of images. Where the model has a condition, they get the held-out rows'
    conditions.

    Arguments:
        system: fitted, with a prior.
        train_rows: the ceiling is drawn from them.
        test_rows: held out.
        seed: of samples, subsamples and classifiers.
        most: at most so many rows of each sort.
        extractor: whose features the Frechet and the kernel distance are taken of; None = the space of the other measures.

    Raises:
        InputError: where the model has no prior.
    """
    n = min(len(train_rows["x"]), len(test_rows["x"]), most)
    if n < _FEWEST:
        return {"figures": [], "space": None, "absent": f"samples are compared from {_FEWEST} held-out rows on; there are {n}"}
    kind = kind_of(system)
    sorts = _gathered(system, kind, train_rows, take(test_rows, n, seed), seed, extractor)
    points = {name: features(x, kind) for name, x in sorts.items() if name != "means"}
    space = f"{points['real'].shape[1]} values in the model's space"
    if kind.grid and points["real"].shape[1] > _COMPONENTS:
        basis = points["others"][: max(most, n)]
        points = dict(zip(points, principal(basis, _COMPONENTS, seed, *points.values())[1:]))
        space = f"first {points['real'].shape[1]} principal components of the training rows"
    value, low, high = (compare(points["real"], points[name], seed) for name in _SORTS)
    figures = _distances(points, n, seed, space) if extractor is None else _distances(
        {name: extractor.features(sorts[name]) for name in ("real", *_SORTS)}, n, seed, _told(extractor)
    )
    figures += measure_sharpness(sorts["real"], sorts["means"], sorts["ceiling"], seed) if kind.grid else []
    figures += _figures(value, low, high, f"{n} samples against {n} held-out rows, {space}", n, seed)
    known = np.concatenate([points["ceiling"], points["others"]])
    if (known != known[0]).any():
        figures += _repeated(memorisation(known, points["real"], points["samples"]), n, len(known), seed)
    return {"figures": figures, "space": space, "absent": None}


def _gathered(
    system: System, kind: Kind, train_rows: Rows, held: Rows, seed: int, extractor: Extractor | None
) -> dict[str, Tensor]:
    """Rows of every sort in the model's space: as many `real`, `samples`, `means` of images, `ceiling` and `floor`, and the `others`."""
    n, total = len(held["x"]), len(train_rows["x"])
    drawn = draw(system, n, held.get("condition"), seed=seed)
    means = draw(system, n, held.get("condition"), seed=seed, mean=True) if kind.grid else drawn
    x, observed = filled(system, held, seed)
    # Rows for the ceiling, which no network of the measures has seen where that can be had, before all others: components of the
    # ceiling's own rows would give the ceiling away.
    order = np.random.default_rng(seed).permutation(total)
    if extractor is not None:
        order = order[np.argsort(np.isin(order, extractor.seen), kind="stable")]
    kept = torch.from_numpy(order[: max(_KNOWN // x[0].numel(), 2 * n)])
    known, seen = filled(system, {name: values[kept.to(values.device)] for name, values in train_rows.items()}, seed)
    # Gaps must not tell samples apart: samples borrow the held-out rows' gaps, and every gap holds the column's mean.
    usual = torch.where(observed, x, 0).sum(0) / observed.sum(0).clamp(min=1)
    usual = usual.round() if kind.name == "classes" else usual
    sorts = (x, observed), (drawn, observed), (means, observed), (known, seen)
    real, made, means, known = (torch.where(o, v, usual.to(v.dtype)) for v, o in sorts)
    ceiling, others = known[:n], known[n:] if total > n else known
    shuffled = np.random.default_rng(seed).permuted(ceiling.flatten(1).numpy(), axis=0)
    floor = torch.from_numpy(shuffled).reshape(ceiling.shape)
    return {"real": real, "samples": made, "means": means, "floor": floor, "ceiling": ceiling, "others": others}


def _told(extractor: Extractor) -> str:
    return f"features of {extractor.about}, extractor {extractor.digest}; figures of different extractors cannot be compared"


def _distances(points: Mapping[str, np.ndarray], n: int, seed: int, where: str) -> list[Figure]:
    """The two distances, each with that of shuffled and of real rows beside it."""
    frechet = {name: frechet_distance(points["real"], points[name]) for name in _SORTS}
    kernel = {name: kernel_distance(points["real"], points[name]) for name in _SORTS}
    how = f"0 = no difference; {n} samples against {n} held-out rows, {where}"
    return [
        figure(
            "Frechet distance (FID)", frechet["samples"], "1", "lower", f"between normal distributions fitted to both; {how}", n, seed,
            floor=frechet["floor"], ceiling=frechet["ceiling"],
        ),
        figure(
            "kernel distance (KID)", kernel["samples"][0], "1", "lower", f"cubic kernel, without bias; {how}", n, seed,
            standard_error=kernel["samples"][1], floor=kernel["floor"][0], ceiling=kernel["ceiling"][0],
        ),
    ]


def _repeated(found: Memorisation, n: int, known: int, seed: int) -> list[Figure]:
    """What the distances to training rows say."""
    how = f"{n} samples and {n} held-out rows, among {known:,} training rows"
    return [
        figure(
            "repeated training rows", found.copied, "share", "lower",
            f"samples that lie nearer to one training row, against the next nearest, than 99 % of held-out rows do; {how}", n, seed,
            expected=found.expected, p_value=found.p_value,
        ),
        figure(
            "nearness to training rows", found.nearness, "share", "none",
            f"how often a sample is closer to its nearest training row than a held-out row is to its own, 1/2 = alike; {how}", n, seed,
            standard_error=found.standard_error,
        ),
    ]


def _figures(
    value: dict[str, float], floor: dict[str, float], ceiling: dict[str, float], how: str, n: int, seed: int
) -> list[Figure]:
    return [
        figure(name, value[name], unit, better, f"{which}; {how}", n, seed, floor=floor[name], ceiling=ceiling[name])
        for name, unit, better, which in (
            ("precision", "share", "higher", f"k = {MANIFOLD}"),
            ("recall", "share", "higher", f"k = {MANIFOLD}"),
            ("density", "1", "higher", f"k = {COVER}"),
            ("coverage", "share", "higher", f"k = {COVER}"),
            ("two-sample test, gradient boosting", "AUC", "lower", "3-fold cross-validation, 1/2 = cannot be told apart"),
            ("two-sample test, logistic regression", "AUC", "lower", "3-fold cross-validation, 1/2 = cannot be told apart"),
        )
    ]
