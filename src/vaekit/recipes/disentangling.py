r"""Systems whose latents shall fall apart into the factors behind the data.

| recipe | minimises | paper |
| --- | --- | --- |
| `beta_vae` | distortion + beta rate | Higgins et al. 2017 |
| `annealed_vae` | distortion + gamma max(rate - C, 0) | after Burgess et al. 2018, arXiv:1804.03599 |
| `beta_tc_vae` | -ELBO + (beta - 1) total correlation, from densities | Chen et al. 2018, arXiv:1802.04942 |
| `factor_vae` | -ELBO + gamma total correlation, by a critic | Kim, Mnih 2018, arXiv:1802.05983 |
| `dip_vae`, `dip_vae_2` | -ELBO + distance of a covariance from the identity | Kumar et al. 2018, arXiv:1711.00848 |
| `info_vae` | distortion + (1 - alpha) rate + (alpha + lambda - 1) MMD^2 | Zhao et al. 2019, arXiv:1706.02262 |
"""

from typing import Annotated, Any

from torch import nn

from vaekit.core.declared import Count, Fraction, NonNegative, Range, Several, Share
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective, Term
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.parts.objectives import (
    KL,
    CovariancePenalty,
    CriticTotalCorrelation,
    MeanDiscrepancy,
    Reconstruction,
    TotalCorrelation,
    of_aggregate,
    of_means,
)
from vaekit.parts.objectives.matching import Kernel
from vaekit.parts.objectives.total_correlation import Weighting
from vaekit.recipes.classic import vae
from vaekit.recipes.gaussian import gaussian_vae

__all__ = ["annealed_vae", "beta_tc_vae", "beta_vae", "dip_vae", "dip_vae_2", "factor_vae", "info_vae"]


def _with(system: System, term: Term, watch: str = "loss") -> System:
    """The same system with one more term; the sum of all is what its stage watches, which is no bound."""
    return system.replace(stages=[Stage(Objective(*system.stages[0].objective.terms, term), watch=watch)])


def beta_vae(modality: Modality, latent: Count = 16, beta: NonNegativeWeight = 4.0, **arguments: Any) -> System:
    """The beta-VAE: distortion + beta * rate, beta > 1, for latents that fall apart into factors.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        beta: weight of the rate, a number or a schedule.
        arguments: of `vae`.

    Source: Higgins et al. 2017, beta-VAE: Learning basic visual concepts with a constrained variational framework.
    """
    return vae(modality, latent, beta=beta, **arguments)


def annealed_vae(
    modality: Modality, latent: Count = 16, capacity: NonNegative = 25.0, gamma: NonNegative = 100.0, until: Fraction = 0.5,
    likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0,
    **network: Any,
) -> System:
    """The annealed VAE: distortion + gamma max(rate - C, 0), with C rising from 0 to `capacity`.

    The paper's |rate - C| also pays for a rate below C, whatever it is spent on, and in a short run it is spent on nothing.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        capacity: C at the end, nats.
        gamma: weight of what the rate has above it.
        until: the progress at which C is reached.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Burgess et al. 2018, arXiv:1804.03599.
    """
    rising = {"recipe": "linear", "arguments": {"stop": float(capacity), "until": until}}
    objective = Objective(Reconstruction(), KL(gamma, capacity=rising))
    model = gaussian_vae(modality, latent, likelihood, reader, writer, mean_spread, **network)
    return System(model, [Stage(objective)], modality)


def beta_tc_vae(
    modality: Modality, latent: Several = 16, beta: Annotated[float, Range(1)] = 6.0, weighting: Weighting = "stratified", **arguments: Any
) -> System:
    """The beta-TCVAE: -ELBO + (beta - 1) KL(q(z) || prod_j q(z_j)), with q(z) from the posteriors of the batch.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        beta: weight of the total correlation within the rate; 1 = the VAE.
        weighting: how a batch stands for the data set, `weighted` or `stratified`.
        arguments: of `vae`.

    Source: Chen, Li, Grosse, Duvenaud 2018, arXiv:1802.04942.
    """
    return _with(vae(modality, latent, **arguments), TotalCorrelation(weighting, beta - 1))


def factor_vae(
    modality: Modality, latent: Several = 16, gamma: NonNegativeWeight = 6.0, critic: tuple[Count, ...] = (256, 256), **arguments: Any
) -> System:
    """The FactorVAE: -ELBO + gamma KL(q(z) || prod_j q(z_j)), with the ratio of densities from a critic.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        gamma: weight of the total correlation, a number or a schedule.
        critic: widths of the critic's layers.
        arguments: of `vae`.

    Source: Kim, Mnih 2018, arXiv:1802.05983.
    """
    # A loss that a critic has part in rises as the critic learns: two measurements of it cannot be compared.
    return _with(vae(modality, latent, **arguments), CriticTotalCorrelation(latent, critic, gamma), "elbo")


def dip_vae(
    modality: Modality, latent: Count = 16, strength: NonNegativeWeight = 10.0, diagonal: NonNegative = 10.0, **arguments: Any
) -> System:
    """The DIP-VAE of the first kind: -ELBO + strength * distance of the covariance of the posterior's means from the identity.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        strength: weight of the squared covariances, a number or a schedule.
        diagonal: weight of the squared distances of the variances from 1, beside that.
        arguments: of `vae`.

    Source: Kumar, Sattigeri, Balakrishnan 2018, arXiv:1711.00848.
    """
    return _with(vae(modality, latent, **arguments), CovariancePenalty(of_means, diagonal, strength))


def dip_vae_2(
    modality: Modality, latent: Count = 16, strength: NonNegativeWeight = 10.0, diagonal: NonNegative = 1.0, **arguments: Any
) -> System:
    """The DIP-VAE of the second kind: -ELBO + strength * distance of the aggregate posterior's covariance from the identity.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        strength: weight of the squared covariances, a number or a schedule.
        diagonal: weight of the squared distances of the variances from 1, beside that.
        arguments: of `vae`.

    Source: Kumar, Sattigeri, Balakrishnan 2018, arXiv:1711.00848.
    """
    return _with(vae(modality, latent, **arguments), CovariancePenalty(of_aggregate, diagonal, strength))


def info_vae(
    modality: Modality, latent: Count = 16, alpha: Share = 0.5, strength: Annotated[float, Range(1)] = 100.0, kernel: Kernel = "imq",
    free_bits: NonNegative = 0.0, likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None,
    mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The InfoVAE: distortion + (1 - alpha) rate + (alpha + strength - 1) MMD^2(q(z), p(z)).

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        alpha: how much of the rate is given back to the mutual information; 1 = the MMD-VAE.
        strength: lambda: 1 and alpha = 0 = the VAE.
        kernel: `imq` or `rbf`.
        free_bits: nats a coordinate below which the rate costs nothing more.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Zhao, Song, Ermon 2019, arXiv:1706.02262.
    """
    system = vae(modality, latent, likelihood, 1 - alpha, free_bits, reader, writer, mean_spread, **network)
    return _with(system, MeanDiscrepancy(kernel, alpha + strength - 1))
