r"""p(z|c): noise carried to the latents of a trained system by a velocity field.

    du/dt = v(u, t; c),  u(0) ~ N(0, I),  z = m + s u(1),   log p(z|c) = log N(u(0)) - integral_0^1 div v dt - sum_d log s_d

The field is fitted in a stage of its own, by flow matching (Lipman et al. 2023, arXiv:2210.02747), to latents that no longer move; m and
s are the moments of the aggregate posterior.
A draw integrates the field from 0 to 1 by Heun's method, a density from 1 to 0 with the field's exact divergence (Chen et al. 2018,
arXiv:1806.07366), at a cost that grows with the latent's width only as the field's own does.
(diffusion in a latent space: Rombach et al. 2022, arXiv:2112.10752; Vahdat et al. 2021, arXiv:2106.05931)
"""

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.conditional import Conditional
from vaekit.core.declared import Count, conform
from vaekit.core.learned import Begins
from vaekit.core.trace import Trace
from vaekit.parts.distributions import Integrated, NormalFlow
from vaekit.parts.networks import VelocityField

__all__ = ["LatentDiffusion"]


class LatentDiffusion(Conditional, Begins):
    """A prior that is fitted to the latents of the system it stands in.

    Arguments:
        latent: dimensions of the latent.
        condition_width: numbers of the condition; 0 = none.
        width: of the field's two hidden layers.
        steps: of the integration, two looks at the field each.

    Raises:
        InputError: where an argument is out of range.
    """

    location: Tensor
    scale: Tensor

    def __init__(self, latent: Count, condition_width: int = 0, width: Count = 256, steps: Count = 24):
        super().__init__()
        for name, value in (("latent", latent), ("width", width), ("steps", steps)):
            conform(name, value, Count)
        self.transform = Integrated(VelocityField(latent, condition_width, width), steps)
        self.register_buffer("location", torch.zeros(1, 1, latent))
        self.register_buffer("scale", torch.ones(1, 1, latent))

    def forward(self, *given: Tensor | None) -> Distribution:
        """The prior, batch shape `(1, B or 1)`, event `(latent,)`."""
        condition = given[0]
        rows = 1 if condition is None else condition.shape[1]
        return NormalFlow(self.transform, self.location.expand(1, rows, -1), self.scale.expand(1, rows, -1), condition)

    def standardised(self, z: Tensor) -> Tensor:
        """u(1) of a latent, `(S, B, latent)`."""
        return (z - self.location) / self.scale

    def velocity(self, u: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """v(u, t; c), `(S, B, latent)`, at times `(S, B)`."""
        return self.transform.field.velocity(u, time, condition)  # type: ignore[operator]

    def start(self, trace: Trace) -> None:
        """Take the moments of the posteriors of the stage's first batch, mixed."""
        posterior = next(iter(trace.sites.values())).posterior
        mean, variance = (v.detach().float().flatten(0, 1) for v in (posterior.mean, posterior.variance))  # type: ignore[union-attr]
        self.location.copy_(mean.mean(0))
        # The law of total variance: a batch's draws alone would say it far less surely.
        self.scale.copy_((mean.var(0, correction=0) + variance.mean(0)).sqrt())
