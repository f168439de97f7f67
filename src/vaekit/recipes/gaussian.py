r"""The walk that most recipes share: q(z|x, c) = N(m, diag s^2), p(z) = N(0, I), and the data's likelihood p(x|z, c)."""

from typing import Any

from torch import nn

from vaekit.core.conditional import Neural
from vaekit.core.modality import Modality
from vaekit.models import VAE
from vaekit.parts.networks import Corrupted
from vaekit.parts.posteriors import Normal
from vaekit.parts.priors import Standard

__all__ = ["gaussian_vae"]


def gaussian_vae(
    modality: Modality, latent: int, likelihood: Any, reader: nn.Module | None, writer: nn.Module | None, corruption: float | None = None,
    **network: Any,
) -> VAE:
    """The walk of a recipe.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder.
        writer: a person's own decoder.
        corruption: share of a row's values that the encoder loses while training; None = it sees all.
        network: sizes of the networks.
    """
    read = modality.reader(own=reader, **network)
    posterior = Neural(read if corruption is None else Corrupted(read, corruption), Normal(latent))
    return VAE(posterior, Standard(latent), modality.writer(latent, likelihood=likelihood, own=writer, **network))
