r"""p(z|c): a normal bent by maps that are learned with the rest.

    z = m + s T(e; c),   e ~ N(0, I),   log p(z|c) = log N(e; 0, I) + log |det dT^-1/dz| - sum_d log s_d

Every latent of a step has to be judged and few are ever drawn, so the cheap direction of T is from latent to noise: an autoregressive
spline flow draws in up to D passes, a coupling flow in one (Durkan et al. 2019, arXiv:1906.04032). m and s let the latents settle at
another size than the splines' interval. It starts as the standard normal.
(flows as the prior of a VAE: Chen et al. 2017, arXiv:1611.02731)
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core.conditional import Conditional
from vaekit.core.declared import Count, conform
from vaekit.parts.distributions import Backwards, NormalFlow, coupling_spline_flow, spline_flow

__all__ = ["Flow", "Order"]

Order = Literal["coupling", "autoregressive"]


class Flow(Conditional):
    """A learned prior with an exact density.

    Arguments:
        latent: dimensions of the latent.
        flow: `coupling`, whose draws take one pass a map, or `autoregressive`, whose draws take up to as many as dimensions.
        condition_width: numbers of the condition; 0 = none.
        steps: how many maps.
        hidden: widths of each map's network.

    Raises:
        InputError: where an argument is out of range, or the `flows` extra is not installed.
    """

    def __init__(
        self, latent: Count, flow: Order = "coupling", condition_width: int = 0, steps: Count = 4, hidden: Sequence[Count] = (128,)
    ):
        super().__init__()
        conform("latent", latent, Count)
        conform("steps", steps, Count)
        conform("flow", flow, Order)
        conform("hidden", tuple(hidden), tuple[Count, ...])
        made = {"coupling": coupling_spline_flow, "autoregressive": spline_flow}[flow](latent, condition_width, steps, hidden)
        self.transform = Backwards(made)
        self.location = nn.Parameter(torch.zeros(1, 1, latent))
        self.log_scale = nn.Parameter(torch.zeros(1, 1, latent))

    def forward(self, *given: Tensor | None) -> Distribution:
        """The prior, batch shape `(1, B or 1)`, event `(latent,)`."""
        condition = given[0]
        rows = 1 if condition is None else condition.shape[1]
        location, scale = (v.expand(1, rows, -1) for v in (self.location, self.log_scale.exp()))
        return NormalFlow(self.transform, location, scale, condition)
