r"""p(z) = N(0, I), whatever the condition."""

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from vaekit.core.conditional import Conditional

__all__ = ["Standard"]


class Standard(Conditional):
    """The standard normal prior.

    Arguments:
        latent: dimensions at each position.
        positions: positions of the latent; empty = a vector.
    """

    location: Tensor
    scale: Tensor

    def __init__(self, latent: int, positions: tuple[int, ...] = ()):
        super().__init__()
        self.register_buffer("location", torch.zeros(1, 1, *positions, latent), persistent=False)
        self.register_buffer("scale", torch.ones(1, 1, *positions, latent), persistent=False)
        self.axes = len(positions) + 1

    def forward(self, *given: Tensor | None) -> Distribution:
        """The prior, batch shape `(1, 1)`, event `(*positions, latent)`."""
        return Independent(Normal(self.location, self.scale, validate_args=False), self.axes, validate_args=False)
