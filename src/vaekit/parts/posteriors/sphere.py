r"""q(z|x) = vMF(z; m(x), k(x)), a direction in d dimensions.

    m = a / |a|,   k = d exp(clamp(b)),   (a, b) the network's numbers

At b = 0 a draw lies about as far from the mean direction as it can and still tell it; b is soft-clamped between -6 and 6.
(Davidson, Falorsi, De Cao, Kipf, Tomczak 2018, arXiv:1804.00891)
"""

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.conditional import Family
from vaekit.core.declared import Several, conform
from vaekit.parts.distributions import VonMisesFisher, soft_clamp

__all__ = ["Sphere"]

_BOUND = 6.0


class Sphere(Family):
    """A latent on the unit sphere.

    Arguments:
        latent: d, coordinates of the direction.

    Raises:
        InputError: where there are not at least two.
    """

    def __init__(self, latent: Several):
        super().__init__()
        conform("latent", latent, Several)
        self.latent, self.size = latent, latent + 1

    def forward(self, raw: Tensor) -> Distribution:
        """The posterior, batch shape `(S, B)`, event `(latent,)`."""
        direction = torch.nn.functional.normalize(raw[..., : self.latent], dim=-1)
        return VonMisesFisher(direction, self.latent * soft_clamp(raw[..., self.latent :], -_BOUND, _BOUND).exp())
