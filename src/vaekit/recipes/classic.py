r"""The systems that the field began with.

| recipe | minimises | paper |
| --- | --- | --- |
| `autoencoder` | distortion | Hinton, Salakhutdinov 2006 |
| `vae` | distortion + rate | Kingma, Welling 2013, arXiv:1312.6114 |
| `denoising_vae` | the bound with a corrupted encoder's input | Im et al. 2015, arXiv:1511.06406 |
"""

from functools import partial
from typing import Any

from torch import nn

from vaekit.core.conditional import Neural
from vaekit.core.declared import Count, NonNegative, Part
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts.networks import Corrupted
from vaekit.parts.objectives import KL, Reconstruction
from vaekit.parts.posteriors import Point
from vaekit.parts.priors import Standard
from vaekit.recipes.gaussian import gaussian_vae

__all__ = ["autoencoder", "denoising_vae", "vae"]


def vae(
    modality: Modality, latent: Count = 16, likelihood: Any = "auto", beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0,
    reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The variational autoencoder: -ELBO = distortion + beta * rate, beta = 1.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        likelihood: `auto` = the one that the data was prepared for.
        beta: weight of the rate, a number or a schedule; a warm-up is `{"recipe": "linear", "arguments": {"until": 0.1}}`.
        free_bits: nats a coordinate below which the rate costs nothing more.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Kingma, Welling 2013, arXiv:1312.6114.
    """
    model = gaussian_vae(modality, latent, likelihood, reader, writer, mean_spread, **network)
    return System(model, [Stage(Objective(Reconstruction(), KL(beta, free_bits)))], modality)


def denoising_vae(
    modality: Modality, latent: Count = 16, corruption: Part = 0.25, likelihood: Any = "auto", beta: NonNegativeWeight = 1.0,
    free_bits: NonNegative = 0.0, reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0,
    **network: Any,
) -> System:
    """The denoising VAE: the encoder sees a corrupted row, the bound asks for the clean one.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        corruption: share of a row's values that the encoder loses while training, in (0, 1).
        likelihood: `auto` = the one that the data was prepared for.
        beta: weight of the rate, a number or a schedule.
        free_bits: nats a coordinate below which the rate costs nothing more.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Im, Ahn, Memisevic, Bengio 2015, arXiv:1511.06406.
    """
    corrupted = partial(Corrupted, rate=corruption)
    model = gaussian_vae(modality, latent, likelihood, reader, writer, mean_spread, corrupted, **network)
    return System(model, [Stage(Objective(Reconstruction(), KL(beta, free_bits)))], modality)


def autoencoder(
    modality: Modality, latent: Count = 16, likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None,
    **network: Any,
) -> System:
    """The deterministic autoencoder: a point for a posterior and no rate; the baseline that a VAE is compared with.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        network: sizes of the networks.

    Source: Hinton, Salakhutdinov 2006, Reducing the dimensionality of data with neural networks.
    """
    posterior = Neural(modality.reader(own=reader, **network), Point(latent))
    model = VAE(posterior, Standard(latent), modality.writer(latent, likelihood=likelihood, own=writer, **network))
    return System(model, [Stage(Objective(Reconstruction()), watch="distortion")], modality)
