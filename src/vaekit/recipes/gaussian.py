r"""The walk that most recipes share: q(z|x, c) = N(m, diag s^2), p(z) = N(0, I), and the data's likelihood p(x|z, c)."""

from collections.abc import Callable
from typing import Any

from torch import nn

from vaekit.core.conditional import Neural
from vaekit.core.modality import Modality
from vaekit.models import VAE
from vaekit.parts.posteriors import Normal
from vaekit.parts.priors import Standard

__all__ = ["gaussian_vae"]


def _bare(reader: nn.Module) -> nn.Module:
    return reader


def gaussian_vae(
    modality: Modality, latent: int, likelihood: Any, reader: nn.Module | None, writer: nn.Module | None,
    around: Callable[[nn.Module], nn.Module] = _bare, **network: Any,
) -> VAE:
    """The walk of a recipe.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder.
        writer: a person's own decoder.
        around: what the encoder's network is wrapped in.
        network: sizes of the networks.
    """
    posterior = Neural(around(modality.reader(own=reader, **network)), Normal(latent))
    return VAE(posterior, Standard(latent), modality.writer(latent, likelihood=likelihood, own=writer, **network))
