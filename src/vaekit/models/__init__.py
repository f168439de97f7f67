"""The walk, once for each shape of latent graph."""

from vaekit.models.ladder import Ladder, Level
from vaekit.models.vae import VAE

__all__ = ["VAE", "Ladder", "Level"]
