r"""How likely held-out rows are under the model.

    -ELBO = distortion + rate = -E_q[log p(x|z)] + KL(q(z|x) || p(z)) >= -log p(x)
    NLL ~ -log (1/K) sum_k p(x, z_k) / q(z_k|x)          (Burda, Grosse, Salakhutdinov 2015, arXiv:1509.00519)

Where the posterior has no randomness, as that of a quantiser, all weights of a row are equal: log p(x|z) + log p(z) of the one z is
the bound, and one draw says all of it.

The importance estimate of a row has the relative variance 1/ESS - 1/K (delta method), whence the standard error of the mean over
rows.
"""

from dataclasses import dataclass

import numpy as np

from vaekit.core.choose import centre
from vaekit.core.system import System
from vaekit.evaluation.figure import Figure, figure
from vaekit.tasks.score import Scores, score
from vaekit.tasks.walk import VALUES, Progress, Rows, at_rest, silent

__all__ = ["Likelihood", "explained_by", "importance_nll", "settled"]


@dataclass(frozen=True)
class Likelihood:
    """Means over rows, in nats a row and the data's own units.

    Arguments:
        nll: negative log-likelihood by importance sampling.
        standard_error: of `nll`, from the random latents alone.
        sampling_error: of `nll`, from which rows were held out.
        effective_sample_size: of the K weights, mean over rows.
        elbo: evidence lower bound.
        distortion: -E_q[log p(x|z)].
        rate: KL(q || p).
        bits_per_dimension: mean over rows of NLL / (seen values log 2).
        rows: how many.
        particles: K.
        seed: of the latents.
        settled: whether the posterior has no randomness.
    """

    nll: float
    standard_error: float
    sampling_error: float
    effective_sample_size: float
    elbo: float
    distortion: float
    rate: float
    bits_per_dimension: float
    rows: int
    particles: int
    seed: int
    settled: bool = False

    def figures(self) -> list[Figure]:
        """All of them, to be reported."""
        n, seed = self.rows, self.seed
        sampled = f"importance sampling from the posterior, {self.particles} particles a row, mean over rows"
        bound = f"mean over {self.particles} draws from the posterior, mean over rows"
        if self.settled:
            sampled = bound = "the posterior picks one latent for each row: an upper bound, -log p(x|z) - log p(z), mean over rows"
        effective = figure("effective sample size", self.effective_sample_size, "particles", "higher", sampled, n, seed)
        return [
            figure(
                "negative log-likelihood", self.nll, "nats", "lower", sampled, n, seed, standard_error=self.standard_error,
                sampling_error=self.sampling_error,
            ),
            figure("bits per dimension", self.bits_per_dimension, "bits", "lower", sampled + ", per seen value", n, seed),
            figure("evidence lower bound", self.elbo, "nats", "higher", bound, n, seed),
            figure("distortion", self.distortion, "nats", "lower", bound, n, seed),
            figure("rate", self.rate, "nats", "none", bound, n, seed),
            *([] if self.settled else [effective]),
        ]


def settled(system: System) -> bool:
    """Whether no latent of a row is left to chance, so that one draw from the posterior says all.

    Arguments:
        system: to be asked.
    """
    with at_rest(system) as device:
        trace = system.model(system.modality.example(1).to(device), centre())
    return not any(bool(site.posterior.stddev.any()) for site in trace.sites.values())


def importance_nll(
    system: System, rows: Rows, particles: int = 1000, seed: int = 0, values: int = VALUES, progress: Progress = silent
) -> Likelihood:
    """The negative log-likelihood of rows by importance sampling, with the bound and its two parts.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        particles: K.
        seed: of the latents, and of what is redrawn each time a row is seen.
        values: how many numbers of data are held at a time; changes the speed, never the result.
        progress: told how many rows are done.

    Raises:
        InputError: where there are no rows, or the model has no likelihood bound.
    """
    return explained_by(score(system, rows, particles, seed, values, progress), particles, seed, settled(system))


def explained_by(found: Scores, particles: int, seed: int = 0, settled: bool = False) -> Likelihood:
    """What the scores of rows come to.

    Arguments:
        found: of each row.
        particles: K of them.
        seed: of the latents.
        settled: whether the posterior has no randomness.
    """
    n = len(found.nats)
    variance = np.maximum(1 / found.effective_sample_size - 1 / particles, 0)
    distortion, rate = float(found.distortion.mean()), float(found.rate.mean())
    return Likelihood(
        nll=-float(found.nats.mean()),
        standard_error=float(np.sqrt(variance.sum()) / n),
        sampling_error=float(found.nats.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"),
        effective_sample_size=float(found.effective_sample_size.mean()),
        elbo=-(distortion + rate), distortion=distortion, rate=rate,
        bits_per_dimension=float(found.bits_per_dimension.mean()),
        rows=n, particles=particles, seed=seed, settled=settled,
    )
