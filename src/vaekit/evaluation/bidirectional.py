r"""How likely held-out rows are, by chains; and how far that can be from the truth.

    lower = log (1/K) sum_k w_k,     E lower <= log p(x)        on any rows
    upper = -log (1/K) sum_k 1/w'_k, E upper >= log p(x)        on rows drawn from the model, whose latents are known
    gap   = mean (upper - lower) on rows drawn from the model

(Wu, Burda, Salakhutdinov, Grosse 2017, arXiv:1611.04273; Grosse, Ghahramani, Adams 2015, arXiv:1511.02543.) Where rows drawn
from the model are like the held-out ones, the gap says how many nats at most the lower bound of the held-out rows may lie too low.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import from_prior
from vaekit.core.noise import Noise
from vaekit.core.system import System
from vaekit.evaluation.annealing import STARTS, Annealing, backward, forward, needs_moving_latents, settled, step_sizes
from vaekit.evaluation.figure import Figure, figure
from vaekit.tasks.walk import VALUES, Layout, Progress, Rows, at_rest, batches, chunk, count, layout, noise_of, silent

__all__ = ["Annealed", "Between", "annealed_nll", "between"]


@dataclass(frozen=True)
class Between:
    """Bounds on log p(x) of rows that were drawn from the model, nats, in the data's own units.

    Arguments:
        x: the rows in the model's space, `(N, *event)`.
        lower: `(N,)`.
        upper: `(N,)`.
    """

    x: Tensor
    lower: np.ndarray
    upper: np.ndarray

    @property
    def gap(self) -> float:
        """Mean of upper - lower, nats."""
        return float((self.upper - self.lower).mean())


@dataclass(frozen=True)
class Annealed:
    """Means over rows, in nats a row and the data's own units.

    Arguments:
        nats: lower bound on log p(x) of each held-out row, `(N,)`.
        standard_error: of their mean, from the chains alone.
        effective_sample_size: of the K weights, mean over rows.
        simulated: bounds on rows drawn from the model.
        how: chains walked.
        seed: of all draws.
    """

    nats: np.ndarray
    standard_error: float
    effective_sample_size: float
    simulated: Between
    how: Annealing
    seed: int

    def figures(self) -> list[Figure]:
        """To be reported."""
        n, made, how = len(self.nats), len(self.simulated.lower), self.how
        walked = (
            f"{how.chains} chains a row from {STARTS[how.start]} over {how.temperatures} temperatures, {how.leaps} leapfrog steps each, "
            "mean over rows"
        )
        sampling = float(self.nats.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
        drawn = f"{made} rows drawn from the model, whose log p(x) lies between the two bounds; {walked}"
        return [
            figure(
                "negative log-likelihood, annealed", -float(self.nats.mean()), "nats", "lower",
                f"annealed importance sampling, an upper bound in expectation: {walked}", n, self.seed,
                standard_error=self.standard_error, sampling_error=sampling,
            ),
            figure("gap between the annealed bounds", self.simulated.gap, "nats", "lower", drawn, made, self.seed),
            figure("effective sample size, annealed", self.effective_sample_size, "chains", "higher", walked, n, self.seed),
        ]


def annealed_nll(
    system: System, rows: Rows, how: Annealing | None = None, seed: int = 0, simulated: int = 0, values: int = VALUES,
    progress: Progress = silent,
) -> Annealed:
    """The negative log-likelihood of rows by annealed importance sampling, with the gap that it has on rows drawn from the model.

    Arguments:
        system: fitted, with continuous latents.
        rows: stored by the system's modality.
        how: chains walk; None = `Annealing()`.
        seed: of all draws.
        simulated: rows to draw from the model; 0 = as many as are given.
        values: how many numbers of data are held at a time.
        progress: told how many rows are done.

    Raises:
        InputError: where there are no rows, or the model has a latent that is discrete, confined or a point.
    """
    needs_moving_latents(system)
    how = settled(system, Annealing() if how is None else how)
    places, total, found = layout(system), count(rows), []
    made = between(system, simulated or total, how, seed, rows.get("condition"), values, progress)
    with at_rest(system, seed):
        done = 0
        for batch in batches(system, rows, seed, _size(system, how, values)):
            found.append(_ahead(system, batch, places, how, noise_of(batch, seed)).cpu())
            done += batch.rows
            progress("annealing held-out rows", done, total)
    log_w = torch.cat(found, dim=1)
    lower = log_w.logsumexp(0) - log(how.chains)
    effective = (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp()
    variance = (1 / effective - 1 / how.chains).clamp(min=0)
    return Annealed(lower.numpy(), float(variance.sum().sqrt()) / total, float(effective.mean()), made, how, seed)


def between(
    system: System, rows: int, how: Annealing | None = None, seed: int = 0, condition: Tensor | None = None, values: int = VALUES,
    progress: Progress = silent,
) -> Between:
    """Draw rows from the model and put their log p(x) between two bounds.

    Arguments:
        system: fitted, with continuous latents.
        rows: how many to draw.
        how: chains walk; None = `Annealing()`.
        seed: of all draws.
        condition: `(N, width)`, as the modality encodes it, repeated for as many rows as are drawn; None where the model has none.
        values: how many numbers of data are held at a time.
        progress: told how many rows are done.

    Raises:
        InputError: where the model has a latent that is discrete, confined or a point.
    """
    needs_moving_latents(system)
    how = settled(system, Annealing() if how is None else how)
    places, found = layout(system), []
    with at_rest(system, seed) as device:
        for batch, z in _drawn(system, rows, condition, places, _size(system, how, values), device):
            noise = noise_of(batch, seed)
            sizes = step_sizes(system, batch, places, how, _Apart(noise, "pilot"))
            ahead = forward(system, batch, places, how, sizes, _Apart(noise, "forward"))
            back = backward(system, batch, places, how, sizes, _Apart(noise, "backward"), z)
            log_det, many = system.modality.log_det(batch).double(), log(how.chains)
            bounds = ahead.logsumexp(0) - many + log_det, many - (-back).logsumexp(0) + log_det
            found.append((batch.x.cpu(), *(bound.cpu() for bound in bounds)))  # type: ignore[union-attr]
            progress("annealing drawn rows", sum(len(part[0]) for part in found), rows)
    x, lower, upper = (torch.cat(parts) for parts in zip(*found))
    return Between(x, lower.numpy(), upper.numpy())


def _ahead(system: System, batch: Batch, places: Layout, how: Annealing, noise: Noise) -> Tensor:
    sizes = step_sizes(system, batch, places, how, _Apart(noise, "pilot"))
    return forward(system, batch, places, how, sizes, _Apart(noise, "forward")) + system.modality.log_det(batch).double()


def _drawn(
    system: System, rows: int, condition: Tensor | None, places: Layout, size: int, device: torch.device
) -> Iterator[tuple[Batch, Tensor]]:
    """Rows drawn from the model with the latents they were drawn with."""
    for start in range(0, rows, size):
        n, given = min(size, rows - start), None
        if condition is not None:
            given = condition[torch.arange(start, start + n) % len(condition)].to(device)
        trace = system.model(Batch(condition=given, size=n), from_prior())
        z = places.join({name: site.z for name, site in trace.sites.items()})
        yield Batch(trace.likelihood.sample()[0], condition=given, population=system.modality.rows), z


def _size(system: System, how: Annealing, values: int) -> int:
    """Rows at a time: a gradient keeps every layer, which is several times what a walk without one holds."""
    return chunk(system, how.chains, values // 4)


@dataclass(frozen=True)
class _Apart:
    """Noise that no other use shares.

    Arguments:
        noise: of the rows.
        word: of the use.
    """

    noise: Noise
    word: str

    def __call__(self, name: str, shape: torch.Size) -> Tensor:
        """Its uniforms."""
        return self.noise(f"{self.word}: {name}", shape)
