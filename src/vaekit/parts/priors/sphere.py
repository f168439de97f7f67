r"""p(z) = 1 / S, |z| = 1: each direction alike, whatever the condition.

Unlike a normal prior it has no centre that would draw latents together. (Davidson et al. 2018, arXiv:1804.00891)
"""

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.conditional import Conditional
from vaekit.parts.distributions import UniformSphere

__all__ = ["Sphere"]


class Sphere(Conditional):
    """The uniform prior on the unit sphere.

    Arguments:
        latent: coordinates of a direction.
    """

    like: Tensor

    def __init__(self, latent: int):
        super().__init__()
        self.register_buffer("like", torch.zeros(1, 1, latent), persistent=False)

    def forward(self, *given: Tensor | None) -> Distribution:
        """The prior, batch shape `(1, 1)`, event `(latent,)`."""
        return UniformSphere(self.like)
