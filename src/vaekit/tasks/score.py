r"""How likely each row is: the importance-weighted bound (Burda, Grosse, Salakhutdinov 2015, arXiv:1509.00519).

    log p(x) >= E log (1/K) sum_k w_k,   w_k = p(x, z_k) / q(z_k|x),   z_k ~ q(z|x)
    distortion = -(1/K) sum_k log p(x|z_k),   rate = -(1/K) sum_k log p(z_k) / q(z_k|x),   so distortion + rate = -(1/K) sum_k log w_k
    effective sample size = (sum w)^2 / sum w^2,   bits per dimension = -nats / (dimensions log 2)

All of it is said of the same K draws. The logarithm is concave, so log (1/K) sum w >= (1/K) sum log w (Jensen) holds for every row, and
not only on average: nats >= -(distortion + rate), with equality at K = 1 or equal weights. An exact KL in place of the draws' own ratio
has less noise, but it is of other draws, and the three numbers of a row would contradict one another.

The sum runs over blocks of particles, so memory does not grow with K. Noise belongs to the row and to the block, and a block's size
depends on the shape of a row alone: a row has the same score in any order and any batch.
"""

from dataclasses import dataclass
from functools import reduce
from math import inf, log, prod

import numpy as np
import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import from_posterior
from vaekit.core.errors import InputError
from vaekit.core.noise import Noise
from vaekit.core.system import System
from vaekit.core.trace import Trace
from vaekit.tasks.walk import VALUES, Progress, Rows, at_rest, batches, chunk, count, needs_density, noise_of, silent

__all__ = ["Block", "Scores", "score"]

_BLOCK_VALUES, _BLOCK = 1 << 18, 50


@dataclass(frozen=True)
class Scores:
    """What importance sampling says of each row; nats, in the data's own units.

    Arguments:
        nats: bound on log p(x), `(N,)`.
        bits_per_dimension: -nats over the row's seen values, in bits, `(N,)`.
        distortion: -E_q[log p(x|z)], `(N,)`, nats.
        rate: KL(q || p), `(N,)`, nats, of the same draws; distortion + rate is -ELBO, and never below -nats.
        effective_sample_size: of the K weights, `(N,)`, 1 to K.
    """

    nats: np.ndarray
    bits_per_dimension: np.ndarray
    distortion: np.ndarray
    rate: np.ndarray
    effective_sample_size: np.ndarray


def score(
    system: System, rows: Rows, particles: int = 16, seed: int = 0, values: int = VALUES, progress: Progress = silent
) -> Scores:
    """The importance-weighted bound of each row.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        particles: K; the bound rises to log p(x) with it.
        seed: of the draws, and of what is redrawn each time a row is seen.
        values: how many numbers of data are held at a time; changes the speed, never the score.
        progress: told how many rows are done.

    Raises:
        InputError: where there are no rows, `particles` is below 1, or the model has no likelihood bound.
    """
    if particles < 1:
        raise InputError(f"particles must be 1 or more, not {particles}")
    needs_density(system, "no likelihood bound")
    total, found = count(rows), []
    block = max(min(_BLOCK_VALUES // prod(system.modality.event), _BLOCK, particles), 1)
    with at_rest(system, seed) as device:
        done = 0
        for batch in batches(system, rows, seed, chunk(system, block, values)):
            found.append(_scored(system, batch, particles, block, seed, device).cpu())
            done += batch.rows
            progress("likelihood", done, total)
    return Scores(*torch.cat(found, dim=1).numpy())


def _scored(system: System, batch: Batch, particles: int, block: int, seed: int, device: torch.device) -> Tensor:
    """The fields of `Scores` of one batch, `(5, B)`, float64."""
    noise = noise_of(batch, seed)
    weights = _Weights(batch.rows, device)
    for start in range(0, particles, block):
        weights.add(system.model(batch, from_posterior(min(block, particles - start), Block(noise, start))))
    log_det = system.modality.log_det(batch).double()
    nats = weights.log_total - log(particles) + log_det
    dimensions = prod(system.modality.event) if batch.observed is None else batch.observed.flatten(1).sum(1).clamp(min=1)
    distortion, rate = -weights.log_likelihood / particles - log_det, weights.rate / particles
    return torch.stack([nats, -nats / (dimensions * log(2)), distortion, rate, weights.effective])


@dataclass(frozen=True)
class Block:
    """Another stretch of a row's noise for each block of particles.

    Arguments:
        noise: of the rows.
        start: the block's first particle, from 0.
    """

    noise: Noise
    start: int

    def __call__(self, name: str, shape: torch.Size) -> Tensor:
        """The noise of this stretch."""
        return self.noise(f"{name} from particle {self.start}", shape)


class _Weights:
    """Running sums of w and w^2 by row, each relative to the largest w so far, so that none can overflow."""

    def __init__(self, rows: int, device: torch.device):
        self.log_likelihood, self.rate, self.total, self.squares = torch.zeros(4, rows, dtype=torch.float64, device=device)
        self.largest = torch.full((rows,), -inf, dtype=torch.float64, device=device)

    def add(self, trace: Trace) -> None:
        """Take in a block of particles."""
        log_likelihood = trace.log_likelihood.double()
        kl = -reduce(torch.add, (site.log_ratio().double() for site in trace.sites.values()))
        log_weight = log_likelihood - kl
        # A finite floor: an impossible row has weights of 0, and -inf less -inf would be NaN.
        largest = torch.maximum(self.largest, log_weight.amax(0)).clamp(min=torch.finfo(torch.float64).min)
        shrink, relative = (self.largest - largest).exp(), (log_weight - largest).exp()
        self.total = self.total * shrink + relative.sum(0)
        self.squares = self.squares * shrink.square() + relative.square().sum(0)
        self.largest = largest
        self.log_likelihood += log_likelihood.sum(0)
        self.rate += kl.sum(0)

    @property
    def log_total(self) -> Tensor:
        """log sum w."""
        return self.largest + self.total.log()

    @property
    def effective(self) -> Tensor:
        """(sum w)^2 / sum w^2."""
        return self.total.square() / self.squares
