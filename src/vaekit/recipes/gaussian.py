r"""The walk that most recipes share: q(z|x, c) = N(m, diag s^2), p(z) = N(0, I), and the data's likelihood p(x|z, c)."""

from collections.abc import Callable
from typing import Any

from torch import nn

from vaekit.core.declared import NonNegative
from vaekit.core.modality import Modality
from vaekit.models import VAE
from vaekit.parts.posteriors import normal_posterior
from vaekit.parts.priors import Standard

__all__ = ["gaussian_vae"]


def _bare(reader: nn.Module) -> nn.Module:
    return reader


def gaussian_vae(
    modality: Modality, latent: int, likelihood: Any, reader: nn.Module | None, writer: nn.Module | None,
    mean_spread: NonNegative = 0.0, around: Callable[[nn.Module], nn.Module] = _bare, **network: Any,
) -> VAE:
    """The walk of a recipe.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised; 0 = they are not.
        around: what the encoder's network is wrapped in.
        network: sizes of the networks.
    """
    posterior = normal_posterior(around(modality.reader(own=reader, **network)), latent, mean_spread)
    return VAE(posterior, Standard(latent), modality.writer(latent, likelihood=likelihood, own=writer, **network))
