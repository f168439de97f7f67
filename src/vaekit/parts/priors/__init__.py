"""p(z): what latents look like before any data was seen."""

from vaekit.parts.priors.conditional import conditional_normal
from vaekit.parts.priors.standard import Standard

__all__ = ["Standard", "conditional_normal"]
