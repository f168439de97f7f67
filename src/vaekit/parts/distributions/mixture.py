r"""The rules of a mixture with one weight a component, sum_k w_k p_k(x), element by element or vector by vector.

A uniform first picks the component whose share of (0, 1) it falls into; its place within that share is uniform again, and draws
from the component. Of a vector's uniforms it is the first that does both.
"""

import torch
from torch import Tensor
from torch.distributions import MixtureSameFamily

from vaekit.core.dispatch import from_noise

__all__: list[str] = []

_TINY = 1e-6


@from_noise.register(MixtureSameFamily)
def _(d: MixtureSameFamily, u: Tensor) -> Tensor:
    event, probability = d.event_shape, d.mixture_distribution.probs
    rows = u.shape[: u.dim() - len(event)]
    first, *others = (u.flatten(len(rows)) if event else u.unsqueeze(-1)).tensor_split([1], dim=-1)
    picked = from_noise(d.mixture_distribution, first.squeeze(-1)).unsqueeze(-1)
    probability, ends = (p.expand(*rows, -1).gather(-1, picked) for p in (probability, probability.cumsum(-1)))
    within = (1 - (ends - first) / probability.clamp(min=torch.finfo(u.dtype).tiny)).clamp(_TINY, 1 - _TINY)
    drawn = from_noise(d.component_distribution, torch.cat([within, *others], dim=-1).reshape(*rows, 1, *event))
    place = picked.reshape(*rows, 1, *(1,) * len(event)).expand(*rows, 1, *event)
    return drawn.gather(len(rows), place).squeeze(len(rows))
