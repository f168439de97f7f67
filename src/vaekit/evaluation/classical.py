"""The classical methods that a model is read with: probes, neighbours, clusters, mixtures, components, forests, tests of two samples.

The one file of this room that imports scikit-learn, and only where it is used: importing it takes as long as importing all else.
One thread each: these problems are small, and on a busy machine threads that wait for one another make them fifty times slower.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

__all__ = [
    "cluster_scores", "forest", "linear_probe", "nearest_neighbours", "normal_mixture", "one_against_rest", "one_thread", "principal",
    "thresholds", "told_apart",
]

P = ParamSpec("P")
R = TypeVar("R")

# Added to the variances of a mixture's components, so that none closes in on one row.
_RIDGE = 1e-3


def one_thread(work: Callable[P, R]) -> Callable[P, R]:
    """The same work on one thread of the numerical libraries."""

    @wraps(work)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            return work(*args, **kwargs)

    return alone


@one_thread
def linear_probe(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Classes of `test` by logistic regression on standardised features.

    Arguments:
        train: `(N, features)`.
        labels: `(N,)`.
        test: `(M, features)`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(train, labels).predict(test)


@one_thread
def nearest_neighbours(train: np.ndarray, labels: np.ndarray, test: np.ndarray, k: int) -> np.ndarray:
    """Classes of `test` by the majority of the k nearest rows of `train`.

    Arguments:
        train: `(N, features)`, N >= k.
        labels: `(N,)`.
        test: `(M, features)`.
        k: how many neighbours.
    """
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(k).fit(train, labels).predict(test)


@one_thread
def cluster_scores(train: np.ndarray, test: np.ndarray, labels: np.ndarray, clusters: int, seed: int) -> tuple[float, float]:
    """Normalised mutual information and adjusted Rand index between k-means clusters, fitted to `train`, and the classes of `test`.

    Arguments:
        train: `(N, features)`, N >= clusters.
        test: `(M, features)`.
        labels: of `test`, `(M,)`.
        clusters: how many.
        seed: of the starts.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    found = KMeans(clusters, n_init=4, random_state=seed).fit(train).predict(test)
    return float(normalized_mutual_info_score(labels, found)), float(adjusted_rand_score(labels, found))


@one_thread
def normal_mixture(train: np.ndarray, test: np.ndarray, numbers: Sequence[int], seed: int) -> tuple[int, np.ndarray]:
    """A mixture of normals with covariances of their own, fitted to `train`: of how many, and its log density at `test`, `(M,)`, nats.

    How many is what the information criterion of `train` prefers (Schwarz 1978); the numbers are tried in turn until it gets worse.

    Arguments:
        train: `(N, features)`, columns of about deviation 1, N >= every number.
        test: `(M, features)`.
        numbers: of components, rising.
        seed: of the starts.
    """
    from sklearn.mixture import GaussianMixture

    best, least = None, np.inf
    for number in numbers:
        fitted = GaussianMixture(number, reg_covar=_RIDGE, random_state=seed).fit(train)
        found = fitted.bic(train)
        if found >= least:
            break
        best, least = fitted, found
    if best is None:
        raise ValueError("give numbers of components, and finite rows")
    return best.n_components, best.score_samples(test)


@one_thread
def principal(train: np.ndarray, width: int, seed: int, *others: np.ndarray) -> list[np.ndarray]:
    """`train` and others on the first principal components of `train`, as many as there can be up to `width`.

    Arguments:
        train: `(N, features)`.
        width: components wanted.
        seed: of the randomised solver.
        others: `(M, features)` each.
    """
    from sklearn.decomposition import PCA

    fitted = PCA(min(width, *train.shape), random_state=seed).fit(train)
    return [fitted.transform(values) for values in (train, *others)]


@one_thread
def told_apart(first: np.ndarray, second: np.ndarray, seed: int, folds: int = 3) -> dict[str, float]:
    """How well classifiers tell two samples apart: the area under the ROC curve of cross-validated predictions; 1/2 = not at all.

    Arguments:
        first: `(N, features)`.
        second: `(M, features)`.
        seed: of the folds and the trees.
        folds: of the cross-validation.

    Source: Lopez-Paz, Oquab 2017, arXiv:1610.06545.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # In float32, a column that is next to nothing in all rows of a fold but one would be divided by its deviation beyond what it holds.
    values, which = np.concatenate([first, second]).astype(np.float64), np.repeat([0, 1], [len(first), len(second)])
    # With leaves of twenty, few rows could not be split at all.
    leaf = max(min(20, len(values) // 10), 2)
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    boosted = HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=8, min_samples_leaf=leaf, early_stopping=False, random_state=seed
    )
    judges = {
        "gradient boosting": boosted,
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),
    }
    return {
        name: float(roc_auc_score(which, cross_val_predict(judge, values, which, cv=split, method="predict_proba")[:, 1]))
        for name, judge in judges.items()
    }


@one_thread
def forest(train: np.ndarray, labels: np.ndarray, test: np.ndarray, trees: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Importance of each feature in a random forest, `(features,)`, summing to 1 or all 0, and the classes of `test`.

    An importance is the mean fall of Gini impurity. Every feature may be split on, so that one which says nothing is left alone, and a leaf
    has 4 rows or more, so that trees do not grow into noise.

    Arguments:
        train: `(N, features)`.
        labels: `(N,)`.
        test: `(M, features)`.
        trees: how many.
        seed: of the rows that each tree sees.
    """
    from sklearn.ensemble import RandomForestClassifier

    grown = RandomForestClassifier(trees, max_features=None, min_samples_leaf=4, random_state=seed).fit(train, labels)
    return grown.feature_importances_, grown.predict(test)


@one_thread
def thresholds(train: np.ndarray, labels: np.ndarray, test: np.ndarray, wanted: np.ndarray) -> float:
    """Balanced accuracy in telling classes by thresholds on one feature, one fewer than there are classes; in [0, 1].

    Arguments:
        train: `(N,)`.
        labels: of `train`, `(N,)`.
        test: `(M,)`.
        wanted: classes of `test`, `(M,)`.
    """
    from sklearn.tree import DecisionTreeClassifier

    leaves = max(len(np.unique(labels)), 2)
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, class_weight="balanced", random_state=0).fit(train[:, None], labels)
    guess = tree.predict(test[:, None])
    return float(np.mean([(guess[wanted == label] == label).mean() for label in np.unique(wanted)]))


@one_thread
def one_against_rest(train: np.ndarray, labels: np.ndarray, test: np.ndarray, wanted: np.ndarray) -> list[float]:
    """Area under the ROC curve of logistic regression for each class against the rest; classes that one of the samples lacks are left out.

    Arguments:
        train: `(N, features)`.
        labels: of `train`, `(N,)`.
        test: `(M, features)`.
        wanted: classes of `test`, `(M,)`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    areas = []
    for label in np.unique(labels):
        known, true = labels == label, wanted == label
        if known.all() or true.all() or not true.any():
            continue
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(train, known)
        areas.append(float(roc_auc_score(true, probe.decision_function(test))))
    return areas
