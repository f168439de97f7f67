"""The walk, once for each shape of latent graph."""

from vaekit.models.labelled import LabelledVAE
from vaekit.models.ladder import Ladder, Level
from vaekit.models.stacked import StackedVAE
from vaekit.models.vae import VAE

__all__ = ["VAE", "Ladder", "Level", "LabelledVAE", "StackedVAE"]
