r"""The map that a velocity field generates, and its volume.

    du/dt = v(u, t; c),   T(e) = u(1) from u(0) = e,   log |det dT/de| = integral_0^1 div v(u(t), t; c) dt

(Chen et al. 2018, arXiv:1806.07366). Heun's method, whose error falls with the square of the number of steps, for both integrals;
backwards from 1 to 0 by the same steps. The field gives its divergence with its value.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["Integrated"]


class Integrated(nn.Module):
    """The flow of a field from time 0 to 1.

    Arguments:
        field: `(u, t, c) -> (v, div v)`, with t `()`.
        steps: of Heun's method, two looks at the field each.
    """

    def __init__(self, field: nn.Module, steps: int = 24):
        super().__init__()
        self.field = field
        self.steps = steps

    def forward(self, value: Tensor, context: Tensor | None, backwards: bool = False) -> tuple[Tensor, Tensor]:
        """The image `(S, B, D)` and log |det|, `(S, B)`, of either direction."""
        times = torch.linspace(0, 1, self.steps + 1, dtype=value.dtype, device=value.device)
        times = times.flip(0) if backwards else times
        total = torch.zeros((), dtype=value.dtype, device=value.device)
        for now, then in pairwise(times):
            first, opening = self.field(value, now, context)
            second, closing = self.field(value + (then - now) * first, then, context)
            value = value + 0.5 * (then - now) * (first + second)
            total = total + 0.5 * (then - now) * (opening + closing)
        return value, total
