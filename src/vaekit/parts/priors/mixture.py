r"""p(z|c) = sum_k w_k(c) N(z; m + s m_k(c), (s L_k(c)) (s L_k(c))^T): a mixture in the frame of a learned normal N(m(c), diag s(c)^2).

What a class has is of kinds, which lie apart, and the latents of one class are correlated even where those of all classes are not: drawn
from one normal with a diagonal, a class has many rows that are of none. But a normal is what the encoder learns quickest under: with a
covariance, or as a mixture, that learns along, the bound falls more slowly, and the components become one normal and a few that are wide
and catch what it leaves. So the mixture learns once the latents stand still, and in a frame in which those of each class lie about zero
and have the size one, so that the components can begin anywhere there.
(a mixture of normals fitted to latents that are finished: Ghosh et al. 2020, arXiv:1903.12436, for all rows together)
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from vaekit.core.borrowed import Borrowed
from vaekit.core.conditional import Conditional
from vaekit.core.declared import Count, conform
from vaekit.parts.distributions import CorrelatedNormal, soft_clamp
from vaekit.parts.networks import MLP

__all__ = ["Mixture"]

_BOUND = 6.0
# How far from the frame's middle the components begin, over all dimensions together, and in one at most. With their own variance that of
# their places makes the frame's, 1: together they begin as about the frame, and yet differ. Narrow ones further apart left a wide one that
# caught what lay between them.
_APART, _MOST = 1.2, 0.3
# The widest latent whose correlations, half its square a component and row, are no burden.
_WIDEST = 32


class Mixture(Conditional):
    """Normals in a frame, with or without correlations.

    Arguments:
        frame: N(m(c), diag s(c)^2); borrowed.
        latent: dimensions of the latent.
        condition_width: numbers of the condition.
        hidden: widths of the network from condition to weights and components.
        components: how many.
        correlated: whether the coordinates may be correlated within a component; None = up to 32 of them.

    Raises:
        InputError: where there is not at least one component.
    """

    below: Tensor

    def __init__(
        self, frame: Conditional, latent: int, condition_width: int, hidden: Sequence[int] = (64,), components: Count = 20,
        correlated: bool | None = None,
    ):
        super().__init__()
        conform("components", components, Count)
        self.frame, self.components = Borrowed(frame), components
        full = latent <= _WIDEST if correlated is None else correlated
        self.register_buffer("below", torch.tril_indices(latent, latent, -1)[:, : None if full else 0], persistent=False)
        # Of each component: its weight, its place, its scale, its slopes.
        self.parts = [1, latent, latent, self.below.shape[1]]
        self.network = MLP(condition_width, hidden)
        self.head = nn.Linear(self.network.width, components * sum(self.parts))
        nn.init.zeros_(self.head.weight)
        places = min(_APART / math.sqrt(latent), _MOST) * torch.randn(components, latent)
        places -= places.mean(0)
        with torch.no_grad():
            _, location, log_scale, _ = self.head.bias.zero_().unflatten(0, (components, -1)).split(self.parts, dim=-1)
            location.copy_(places)
            log_scale.copy_(0.5 * torch.log1p(-places.square().mean(0)).expand_as(places))

    def forward(self, *given: Tensor | None) -> Distribution:
        """The prior, batch shape `(1, B)`, event `(latent,)`."""
        numbers = self.head(self.network(*given)).float().unflatten(-1, (self.components, -1))
        logits, location, log_scale, below = numbers.split(self.parts, dim=-1)
        base = self.frame(*given).base_dist
        middle, size = base.loc.unsqueeze(-2), base.scale.unsqueeze(-2)
        location, scale = middle + size * location, size * soft_clamp(log_scale, -_BOUND, _BOUND).exp()
        weights = Categorical(logits=logits.squeeze(-1), validate_args=False)
        if not self.parts[-1]:
            diagonal = Independent(Normal(location, scale, validate_args=False), 1, validate_args=False)
            return MixtureSameFamily(weights, diagonal, validate_args=False)
        # A slope in the frame says how many sizes of the one coordinate go with one of the other.
        first, second = self.below
        slopes = numbers.new_zeros(*location.shape, location.shape[-1])
        slopes[..., first, second] = below * (size[..., first] / size[..., second])
        return MixtureSameFamily(weights, CorrelatedNormal(location, scale, slopes), validate_args=False)
