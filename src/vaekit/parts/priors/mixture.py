r"""p(z|c) = sum_k w_k(c) N(z; m + L m_k(c), L L_k(c) (L L_k(c))^T): a mixture in the frame of a learned normal N(m(c), L(c) L(c)^T).

What a class has is of kinds, which lie apart: one normal over all of them has most of its mass between. Learned together with the rest, a
mixture's components become one normal and a few that are wide and catch what it leaves. So they learn once the latents stand still, and in
a frame in which the latents of each class lie about zero and are of size one, so that the components can begin anywhere there.
(a mixture of normals fitted to latents that are finished: Ghosh et al. 2020, arXiv:1903.12436, for all rows together)
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from vaekit.core.borrowed import Borrowed
from vaekit.core.conditional import Conditional, Neural
from vaekit.core.declared import Count, conform
from vaekit.parts.distributions import CorrelatedMixture, CorrelatedNormal
from vaekit.parts.networks import MLP

__all__ = ["Mixture"]

# How far from its middle the components begin. With their own variance theirs make that of the frame, 1: together they begin as about it,
# and yet differ. Narrow ones further apart left a wide one that caught what lay between them.
_APART = 0.3


class Mixture(Conditional):
    """Normals of a frame's kind, with or without correlations as it is.

    Arguments:
        frame: N(m(c), L(c) L(c)^T), a network and its family; borrowed.
        latent: dimensions of the latent.
        condition_width: numbers of the condition.
        hidden: widths of the network from condition to weights and components.
        components: how many.

    Raises:
        InputError: where there is not at least one component.
    """

    def __init__(self, frame: Neural, latent: int, condition_width: int, hidden: Sequence[int] = (64,), components: Count = 20):
        super().__init__()
        conform("components", components, Count)
        self.frame, self.components = Borrowed(frame), components
        self.network = MLP(condition_width, hidden)
        self.head = nn.Linear(self.network.width, components * (1 + frame.family.size))
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            begin = self.head.bias.zero_().unflatten(0, (components, -1))
            begin[:, 1 : 1 + latent].normal_(0, _APART)
            begin[:, 1 + latent : 1 + 2 * latent] = 0.5 * math.log1p(-(_APART**2))

    def forward(self, *given: Tensor | None) -> Distribution:
        """The prior, batch shape `(1, B)`, event `(latent,)`."""
        numbers = self.head(self.network(*given)).float().unflatten(-1, (self.components, -1))
        within = self.frame.module.family(numbers[..., 1:])
        return _framed(self.frame(*given), Categorical(logits=numbers[..., 0], validate_args=False), within)


def _framed(frame: Any, weights: Categorical, within: Any) -> Distribution:
    """The law of m + L u in the frame N(m, L L^T), u of a component's."""
    if isinstance(frame, CorrelatedNormal):
        return CorrelatedMixture(frame, weights, within)
    location, scale = (v.unsqueeze(-2) for v in (frame.base_dist.loc, frame.base_dist.scale))
    moved = Normal(location + scale * within.base_dist.loc, scale * within.base_dist.scale, validate_args=False)
    return MixtureSameFamily(weights, Independent(moved, 1, validate_args=False), validate_args=False)
