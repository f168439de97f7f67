r"""Systems with a tighter bound, or with a steadier gradient of it.

| recipe | minimises | paper |
| --- | --- | --- |
| `iwae` | -L_k = -log mean of k importance weights | Burda et al. 2015, arXiv:1509.00519 |
| `miwae` | the mean of m estimates of -L_k | Rainforth et al. 2018, arXiv:1802.04537 |
| `ciwae` | a mixture of the bound of one particle and of -L_k | Rainforth et al. 2018, arXiv:1802.04537 |
"""

from typing import Any

from torch import nn

from vaekit.core.declared import Count, NonNegative, Share
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.parts.objectives import KL, ImportanceBound, Reconstruction
from vaekit.recipes.gaussian import gaussian_vae

__all__ = ["ciwae", "iwae", "miwae"]


def iwae(
    modality: Modality, latent: Count = 16, particles: Count = 5, doubly_reparameterised: bool = False, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The importance-weighted autoencoder: -log (1/k) sum_i p(x, z_i) / q(z_i|x).

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        particles: k.
        doubly_reparameterised: the DReG gradient for the encoder (Tucker et al. 2018, arXiv:1810.04152).
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Burda, Grosse, Salakhutdinov 2015, arXiv:1509.00519.
    """
    objective = Objective(ImportanceBound(particles, doubly_reparameterised))
    model = gaussian_vae(modality, latent, likelihood, reader, writer, mean_spread, **network)
    return System(model, [Stage(objective, watch="bound")], modality)


def miwae(
    modality: Modality, latent: Count = 16, particles: Count = 8, groups: Count = 8, doubly_reparameterised: bool = False,
    likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0,
    **network: Any,
) -> System:
    """The multiply importance-weighted autoencoder: -(1/m) sum_g log (1/k) sum_i p(x, z_gi) / q(z_gi|x).

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        particles: k, draws of a group.
        groups: m.
        doubly_reparameterised: the DReG gradient for the encoder (Tucker et al. 2018, arXiv:1810.04152).
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Rainforth et al. 2018, arXiv:1802.04537.
    """
    objective = Objective(ImportanceBound(particles, doubly_reparameterised, groups=groups))
    model = gaussian_vae(modality, latent, likelihood, reader, writer, mean_spread, **network)
    return System(model, [Stage(objective, watch="bound")], modality)


def ciwae(
    modality: Modality, latent: Count = 16, particles: Count = 8, share: Share = 0.5, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The combination importance-weighted autoencoder: -share ELBO - (1 - share) L_k, itself a bound.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        particles: k.
        share: of the bound of one particle, whose gradient for the encoder keeps its signal.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Rainforth et al. 2018, arXiv:1802.04537.
    """
    objective = Objective(Reconstruction(share), KL(share), ImportanceBound(particles, weight=1 - share))
    model = gaussian_vae(modality, latent, likelihood, reader, writer, mean_spread, **network)
    return System(model, [Stage(objective)], modality)
