r"""All measures of disentanglement of one set of codes, or of a system's.

    codes = posterior's means E_q[z|x];   a coordinate that stays at the prior, mean KL(q(z_j|x) || p(z_j)) <= 0.01 nats, is held constant

A collapsed coordinate's mean still moves with x by hundredths, and bins and trees would read it; a draw from its posterior tells nothing.
How the scores differ, and that none of them makes the others needless: Locatello et al. 2019, arXiv:1811.12359.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.evaluation.disentanglement.agreement import rank_agreement
from vaekit.evaluation.disentanglement.information import modularity, mutual_information_gap
from vaekit.evaluation.disentanglement.interventions import beta_vae_score, factor_vae_score
from vaekit.evaluation.disentanglement.labelled import BINS, labelled
from vaekit.evaluation.disentanglement.prediction import MOST_FITTED, dci_scores, explicitness, separated_attributes
from vaekit.evaluation.figure import Figure
from vaekit.evaluation.latent import ACTIVE
from vaekit.tasks.encode import encode
from vaekit.tasks.rates import dimension_rates
from vaekit.tasks.walk import Rows, count

__all__ = ["disentanglement", "informative_codes", "measure_agreement", "measure_disentanglement"]

_FEWEST = 20


def disentanglement(
    codes: Any, factors: Any, names: Sequence[str] = (), categorical: Sequence[str | int] = (), bins: int = BINS, seed: int = 0,
    most: int = MOST_FITTED,
) -> list[Figure]:
    """MIG, modularity, SAP, DCI, explicitness, and the beta-VAE's and the FactorVAE's scores of codes beside the factors of their rows.

    Arguments:
        codes: `(N, latent)`, latent of 2 or more.
        factors: `(N, factors)`, numbers, text or booleans, 2 or more.
        names: of the factors; empty = `factor 0`, `factor 1`, ...
        categorical: names or places of factors whose numbers are names; text and booleans always are.
        bins: of a coordinate, where mutual information is read.
        seed: of subsamples, draws and trees.
        most: rows that predictors are fitted to and measured on, both together; more take longer in proportion.

    Raises:
        InputError: where codes and factors do not fit together, or are too few.
    """
    rows = labelled(codes, factors, names, categorical)
    if rows.rows < _FEWEST:
        raise InputError(f"{rows.rows} rows are too few to fit predictors to: give {_FEWEST} or more")
    return [
        *mutual_information_gap(rows, bins, seed), *dci_scores(rows, seed=seed, most=most), *separated_attributes(rows, seed, most),
        *factor_vae_score(rows, seed=seed), *beta_vae_score(rows, seed=seed), *modularity(rows, bins, seed),
        *explicitness(rows, seed, most),
    ]


def measure_disentanglement(
    system: System, rows: Rows, factors: Any, names: Sequence[str] = (), categorical: Sequence[str | int] = (), bins: int = BINS,
    seed: int = 0, most: int = MOST_FITTED,
) -> list[Figure]:
    """`disentanglement` of a system's posterior means; coordinates that stay at the prior are held constant.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        factors: of the same rows, `(N, factors)`.
        names: of the factors.
        categorical: names or places of factors whose numbers are names.
        bins: of a coordinate.
        seed: of subsamples, draws and trees, and of what is redrawn each time a row is seen.
        most: rows that predictors are fitted to and measured on, both together.

    Raises:
        InputError: where rows and factors do not fit together, before any row is encoded.
    """
    labelled(np.zeros((count(rows), 2)), factors, names, categorical)
    codes, kept = informative_codes(system, rows, seed)
    how = f"posterior means, {int(kept.sum())} of {len(kept)} coordinates above {ACTIVE} nats, the others held constant"
    found = disentanglement(codes, factors, names, categorical, bins, seed, most)
    return [{**figure, "protocol": f"{figure['protocol']}; {how}"} for figure in found]


def measure_agreement(systems: Sequence[System], rows: Sequence[Rows] | Mapping[str, Tensor], seed: int = 0) -> list[Figure]:
    """`rank_agreement` of the posterior means of several systems on the same rows: same options, other seeds.

    Arguments:
        systems: fitted, 2 or more.
        rows: the same rows as each system's modality stored them; one set serves all where their modalities are alike.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where there are fewer than two systems, or other numbers of rows.
    """
    sets = [rows] * len(systems) if isinstance(rows, Mapping) else list(rows)
    if len(sets) != len(systems):
        raise InputError(f"{len(sets)} sets of rows do not pair with {len(systems)} systems: give one set for all, or one each")
    found = [informative_codes(system, each, seed) for system, each in zip(systems, sets)]
    return rank_agreement([codes for codes, _ in found], [kept for _, kept in found], seed)


def informative_codes(system: System, rows: Rows, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means `(N, latent)`, and which coordinates hold something, `(latent,)`, bool; the others are 0.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        seed: of what is redrawn each time a row is seen.
    """
    codes, rates = encode(system, rows, seed).mean.astype(np.float64), dimension_rates(system, rows, seed)
    # A rate that does not fall apart into coordinates is no reason to leave one out.
    kept = ~(rates <= ACTIVE)
    return np.where(kept, codes, 0.0), kept
