r"""Whether the latent means tell the classes apart, beside what principal components of the same width can do.

    linear probe: accuracy of argmax_y w_y . E_q[z] + b_y        nearest neighbours: majority of the k nearest training rows
    clusters: k-means with one cluster a class; normalised mutual information and adjusted Rand index against the classes

Everything is fitted on training rows and measured on held-out rows; an accuracy's floor is that of the commonest training class.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from vaekit.core.system import System
from vaekit.evaluation.classical import cluster_scores, linear_probe, nearest_neighbours, principal
from vaekit.evaluation.figure import Figure, figure
from vaekit.evaluation.values import features, filled, kind_of, take
from vaekit.tasks.encode import encode
from vaekit.tasks.walk import Rows

__all__ = ["measure_representation"]

_NEIGHBOURS = 10


def measure_representation(
    system: System, train_rows: Rows, test_rows: Rows, seed: int = 0, train_most: int = 5000, test_most: int = 2000
) -> dict[str, Any] | None:
    """Probes of the latent as JSON, each figure with `pca` and `floor` beside it; None where fewer than two classes are labelled.

    Arguments:
        system: fitted.
        train_rows: what the probes are fitted to; unlabelled rows are left out.
        test_rows: what they are measured on.
        seed: of the subsample and the clusters.
        train_most: at most so many training rows.
        test_most: at most so many held-out rows.
    """
    if "label" not in train_rows or "label" not in test_rows:
        return None
    train, test = (take(_labelled(rows), most, seed) for rows, most in ((train_rows, train_most), (test_rows, test_most)))
    if not len(test["x"]) or len(torch.unique(train["label"])) < 2:
        return None
    kind = kind_of(system)
    codes = [encode(system, rows, seed).mean for rows in (train, test)]
    values = [features(filled(system, rows, seed)[0], kind) for rows in (train, test)]
    components = principal(values[0], codes[0].shape[1], seed, values[1])
    labels = [rows["label"].cpu().numpy() for rows in (train, test)]
    return {"figures": _probed(codes, components, labels, seed), "components": components[0].shape[1]}


def _labelled(rows: Rows) -> dict[str, torch.Tensor]:
    seen = rows["label"] >= 0
    return {name: values[seen] for name, values in rows.items()}


def _probed(codes: list[np.ndarray], components: list[np.ndarray], labels: list[np.ndarray], seed: int) -> list[Figure]:
    (learnt, asked), n = labels, len(labels[1])
    k, classes = min(_NEIGHBOURS, len(learnt)), len(np.unique(learnt))
    usual = float((asked == np.bincount(learnt).argmax()).mean())
    fitted = f"fitted to the latent means of {len(learnt)} training rows"
    probes: dict[str, tuple[str, Callable[..., np.ndarray]]] = {
        f"logistic regression {fitted}": ("linear probe", linear_probe),
        f"majority of {k} neighbours, {fitted}": ("nearest neighbours", partial(nearest_neighbours, k=k)),
    }
    found = []
    for protocol, (name, probe) in probes.items():
        own, pca = (float((probe(train, learnt, test) == asked).mean()) for train, test in (codes, components))
        found.append(figure(name, own, "share", "higher", f"accuracy of {protocol}", n, seed, pca=pca, floor=usual))
    own_scores, pca_scores = (cluster_scores(train, test, asked, classes, seed) for train, test in (codes, components))
    protocol = f"k-means with {classes} clusters {fitted}"
    for name, own, pca in zip(("normalised mutual information", "adjusted Rand index"), own_scores, pca_scores):
        found.append(figure(f"clusters, {name}", own, "1", "higher", protocol, n, seed, pca=pca, floor=0.0))
    return found
