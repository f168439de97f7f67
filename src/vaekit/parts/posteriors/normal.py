r"""q(z|x) = N(z; m(x), diag s(x)^2).

The log-scale is soft-clamped between -6 and 6, so that no step can make a posterior collapse to a point or explode.
(Kingma, Welling 2013, arXiv:1312.6114)
"""

from torch import Tensor
from torch.distributions import Distribution, Independent
from torch.distributions import Normal as _Normal

from vaekit.core.conditional import Family
from vaekit.core.declared import Count, conform
from vaekit.parts.distributions import soft_clamp

__all__ = ["Normal"]

_BOUND = 6.0


class Normal(Family):
    """A diagonal normal latent.

    Arguments:
        latent: its dimensions at each position.
        positions: its positions; empty = a vector.

    Raises:
        InputError: where there is not at least one dimension.
    """

    def __init__(self, latent: Count, positions: tuple[int, ...] = ()):
        super().__init__()
        conform("latent", latent, Count)
        self.size = 2 * latent
        self.axes = len(positions) + 1

    def forward(self, raw: Tensor) -> Distribution:
        """The posterior, batch shape `(S, B)`, event `(*positions, latent)`."""
        location, log_scale = raw.chunk(2, dim=-1)
        scale = soft_clamp(log_scale, -_BOUND, _BOUND).exp()
        return Independent(_Normal(location, scale, validate_args=False), self.axes, validate_args=False)
