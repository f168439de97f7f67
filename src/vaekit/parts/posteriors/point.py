r"""q(z|x) = delta(z - f(x)): the code of a plain autoencoder.

A point in a continuum has no density, so a model with it has no likelihood bound; asking for one raises by name.
"""

from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.conditional import Family
from vaekit.core.declared import Count, conform
from vaekit.parts.distributions import Point as _Point

__all__ = ["Point"]


class Point(Family):
    """A latent without noise.

    Arguments:
        latent: its dimensions at each position.
        positions: its positions; empty = a vector.

    Raises:
        InputError: where there is not at least one dimension.
    """

    def __init__(self, latent: Count, positions: tuple[int, ...] = ()):
        super().__init__()
        conform("latent", latent, Count)
        self.size = latent
        self.axes = len(positions) + 1

    def forward(self, raw: Tensor) -> Distribution:
        """The code, batch shape `(S, B)`, event `(*positions, latent)`."""
        return _Point(raw, self.axes)
