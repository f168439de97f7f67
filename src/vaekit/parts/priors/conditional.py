r"""p(z|c) = N(z; m(c), L(c) L(c)^T), or with a diagonal: a prior that learns where each condition's latents lie, and how.

The latents of one class are correlated even where those of all classes are not: one decoder serves all, and what it has in common for them
lies aslant in each. Drawn without that, a class has rows that are of none.
(Sohn, Lee, Yan 2015, Learning structured output representation using deep conditional generative models, with a diagonal.)
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core.conditional import Family, Neural
from vaekit.core.declared import Count, conform
from vaekit.core.errors import InputError
from vaekit.parts.distributions import CorrelatedNormal, soft_clamp
from vaekit.parts.networks import MLP
from vaekit.parts.posteriors import Normal

__all__ = ["Correlated", "conditional_normal"]

_BOUND = 6.0
# The widest latent whose correlations, half its square a row, are no burden.
_WIDEST = 64


class Correlated(Family):
    """A normal latent with a full covariance, without correlations to begin with.

    Arguments:
        latent: its dimensions.

    Raises:
        InputError: where there is not at least one dimension.
    """

    below: Tensor

    def __init__(self, latent: Count):
        super().__init__()
        conform("latent", latent, Count)
        self.register_buffer("below", torch.tril_indices(latent, latent, -1), persistent=False)
        self.parts = [latent, latent, self.below.shape[1]]
        self.size = sum(self.parts)

    def head(self, width: int) -> nn.Module:
        """The last layer; its slopes begin at zero."""
        layer = nn.Linear(width, self.size)
        for values in (layer.weight, layer.bias):
            nn.init.zeros_(values.split(self.parts)[2])
        return layer

    def forward(self, raw: Tensor) -> Distribution:
        """The prior, batch shape `(S, B)`, event `(latent,)`."""
        location, log_scale, below = raw.split(self.parts, dim=-1)
        slopes = raw.new_zeros(*location.shape, location.shape[-1])
        slopes[..., self.below[0], self.below[1]] = below
        return CorrelatedNormal(location, soft_clamp(log_scale, -_BOUND, _BOUND).exp(), slopes)


def conditional_normal(
    latent: int, condition_width: int, hidden: Sequence[int] = (64,), correlated: bool | None = None, diagonal: bool = False
) -> Neural:
    """A learned conditional normal prior.

    Arguments:
        latent: dimensions of the latent.
        condition_width: numbers of the condition.
        hidden: widths of the network from condition to parameters.
        correlated: whether the coordinates may be correlated within a condition; None = up to 64 of them.
        diagonal: whatever `correlated` says, they may not.

    Raises:
        InputError: where the data has no condition.
    """
    if condition_width < 1:
        raise InputError("a learned conditional prior needs a condition: give condition=, or use the recipe vae")
    full = (latent <= _WIDEST if correlated is None else correlated) and not diagonal
    return Neural(MLP(condition_width, hidden), Correlated(latent) if full else Normal(latent))
