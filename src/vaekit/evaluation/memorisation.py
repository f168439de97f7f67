r"""Whether samples repeat training rows.

With d_1 <= d_2 the distances from a row to its two nearest training rows, samples G, held-out rows H and r = ceil(|H| / 100):

    lone     = d_1 / d_2: near 0 where a row lies at one training row and nowhere else, near 1 where it lies among several
    copied   = k / |G|,  k = how many g have a smaller lone than the r-th smallest of H
    p        = P(k or more | G and H are alike) = P(Hypergeometric(|G| + |H|, |H|, k + r - 1) <= r - 1)
    nearness = P(d_1(g) < d_1(h)): 1/2 where samples are as close to training rows as held-out rows are
               (Meehan, Chaudhuri, Dasgupta 2020, arXiv:2004.05675)

Nearness alone would accuse every smooth model, whose samples lie close to everything; the quotient asks for closeness to one row.
The p-value is exact whatever the distribution of the rows: where G and H are alike, every order of their quotients is as probable
as another, and a tie counts for the model.
"""

from dataclasses import dataclass
from math import ceil, comb

import numpy as np
import torch

__all__ = ["ALARM", "Memorisation", "memorisation", "nearest_two"]

ALARM = 1e-3
"""A p-value below which samples are said to repeat training rows: one model in a thousand is accused wrongly."""

_RARE = 0.01
_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class Memorisation:
    """What the distances to training rows say.

    Arguments:
        copied: share of the samples that lie closer to one training row, relative to the next, than 99 % of held-out rows do.
        expected: the share of held-out rows that do.
        p_value: of so many copied samples, where samples and held-out rows are alike.
        nearness: probability that a sample is closer to a training row than a held-out row is.
        standard_error: of `nearness`.
        lone: d_1 / d_2 of each sample.
        nearest: position of each sample's nearest training row.
    """

    copied: float
    expected: float
    p_value: float
    nearness: float
    standard_error: float
    lone: np.ndarray
    nearest: np.ndarray


def memorisation(train: np.ndarray, held_out: np.ndarray, samples: np.ndarray) -> Memorisation:
    """Compare samples with held-out rows by their distances to training rows.

    Arguments:
        train: `(N, features)`, at least two different rows.
        held_out: `(M, features)`, M >= 2.
        samples: `(K, features)`, K >= 2.

    Raises:
        ValueError: where there are too few rows.
    """
    distinct, position = np.unique(train, axis=0, return_index=True)
    if min(len(distinct), len(held_out), len(samples)) < 2:
        raise ValueError(f"needs 2 or more of each, not {len(distinct)} different training rows, {len(held_out)} and {len(samples)}")
    (near_held, lone_held, _), (near, lone, nearest) = (nearest_two(distinct, rows) for rows in (held_out, samples))
    rank, m, k = ceil(_RARE * len(held_out)), len(held_out), len(samples)
    below = int((lone < np.sort(lone_held)[rank - 1]).sum())
    nearness, error = _won(near, near_held)
    return Memorisation(below / k, rank / m, _tail(below, rank, k, m), nearness, error, lone, position[nearest])


def nearest_two(train: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From each row to the training rows: d_1, d_1 / d_2, and which one is the nearest.

    Arguments:
        train: `(N, features)`, all different.
        rows: `(M, features)`.
    """
    # In double precision: of rows far from zero, the products that distances are made of round to more than the distances.
    known, asked = torch.from_numpy(train).double(), torch.from_numpy(rows).double()
    size = max(_AT_ONCE // len(train), 1)
    pairs = [torch.cdist(part, known).topk(2, largest=False) for part in asked.split(size)]
    d, which = (torch.cat(parts) for parts in zip(*pairs))
    # Training rows are different, so that only one of them can be at no distance.
    return d[:, 0].numpy(), (d[:, 0] / d[:, 1].clamp(min=1e-30)).numpy(), which[:, 0].numpy()


def _tail(below: int, rank: int, samples: int, held_out: int) -> float:
    """The probability of as many samples or more before the held-out row of this rank, in an order drawn at random."""
    first = below + rank - 1
    ways = sum(comb(held_out, i) * comb(samples, first - i) for i in range(rank))
    return ways / comb(held_out + samples, first)


def _won(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """P(first < second) + P(equal) / 2, and its standard error (DeLong, DeLong, Clarke-Pearson 1988)."""

    def share(values: np.ndarray, of: np.ndarray) -> np.ndarray:
        ordered = np.sort(of)
        return 1 - (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(of))

    ahead, behind = share(first, second), share(second, first)
    return float(ahead.mean()), float(np.sqrt(ahead.var(ddof=1) / len(first) + behind.var(ddof=1) / len(second)))
