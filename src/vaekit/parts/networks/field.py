r"""A velocity field with two hidden layers, whose divergence is exact and costs one more matrix product.

    h = a(U u + S t' + C c),  k = a(V h + R t'),  v = W k + g(t') u,     t' = (1, cos pi t, .., cos K pi t)
    div v = sum_jk a'_j V_jk a'_k (U W)_kj + sum_d g_d(t')

The trace of a product of matrices with two diagonals between them is a bilinear form of the diagonals, so no coordinate is differentiated
by itself: the cost does not grow with the latent's width beyond that of v. The last layer and g start at zero: the field starts at rest.
"""

import math

import torch
from torch import Tensor, nn

__all__ = ["VelocityField"]

_WAVES = 8


class VelocityField(nn.Module):
    """v(u, t; c) and its divergence.

    Arguments:
        size: dimensions of u.
        condition_width: numbers of c; 0 = none.
        width: of the two hidden layers.
    """

    waves: Tensor

    def __init__(self, size: int, condition_width: int = 0, width: int = 256):
        super().__init__()
        self.entrance = nn.Linear(size, width)
        self.middle = nn.Linear(width, width)
        self.exit = nn.Linear(width, size)
        self.times = nn.Linear(_WAVES + 1, 2 * width, bias=False)
        self.gain = nn.Linear(_WAVES + 1, size, bias=False)
        self.condition = nn.Linear(condition_width, width, bias=False) if condition_width else None
        for layer in (self.exit, self.gain):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        self.register_buffer("waves", math.pi * torch.arange(_WAVES + 1.0), persistent=False)

    def forward(self, u: Tensor, time: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """The velocity `(S, B, size)` and its divergence `(S, B)`.

        Arguments:
            u: place, `(S, B, size)`.
            time: in [0, 1], `()` or `(S, B)`.
            condition: `(1, B, condition_width)`, or None.
        """
        first, second, gain = self._layers(u, time, condition)
        velocity = self.exit(nn.functional.silu(second)) + gain * u
        coupled = self.middle.weight * (self.entrance.weight @ self.exit.weight).mT
        divergence = ((_slope(first) @ coupled.mT) * _slope(second)).sum(-1) + gain.sum(-1)
        return velocity, divergence

    def velocity(self, u: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """The velocity alone, `(S, B, size)`."""
        _, second, gain = self._layers(u, time, condition)
        return self.exit(nn.functional.silu(second)) + gain * u

    def _layers(self, u: Tensor, time: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """What the two activations are given, and the gain."""
        told = torch.cos(time.unsqueeze(-1) * self.waves)
        early, late = self.times(told).chunk(2, dim=-1)
        first = self.entrance(u) + early
        if self.condition is not None and condition is not None:
            first = first + self.condition(condition)
        return first, self.middle(nn.functional.silu(first)) + late, self.gain(told)


def _slope(raw: Tensor) -> Tensor:
    """The derivative of silu."""
    gate = raw.sigmoid()
    return gate * (1 + raw * (1 - gate))
