"""p(z): what latents look like before any data was seen."""

from vaekit.parts.priors.conditional import conditional_normal
from vaekit.parts.priors.standard import Standard
from vaekit.parts.priors.vamp import Vamp

__all__ = ["Standard", "Vamp", "conditional_normal"]
