r"""The systems that the field began with.

| recipe | minimises | paper |
| --- | --- | --- |
| `autoencoder` | distortion | Hinton, Salakhutdinov 2006 |
| `vae` | distortion + rate | Kingma, Welling 2013, arXiv:1312.6114 |
| `beta_vae` | distortion + beta rate | Higgins et al. 2017 |
| `annealed_vae` | distortion + gamma abs(rate - C) | Burgess et al. 2018, arXiv:1804.03599 |
| `iwae` | -log mean of k importance weights | Burda et al. 2015, arXiv:1509.00519 |
| `denoising_vae` | the bound with a corrupted encoder's input | Im et al. 2015, arXiv:1511.06406 |
"""

from typing import Any

from torch import nn

from vaekit.core.conditional import Conditional, Neural
from vaekit.core.declared import Count, Fraction, NonNegative, Part
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts.networks import Corrupted
from vaekit.parts.objectives import KL, ImportanceBound, Reconstruction
from vaekit.parts.posteriors import Normal, Point
from vaekit.parts.priors import Standard

__all__ = ["annealed_vae", "autoencoder", "beta_vae", "denoising_vae", "iwae", "vae"]


def _gaussian(
    modality: Modality, latent: int, likelihood: Any, reader: nn.Module | None, writer: nn.Module | None, corruption: float | None = None,
    **network: Any,
) -> VAE:
    """The walk that most recipes share: a normal posterior, a standard normal prior, the data's likelihood."""
    read = modality.reader(own=reader, **network)
    posterior = Neural(read if corruption is None else Corrupted(read, corruption), Normal(latent))
    return VAE(posterior, Standard(latent), _written(modality, latent, likelihood, writer, network))


def _written(modality: Modality, latent: int, likelihood: Any, writer: nn.Module | None, network: dict[str, Any]) -> Conditional:
    return modality.writer(latent, likelihood=likelihood, own=writer, **network)


def vae(
    modality: Modality, latent: Count = 16, likelihood: Any = "auto", beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0,
    reader: nn.Module | None = None, writer: nn.Module | None = None, **network: Any,
) -> System:
    """The variational autoencoder: -ELBO = distortion + beta * rate, beta = 1.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        likelihood: `auto` = the one that the data was prepared for.
        beta: weight of the rate, a number or a schedule; a warm-up is `{"recipe": "linear", "arguments": {"until": 0.1}}`.
        free_bits: nats a coordinate below which the rate costs nothing more.
        reader: a person's own encoder.
        writer: a person's own decoder.
        network: sizes of the networks.

    Source: Kingma, Welling 2013, arXiv:1312.6114.
    """
    model = _gaussian(modality, latent, likelihood, reader, writer, **network)
    return System(model, [Stage(Objective(Reconstruction(), KL(beta, free_bits)))], modality)


def beta_vae(modality: Modality, latent: Count = 16, beta: NonNegativeWeight = 4.0, **arguments: Any) -> System:
    """The beta-VAE: distortion + beta * rate, beta > 1, for latents that fall apart into factors.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        beta: weight of the rate, a number or a schedule.
        arguments: of `vae`.

    Source: Higgins et al. 2017, beta-VAE: Learning basic visual concepts with a constrained variational framework.
    """
    system = vae(modality, latent, beta=beta, **arguments)
    return system.replace(stages=[Stage(system.stages[0].objective, watch="loss")])


def annealed_vae(
    modality: Modality, latent: Count = 16, capacity: NonNegative = 25.0, gamma: NonNegative = 100.0, until: Fraction = 0.5,
    likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None, **network: Any,
) -> System:
    """The annealed VAE: distortion + gamma |rate - C|, with C rising from 0 to `capacity`.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        capacity: C at the end, nats.
        gamma: weight of the distance to it.
        until: the progress at which C is reached.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder.
        writer: a person's own decoder.
        network: sizes of the networks.

    Source: Burgess et al. 2018, arXiv:1804.03599.
    """
    rising = {"recipe": "linear", "arguments": {"stop": float(capacity), "until": until}}
    objective = Objective(Reconstruction(), KL(gamma, capacity=rising))
    return System(_gaussian(modality, latent, likelihood, reader, writer, **network), [Stage(objective, watch="loss")], modality)


def iwae(
    modality: Modality, latent: Count = 16, particles: Count = 5, doubly_reparameterised: bool = False, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, **network: Any,
) -> System:
    """The importance-weighted autoencoder: -log (1/k) sum_i p(x, z_i) / q(z_i|x).

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        particles: k.
        doubly_reparameterised: the DReG gradient for the encoder (Tucker et al. 2018, arXiv:1810.04152).
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder.
        writer: a person's own decoder.
        network: sizes of the networks.

    Source: Burda, Grosse, Salakhutdinov 2015, arXiv:1509.00519.
    """
    objective = Objective(ImportanceBound(particles, doubly_reparameterised))
    return System(_gaussian(modality, latent, likelihood, reader, writer, **network), [Stage(objective, watch="bound")], modality)


def denoising_vae(
    modality: Modality, latent: Count = 16, corruption: Part = 0.25, likelihood: Any = "auto", reader: nn.Module | None = None,
    writer: nn.Module | None = None, **network: Any,
) -> System:
    """The denoising VAE: the encoder sees a corrupted row, the bound asks for the clean one.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        corruption: share of a row's values that the encoder loses while training, in (0, 1).
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder.
        writer: a person's own decoder.
        network: sizes of the networks.

    Source: Im, Ahn, Memisevic, Bengio 2015, arXiv:1511.06406.
    """
    model = _gaussian(modality, latent, likelihood, reader, writer, corruption, **network)
    return System(model, [Stage(Objective(Reconstruction(), KL()))], modality)


def autoencoder(
    modality: Modality, latent: Count = 16, likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None,
    **network: Any,
) -> System:
    """The deterministic autoencoder: a point for a posterior and no rate; the baseline that a VAE is compared with.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder.
        writer: a person's own decoder.
        network: sizes of the networks.

    Source: Hinton, Salakhutdinov 2006, Reducing the dimensionality of data with neural networks.
    """
    posterior = Neural(modality.reader(own=reader, **network), Point(latent))
    model = VAE(posterior, Standard(latent), _written(modality, latent, likelihood, writer, network))
    return System(model, [Stage(Objective(Reconstruction()), watch="distortion")], modality)
