r"""How well factors can be predicted from codes, and from how few coordinates.

    DCI: R_jk = importance of z_j in predicting v_k;   P_jk = R_jk / sum_k R_jk,   Q_jk = R_jk / sum_j R_jk
         disentanglement = sum_j r_j [1 - H_K(P_j.)],   completeness = sum_k c_k [1 - H_J(Q_.k)],   informativeness = mean accuracy
         r_j, c_k are the shares of R in row j and in column k;   H_B is the entropy to base B
    SAP = mean_k s_ak - s_bk,   s_jk how well z_j alone predicts v_k, a and b the best and the second-best coordinate
    explicitness = mean over factors and their values of 2 AUC - 1, one value against the rest by logistic regression

(Eastwood, Williams 2018, A framework for the quantitative evaluation of disentangled representations; Kumar, Sattigeri, Balakrishnan 2018,
arXiv:1711.00848; Ridgeway, Mozer 2018, arXiv:1802.05312)
"""

import numpy as np

from vaekit.evaluation.classical import forest, one_against_rest, thresholds
from vaekit.evaluation.disentanglement.labelled import Labelled
from vaekit.evaluation.figure import Figure, figure

__all__ = ["MOST_FITTED", "dci_scores", "explicitness", "importance_scores", "separated_attributes"]

MOST_FITTED = 10_000
"""Rows that predictors are fitted to and measured on, both together."""


def dci_scores(rows: Labelled, trees: int = 20, seed: int = 0, most: int = MOST_FITTED) -> list[Figure]:
    """DCI: disentanglement, completeness and informativeness by random forests, one a factor.

    Arguments:
        rows: with codes and factors.
        trees: of a forest.
        seed: of the rows and the trees.
        most: rows to fit to and to measure on, both together.

    Source: Eastwood, Williams 2018.
    """
    fitted, asked = rows.halves(most, seed)
    found = [forest(fitted.codes, factor, asked.codes, trees, seed) for factor in fitted.factors.T]
    right = [float((guess == factor).mean()) for (_, guess), factor in zip(found, asked.factors.T)]
    usual = np.mean([(factor == np.bincount(known).argmax()).mean() for known, factor in zip(fitted.factors.T, asked.factors.T)])
    disentangled, complete = importance_scores(np.stack([importance for importance, _ in found], axis=1))
    forests = f"random forests of {trees} trees fitted to {fitted.rows} rows"
    importances, accuracy, n = f"entropy of the importances in {forests}", f"mean accuracy of {forests}", asked.rows
    return [
        figure("DCI disentanglement", disentangled, "1", "higher", importances, n, seed),
        figure("DCI completeness", complete, "1", "higher", importances, n, seed),
        figure("DCI informativeness", float(np.mean(right)), "share", "higher", accuracy, n, seed, floor=usual),
    ]


def importance_scores(importances: np.ndarray) -> tuple[float, float]:
    """Disentanglement and completeness of a table of importances; NaN where no coordinate has any.

    Arguments:
        importances: R, `(latent, factors)`, 0 or more.
    """
    return _sharpness(importances), _sharpness(importances.T)


def _sharpness(table: np.ndarray) -> float:
    """Mean of 1 - entropy of each line, to the base of its length, weighted by the line's share of the whole."""
    sums = table.sum(1)
    if not sums.sum():
        return float("nan")
    shares = table[sums > 0] / sums[sums > 0, None]
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    sharp = 1 + (shares * logs).sum(1) / np.log(table.shape[1])
    # An even line has entropy 1 but for rounding.
    return max(float((sharp * sums[sums > 0]).sum() / sums.sum()), 0.0)


def separated_attributes(rows: Labelled, seed: int = 0, most: int = MOST_FITTED) -> list[Figure]:
    """SAP: how much better the best coordinate predicts a factor than the second best, mean over factors.

    A quantity is predicted by a line, scored by R^2 on all rows; a name by as many thresholds as it has values less one, scored by
    balanced accuracy on rows that the thresholds were not fitted to.

    Arguments:
        rows: with codes and factors.
        seed: of the rows that thresholds are fitted to.
        most: of them and of those that they are measured on, both together.

    Source: Kumar, Sattigeri, Balakrishnan 2018, arXiv:1711.00848.
    """
    scores = _explained(rows.codes, rows.amounts)
    fitted, asked = rows.halves(most, seed)
    for k in np.flatnonzero(rows.named):
        known, wanted = fitted.factors[:, k], asked.factors[:, k]
        scores[:, k] = [thresholds(one, known, other, wanted) for one, other in zip(fitted.codes.T, asked.codes.T)]
    ranked = np.sort(scores, axis=0)
    called = ", ".join(name for name, is_name in zip(rows.names, rows.named) if is_name) or "none"
    how = f"best less second-best coordinate, mean over factors: R^2 of a line, for names ({called}) balanced accuracy of thresholds"
    return [figure("separated attribute predictability", float((ranked[-1] - ranked[-2]).mean()), "1", "higher", how, rows.rows, seed)]


def _explained(codes: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Squared correlation of each coordinate with each factor, `(latent, factors)`: R^2 of a line; 0 where a coordinate does not vary."""
    z, v = codes - codes.mean(0), amounts - amounts.mean(0)
    product = np.outer((z * z).sum(0), (v * v).sum(0))
    return np.divide((z.T @ v) ** 2, product, out=np.zeros_like(product), where=product > 0)


def explicitness(rows: Labelled, seed: int = 0, most: int = MOST_FITTED) -> list[Figure]:
    """Explicitness: 2 AUC - 1 of telling each value of each factor from the rest by logistic regression, mean over all.

    Arguments:
        rows: with codes and factors.
        seed: of the rows.
        most: rows to fit to and to measure on, both together.

    Source: Ridgeway, Mozer 2018, arXiv:1802.05312.
    """
    fitted, asked = rows.halves(most, seed)
    areas = [one_against_rest(fitted.codes, known, asked.codes, wanted) for known, wanted in zip(fitted.factors.T, asked.factors.T)]
    each = np.array([2 * np.mean(area) - 1 if len(area) else np.nan for area in areas])
    score = float(np.nanmean(each)) if np.isfinite(each).any() else np.nan
    how = f"2 AUC - 1 of one value against the rest by logistic regression fitted to {fitted.rows} rows, mean over values, then factors"
    return [figure("explicitness", score, "1", "higher", how, asked.rows, seed)]
