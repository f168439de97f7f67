r"""A latent of hyperbolic space as its signed distances to planes of that space.

    h_k = c^(-1/2) asinh(c^(1/2) [sinh(a) / a <w_k, z> + cosh(a) b_k]),   a = c^(1/2) |z|

z is in normal coordinates, c minus the curvature. Where |w_k|^2 - c b_k^2 = 1, h_k is the distance itself; else what is within the
asinh is a multiple of its own. As c -> 0 it is the linear layer <w_k, z> + b_k. (Ganea, Becigneul, Hofmann 2018, arXiv:1805.09112;
Mathieu et al. 2019, arXiv:1901.06033)
"""

import math

import torch
from torch import Tensor, nn

__all__ = ["Gyroplanes"]

# The square of the shortest length, and the farthest place: beyond it cosh has no float32.
_TINY, _FARTHEST = 1e-12, 80.0


class Gyroplanes(nn.Module):
    """Distances to planes.

    Arguments:
        latent: dimensions of z.
        planes: how many.
        curvature: c > 0.
    """

    def __init__(self, latent: int, planes: int, curvature: float):
        super().__init__()
        layer = nn.Linear(latent, planes)
        self.normals, self.offsets = layer.weight, layer.bias
        self.root = math.sqrt(curvature)
        self.width, self.positions = planes, ()

    def forward(self, z: Tensor) -> Tensor:
        """Distances `(S, B, planes)`, float32."""
        # Far out, a distance is what two large numbers differ by: in bf16, nothing of it would be left.
        with torch.autocast(z.device.type, enabled=False):
            z = z.float()
            away = (self.root**2 * z.square().sum(-1, keepdim=True) + _TINY).sqrt().clamp(max=_FARTHEST)
            along = nn.functional.linear(z, self.normals)
            return (self.root * (away.sinh() / away * along + away.cosh() * self.offsets)).asinh() / self.root
