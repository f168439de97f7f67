r"""The rules of a mixture with one weight a component, sum_k w_k p_k(x), element by element.

A uniform first picks the component whose share of (0, 1) it falls into; its place within that share is uniform again, and draws
from the component.
"""

import torch
from torch import Tensor
from torch.distributions import MixtureSameFamily

from vaekit.core.dispatch import from_noise

__all__: list[str] = []

_TINY = 1e-6


@from_noise.register(MixtureSameFamily)
def _(d: MixtureSameFamily, u: Tensor) -> Tensor:
    probability = d.mixture_distribution.probs
    picked = from_noise(d.mixture_distribution, u).unsqueeze(-1)
    probability, ends = (p.expand(*u.shape, -1).gather(-1, picked).squeeze(-1) for p in (probability, probability.cumsum(-1)))
    within = (1 - (ends - u) / probability.clamp(min=torch.finfo(u.dtype).tiny)).clamp(_TINY, 1 - _TINY)
    return from_noise(d.component_distribution, within.unsqueeze(-1)).gather(-1, picked).squeeze(-1)
