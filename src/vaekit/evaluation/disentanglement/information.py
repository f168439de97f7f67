r"""What each coordinate tells of each factor, in nats, and two scores of how it is shared out.

    I(z_j; v_k) = sum p(z_j, v_k) log [p(z_j, v_k) / (p(z_j) p(v_k))],   z_j cut into bins of equal width
    MIG = mean_k [I(z_a; v_k) - I(z_b; v_k)] / H(v_k),   a and b the coordinates that tell most and second most of v_k
    modularity = mean_j 1 - sum_{k != k_j} I(z_j; v_k)^2 / [I(z_j; v_{k_j})^2 (K - 1)],   k_j the factor of which z_j tells most

(Chen, Li, Grosse, Duvenaud 2018, arXiv:1802.04942; Ridgeway, Mozer 2018, arXiv:1802.05312; bins: Locatello et al. 2019, arXiv:1811.12359)
"""

import numpy as np

from vaekit.core.errors import InputError
from vaekit.evaluation.disentanglement.labelled import BINS, Labelled, binned
from vaekit.evaluation.figure import Figure, figure

__all__ = ["entropies", "modularity", "mutual_information", "mutual_information_gap"]


def mutual_information(rows: Labelled, bins: int = BINS) -> np.ndarray:
    """I(z_j; v_k) between each coordinate and each factor, `(latent, factors)`, nats.

    Arguments:
        rows: with codes and factors.
        bins: of a coordinate.

    Raises:
        InputError: where there are fewer than two bins.
    """
    if bins < 2:
        raise InputError(f"bins must be 2 or more, not {bins}")
    cut = binned(rows.codes, bins)
    return np.array([[_information(code, factor) for factor in rows.factors.T] for code in cut.T])


def entropies(rows: Labelled) -> np.ndarray:
    """H(v_k) of each factor, `(factors,)`, nats."""
    return np.array([_entropy(np.bincount(factor)) for factor in rows.factors.T])


def _entropy(counts: np.ndarray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _information(code: np.ndarray, factor: np.ndarray) -> float:
    """H(z) + H(v) - H(z, v); no less than 0 in arithmetic of limited precision."""
    together = np.bincount(code * (factor.max() + 1) + factor)
    return max(_entropy(np.bincount(code)) + _entropy(np.bincount(factor)) - _entropy(together), 0.0)


def mutual_information_gap(rows: Labelled, bins: int = BINS, seed: int = 0) -> list[Figure]:
    """MIG = mean_k [I(z_a; v_k) - I(z_b; v_k)] / H(v_k): 1 = each factor is told by one coordinate alone; and each factor's own.

    Arguments:
        rows: with codes and factors.
        bins: of a coordinate.
        seed: noted with the figures; nothing is drawn.

    Source: Chen, Li, Grosse, Duvenaud 2018, arXiv:1802.04942.
    """
    ranked = np.sort(mutual_information(rows, bins), axis=0)
    gaps = (ranked[-1] - ranked[-2]) / entropies(rows)
    how = f"mutual information with codes cut into {bins} bins of equal width"
    each = f"difference of the two largest over the factor's entropy; {how}"
    found = [figure("mutual information gap", float(gaps.mean()), "1", "higher", f"mean over factors; {each}", rows.rows, seed)]
    return found + [
        figure(f"mutual information gap, {name}", float(gap), "1", "higher", each, rows.rows, seed) for name, gap in zip(rows.names, gaps)
    ]


def modularity(rows: Labelled, bins: int = BINS, seed: int = 0) -> list[Figure]:
    """Modularity = mean_j 1 - sum of the squared information on other factors over (K - 1) times that on its own: 1 = one factor each.

    Arguments:
        rows: with codes and factors.
        bins: of a coordinate.
        seed: noted with the figure; nothing is drawn.

    Source: Ridgeway, Mozer 2018, arXiv:1802.05312.
    """
    squared = mutual_information(rows, bins) ** 2
    most, all_of_it = squared.max(1), squared.sum(1)
    # A coordinate that is the same in all rows belongs to no factor, and to several neither.
    telling = most > 0
    spread = (all_of_it - most)[telling] / (most[telling] * (squared.shape[1] - 1))
    score = float((1 - spread).mean()) if telling.any() else np.nan
    how = f"mean over the {int(telling.sum())} coordinates that vary; mutual information with codes cut into {bins} bins of equal width"
    return [figure("modularity", score, "1", "higher", how, rows.rows, seed)]
