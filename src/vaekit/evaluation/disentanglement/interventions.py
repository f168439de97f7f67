r"""Whether it shows in the codes which factor was held while the others varied.

    pairs    z = mean_l |z_l - z'_l| over L pairs of rows that share the value of v_k;          a linear classifier tells k from z
    groups   d = argmin_j Var[z_j] / Var_all[z_j] over L rows that share the value of v_k;      a majority vote tells k from d

Both are accuracies on fresh pairs and groups; chance is 1 / K. (Higgins et al. 2017; Kim, Mnih 2018, arXiv:1802.05983)
"""

from collections.abc import Callable

import numpy as np

from vaekit.evaluation.classical import linear_probe
from vaekit.evaluation.disentanglement.labelled import Labelled
from vaekit.evaluation.figure import Figure, figure

__all__ = ["beta_vae_score", "factor_vae_score"]

_AT_ONCE = 1 << 22
_Drawn = Callable[[int], tuple[np.ndarray, np.ndarray]]


class _Held:
    """Draws rows that share a factor's value: the value is that of a row at random, the others are rows of the same value.

    Arguments:
        rows: with codes and factors.
    """

    def __init__(self, rows: Labelled):
        self.rows = rows
        # Sorted by a factor's value, the rows of one value stand together.
        self.order = np.argsort(rows.factors, axis=0, kind="stable").T
        self.starts = [np.concatenate([[0], np.cumsum(np.bincount(factor))]) for factor in rows.factors.T]

    def sharing(self, factor: np.ndarray, value: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """One row for each place of `value` at random among those of that value, shaped like it; `factor` is along its first axis."""
        found = np.empty(value.shape, np.int64)
        for k in np.unique(factor):
            here = factor == k
            low, high = self.starts[k][value[here]], self.starts[k][value[here] + 1]
            found[here] = self.order[k][random.integers(low, high)]
        return found


def beta_vae_score(rows: Labelled, pairs: int = 64, draws: int = 5000, seed: int = 0) -> list[Figure]:
    """Accuracy with which logistic regression tells the factor that pairs of rows share from the mean distance of their codes.

    Arguments:
        rows: with codes and factors.
        pairs: L, over which distances are averaged.
        draws: averaged distances to fit to, and as many to measure on.
        seed: of the draws.

    Source: Higgins et al. 2017, beta-VAE: Learning basic visual concepts with a constrained variational framework.
    """
    random, held = np.random.default_rng(seed), _Held(rows)

    def drawn(size: int) -> tuple[np.ndarray, np.ndarray]:
        factor = random.integers(0, rows.factors.shape[1], size)
        one = random.integers(0, rows.rows, (size, pairs))
        other = held.sharing(factor, rows.factors[one, factor[:, None]], random)
        return np.abs(rows.codes[one] - rows.codes[other]).mean(1), factor

    fitted, asked = _in_pieces(drawn, draws, pairs, rows), _in_pieces(drawn, draws, pairs, rows)
    right = float((linear_probe(*fitted, asked[0]) == asked[1]).mean())
    drawn_from = f"{draws} mean distances of {pairs} pairs that share one factor's value"
    how = f"accuracy of logistic regression on {drawn_from}, fitted to as many others"
    return [figure("beta-VAE score", right, "share", "higher", how, rows.rows, seed, floor=1 / rows.factors.shape[1])]


def factor_vae_score(rows: Labelled, group: int = 64, votes: int = 5000, seed: int = 0) -> list[Figure]:
    """Accuracy with which the coordinate that varies least in a group of rows tells which factor the group shares.

    Arguments:
        rows: with codes and factors.
        group: L, rows of a group.
        votes: groups that vote, and as many to measure on.
        seed: of the draws.

    Source: Kim, Mnih 2018, arXiv:1802.05983.
    """
    random, held = np.random.default_rng(seed), _Held(rows)
    variance, factors = rows.codes.var(0), rows.factors.shape[1]
    # A coordinate that is the same everywhere would always vary least.
    varying = np.flatnonzero(variance > 0)
    how = f"accuracy on {votes} groups of {group} rows that share one factor's value, after a majority vote of as many others"
    if not len(varying):
        none = f"{how}; no coordinate varies"
        return [figure("FactorVAE score", 1 / factors, "share", "higher", none, rows.rows, seed, floor=1 / factors)]

    def drawn(size: int) -> tuple[np.ndarray, np.ndarray]:
        factor = random.integers(0, factors, size)
        value = rows.factors[random.integers(0, rows.rows, size), factor]
        members = held.sharing(factor, np.repeat(value[:, None], group, axis=1), random)
        spread = rows.codes[members][..., varying].var(1, ddof=1) / variance[varying]
        return spread.argmin(1), factor

    (least, factor), (asked, wanted) = _in_pieces(drawn, votes, group, rows), _in_pieces(drawn, votes, group, rows)
    cast = np.zeros((len(varying), factors), np.int64)
    np.add.at(cast, (least, factor), 1)
    right = float((cast.argmax(1)[asked] == wanted).mean())
    return [figure("FactorVAE score", right, "share", "higher", how, rows.rows, seed, floor=1 / factors)]


def _in_pieces(drawn: _Drawn, draws: int, each: int, rows: Labelled) -> tuple[np.ndarray, np.ndarray]:
    """`draws` of what `drawn` makes, of bounded memory at a time."""
    size = max(_AT_ONCE // (each * rows.codes.shape[1]), 1)
    parts = [drawn(min(size, draws - start)) for start in range(0, draws, size)]
    return np.concatenate([codes for codes, _ in parts]), np.concatenate([factors for _, factors in parts])
