r"""Several systems of one recipe, trained from different seeds, as one: what they say together, and how far they disagree.

With x' = E[x | z], z ~ q_m(z | x), and m one of M members, all equally likely, the variance of a new observation x falls into three parts:

    Var x = E_m E_z Var[x | z]     noise       what the likelihood leaves to chance
          + E_m Var_z x'           posterior   what the latent leaves open
          + Var_m E_z x'           between     what the members disagree about

The first two are aleatoric: no further member would lower them. The third is epistemic: it falls where there are more data. A score of all
members is that of their mixture, log (1/M) sum_m p_m(x). (Lakshminarayanan, Pritzel, Blundell 2017, arXiv:1612.01474.)

Latents of different members are not aligned: a coordinate, a sign or a rotation of one means nothing in another, so that means over members
would be meaningless. They are told by member, with how alike the members' spaces are up to a rotation and a scale:

    CKA(A, B) = |A'B|^2 / (|A'A| |B'B|), columns centred, Frobenius norms          (Kornblith et al. 2019, arXiv:1905.00414)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.distributions import constraints

from vaekit.core.choose import from_posterior
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.tasks.encode import encode
from vaekit.tasks.score import score
from vaekit.tasks.walk import Progress, Rows, at_rest, batches, chunk, count, noise_of, silent

__all__ = [
    "EnsembleEncoding", "EnsembleReconstruction", "EnsembleScores", "alignment", "encode_together", "reconstruct_together",
    "score_together",
]

_INTEGERS = type(constraints.integer_interval(0, 1))


@dataclass(frozen=True)
class EnsembleEncoding:
    """Where rows lie in each member's own latent space; nothing is averaged over members.

    Arguments:
        mean: `(M, N, latent)`.
        spread: each posterior's standard deviation, `(M, N, latent)`.
        sample: one draw from each, `(M, N, latent)`.
        agreement: CKA of each pair of members, `(M, M)`: 1 = the same rows in the same places, up to a rotation and a scale.
    """

    mean: np.ndarray
    spread: np.ndarray
    sample: np.ndarray
    agreement: np.ndarray


@dataclass(frozen=True)
class EnsembleReconstruction:
    """Rows as all members see them, and the parts of the variance, each as a standard deviation `(N, *event)` in the data's own units.

    Arguments:
        mean: over members and latents, `(N, *event)`, in the data's own units and types.
        between: of the members' means: epistemic.
        posterior: of x' over the latents of a member: aleatoric.
        noise: of x given its latent: aleatoric.
        share: of the variance of each row that lies between members, `(N,)`, each cell in the model's units.
    """

    mean: np.ndarray
    between: np.ndarray
    posterior: np.ndarray
    noise: np.ndarray
    share: np.ndarray


@dataclass(frozen=True)
class EnsembleScores:
    """What importance sampling says of each row; nats, in the data's own units.

    Arguments:
        nats: bound on the log-density of the members' mixture, `(N,)`.
        members: bound of each member, `(M, N)`.
        between: standard deviation over members, `(N,)`: epistemic.
        within: that of one member's estimate over its latents, `(N,)`: it falls with more particles.
        bits_per_dimension: of the mixture, `(N,)`.
    """

    nats: np.ndarray
    members: np.ndarray
    between: np.ndarray
    within: np.ndarray
    bits_per_dimension: np.ndarray


def encode_together(systems: Sequence[System], rows: Rows, seed: int = 0) -> EnsembleEncoding:
    """Each member's own latents, and how alike their spaces are.

    Arguments:
        systems: fitted to the same data.
        rows: stored by their modality.
        seed: of the draws.

    Raises:
        InputError: where there are fewer than two members, or no rows.
    """
    _several(systems)
    found = [encode(system, rows, seed) for system in systems]
    mean, spread, sample = (np.stack([getattr(one, name) for one in found]) for name in ("mean", "spread", "sample"))
    return EnsembleEncoding(mean, spread, sample, np.array([[alignment(a, b) for b in mean] for a in mean]))


def alignment(a: np.ndarray, b: np.ndarray) -> float:
    """Linear CKA of two sets of points of the same rows, 0 to 1; NaN where one has no spread.

    Arguments:
        a: `(N, width)`.
        b: `(N, another width)`.
    """
    a, b = (values.astype(np.float64) - values.mean(0) for values in (a, b))
    norms = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return float(np.linalg.norm(a.T @ b) ** 2 / norms) if norms > 0 else float("nan")


def score_together(
    systems: Sequence[System], rows: Rows, particles: int = 16, seed: int = 0, progress: Progress = silent
) -> EnsembleScores:
    """The bound of the members' mixture, and how far members disagree.

    Arguments:
        systems: fitted to the same data.
        rows: stored by their modality.
        particles: K, of each member.
        seed: of the draws.
        progress: told how many rows are done, each as often as there are members.

    Raises:
        InputError: where there are fewer than two members, no rows, or the members have no likelihood bound.
    """
    _several(systems)
    told = [_turn(progress, member, len(systems)) for member in range(len(systems))]
    found = [score(system, rows, particles, seed, progress=tell) for system, tell in zip(systems, told)]
    members = np.stack([one.nats for one in found])
    nats = np.logaddexp.reduce(members, axis=0) - np.log(len(found))
    variance = np.stack([np.maximum(1 / one.effective_sample_size - 1 / particles, 0) for one in found])
    seen = rows["observed"].flatten(1).sum(1).clamp(min=1).cpu().numpy() if "observed" in rows else prod(systems[0].modality.event)
    bits = -nats / (seen * np.log(2))
    return EnsembleScores(nats, members, members.std(0, ddof=1), np.sqrt(variance.mean(0)), bits)


def reconstruct_together(
    systems: Sequence[System], rows: Rows, draws: int = 16, seed: int = 0, progress: Progress = silent
) -> EnsembleReconstruction:
    """The mean over members and latents, and the three parts of the variance, each without bias.

    Arguments:
        systems: fitted to the same data.
        rows: stored by their modality.
        draws: latents a row and member, 2 or more.
        seed: of the draws.
        progress: told how many rows are done, each as often as there are members.

    Raises:
        InputError: where there are fewer than two members or draws, no rows, or values that have no mean.
    """
    _several(systems)
    if draws < 2:
        raise InputError(f"draws must be 2 or more, not {draws}: a spread of one draw is none")
    told = [_turn(progress, member, len(systems)) for member in range(len(systems))]
    found = [_expected(system, rows, draws, seed, member, told[member]) for member, system in enumerate(systems)]
    means, posteriors, noises = (torch.stack(parts) for parts in zip(*found))
    posterior, noise = posteriors.mean(0), noises.mean(0)
    # A member's mean over few latents differs from its true mean, which is no disagreement.
    between = (means.var(0) - posterior / draws).clamp(min=0)
    modality, total = systems[0].modality, (between + posterior + noise).flatten(1).sum(1)
    share = between.flatten(1).sum(1) / total.clamp(min=1e-30)
    apart, open_, left = (modality.to_raw_spread(variance.sqrt()) for variance in (between, posterior, noise))
    return EnsembleReconstruction(modality.to_raw(means.mean(0)), apart, open_, left, share.numpy())


def _several(systems: Sequence[System]) -> None:
    if len(systems) < 2:
        raise InputError(f"an ensemble needs 2 members or more, not {len(systems)}")


def _turn(progress: Progress, member: int, members: int) -> Progress:
    """What one member tells of its rows, as a part of all members' rows."""

    def tell(doing: str, done: int, total: int) -> None:
        progress(doing, member * total + done, members * total)

    return tell


def _expected(
    system: System, rows: Rows, draws: int, seed: int, member: int, progress: Progress
) -> tuple[Tensor, Tensor, Tensor]:
    """x' over the latents, its variance, and the variance of x about it, each `(N, *event)` in the model's space."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    done, total = 0, count(rows)
    with at_rest(system, seed + member):
        # Every member sees the same rows, redrawn alike, and has latents of its own: common ones would hide what few draws do.
        for batch in batches(system, rows, seed, chunk(system, draws)):
            likelihood = system.model(batch, from_posterior(draws, noise_of(batch, seed + member))).likelihood
            if isinstance(likelihood.support, _INTEGERS):
                raise InputError("values that are classes have no mean and no spread: score them, or reconstruct with one member")
            mean = likelihood.mean.expand(draws, *likelihood.mean.shape[1:])
            noise = (likelihood.sample() - mean).square().mean(0)
            found.append((mean.mean(0).cpu(), mean.var(0).cpu(), noise.cpu()))
            done += batch.rows
            progress("reconstructions", done, total)
    means, variances, noises = (torch.cat(parts) for parts in zip(*found))
    return means, variances, noises
