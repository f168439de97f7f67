r"""The modified Bessel function of the first kind, scaled so that it neither overflows nor vanishes.

    I_v(k) = I_(v+n)(k) / prod_{i=v}^{v+n-1} r_i,     r_i = I_(i+1) / I_i,     r_(i-1) = 1 / (2 i / k + r_i)

The recursion runs downwards, where it is stable, from an order so high that the uniform expansion holds to seven digits whatever k is:

    I_v(v z) ~ e^(v h) / sqrt(2 pi v) (1 + z^2)^(1/4) * sum_j u_j(t) / v^j,   t = (1 + z^2)^(-1/2),  h = 1/t + log(z / (1 + 1/t))

(Olver 1974, Asymptotics and special functions, chapter 10)
"""

import math

import torch
from torch import Tensor

__all__ = ["log_bessel"]

_HIGH = 24.0


def _log_expansion(order: float, k: Tensor) -> Tensor:
    """log I_v(k) - k at a high order v."""
    z = k / order
    root = (1 + z.square()).sqrt()
    t = 1 / root
    s = t.square()
    first = t * (3 - 5 * s) / 24
    second = s * (81 - 462 * s + 385 * s.square()) / 1152
    third = t * s * (30375 - 369603 * s + 765765 * s.square() - 425425 * s**3) / 414720
    series = first / order + second / order**2 + third / order**3
    # v sqrt(1 + z^2) - k, without a difference of large numbers.
    exponent = order / (root + z) + order * (z.log() - torch.log1p(root))
    return exponent - 0.5 * math.log(2 * math.pi * order) - 0.5 * root.log() + torch.log1p(series)


def log_bessel(order: float, k: Tensor) -> tuple[Tensor, Tensor]:
    """log I_v(k) - k, and the ratio I_(v+1)(k) / I_v(k), both like `k`; in float64 to seven digits.

    Arguments:
        order: v, 0 or more.
        k: above 0.
    """
    steps = max(math.ceil(_HIGH - order), 1)
    top = order + steps
    value = _log_expansion(top, k)
    ratio = (_log_expansion(top + 1, k) - value).exp()
    for i in range(steps):
        ratio = 1 / (2 * (top - i) / k + ratio)
        value = value - ratio.log()
    return value, ratio
