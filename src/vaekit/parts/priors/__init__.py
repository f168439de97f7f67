"""p(z): what latents look like before any data was seen."""

from vaekit.parts.priors.autoregressive import Autoregressive
from vaekit.parts.priors.classes import ClassPrior
from vaekit.parts.priors.conditional import conditional_normal
from vaekit.parts.priors.flow import Flow
from vaekit.parts.priors.latent_diffusion import LatentDiffusion
from vaekit.parts.priors.mixture import Mixture
from vaekit.parts.priors.sphere import Sphere
from vaekit.parts.priors.standard import Standard
from vaekit.parts.priors.vamp import Vamp
from vaekit.parts.priors.waiting import Waiting

__all__ = [
    "Autoregressive", "ClassPrior", "Flow", "LatentDiffusion", "Mixture", "Sphere", "Standard", "Vamp", "Waiting", "conditional_normal",
]
