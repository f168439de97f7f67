r"""Unsupervised disentanglement ranking: whether models that differ in their seed alone have found the same coordinates.

    R_ab = abs(rank correlation of coordinate a of one model and b of another),   over informative coordinates: mean KL > 0.01 nats
    UDR_ij = 1 / (d_i + d_j) [ sum_b r_b^2 / sum_a R_ab + sum_a r_a^2 / sum_b R_ab ],   r_b = max_a R_ab,  r_a = max_b R_ab
    UDR_i = median over j != i of UDR_ij

Models agree on coordinates up to order and sign where they are disentangled; entangled ones may be rotated at will. No factor is needed.
(Duan, Matthey, Saraiva, Watters, Burgess, Lerchner, Higgins 2020, arXiv:1905.12614)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vaekit.core.errors import InputError
from vaekit.evaluation.figure import Figure, figure

__all__ = ["rank_agreement", "rank_correlations"]


def rank_agreement(codes: Sequence[Any], informative: Sequence[Any] | None = None, seed: int = 0) -> list[Figure]:
    """UDR of each model and their mean: 1 = all models have the same informative coordinates, up to order, sign and scale.

    Arguments:
        codes: of the same rows by each model, each `(N, latent)`; the latents' widths may differ.
        informative: which coordinates of each model hold something, each `(latent,)`, bool; None = those that vary.
        seed: noted with the figures; nothing is drawn.

    Raises:
        InputError: where there are fewer than two models, or their codes are not of the same rows.

    Source: Duan et al. 2020, arXiv:1905.12614.
    """
    held = [np.asarray(z, dtype=np.float64) for z in codes]
    if len(held) < 2:
        raise InputError(f"models are compared with one another, but there is {len(held)}: give 2 or more, of other seeds")
    for number, z in enumerate(held):
        if z.ndim != 2 or len(z) != len(held[0]):
            raise InputError(f"codes of model {number} have shape {z.shape}: give (rows, latent) of the same {len(held[0])} rows for each")
        if not np.isfinite(z).all():
            raise InputError(f"codes of model {number} are not finite: drop those rows from every model's")
    kept = [np.ptp(z, axis=0) > 0 for z in held] if informative is None else [np.asarray(which, dtype=bool) for which in informative]
    if len(kept) != len(held) or any(len(which) != z.shape[1] for which, z in zip(kept, held)):
        raise InputError("informative must hold one list of true and false for each model, as long as its latent is wide")
    ranks = [_standard_ranks(z[:, which]) for z, which in zip(held, kept)]
    pairs = np.full((len(ranks), len(ranks)), np.nan)
    for i, first in enumerate(ranks):
        for j, second in enumerate(ranks[:i]):
            pairs[i, j] = pairs[j, i] = _agreement(np.abs(first.T @ second))
    scores = np.nanmedian(pairs, axis=1)
    n, how = len(held[0]), f"median over the {len(held) - 1} other models; rank correlations of informative coordinates"
    found = [figure("unsupervised disentanglement ranking", float(scores.mean()), "1", "higher", f"mean over models; {how}", n, seed)]
    return found + [
        figure(f"unsupervised disentanglement ranking, model {number}", float(score), "1", "higher", how, n, seed)
        for number, score in enumerate(scores)
    ]


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each column of one with each of the other, `(columns, columns)`; 0 where a column does not vary.

    Arguments:
        first: `(N, columns)`.
        second: `(N, columns)`.
    """
    return _standard_ranks(first).T @ _standard_ranks(second)


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of each column, ties at their mean, centred and of length one."""
    ranks = np.empty(values.shape)
    for place, column in enumerate(values.T):
        _, number, counts = np.unique(column, return_inverse=True, return_counts=True)
        ranks[:, place] = (np.cumsum(counts) - (counts - 1) / 2)[number]
    ranks -= ranks.mean(0)
    length = np.linalg.norm(ranks, axis=0)
    return ranks / np.where(length > 0, length, 1.0)


def _agreement(likeness: np.ndarray) -> float:
    """UDR of a pair from its table of likenesses; 0 where a model has no informative coordinate."""
    if not likeness.size:
        return 0.0
    total = 0.0
    for axis in (0, 1):
        sums = likeness.sum(axis)
        total += float((likeness.max(axis)[sums > 0] ** 2 / sums[sums > 0]).sum())
    return total / sum(likeness.shape)
