r"""How far a velocity field is from carrying noise to the latents along straight lines.

    u_t = (1 - t) e + t u,   e ~ N(0, I),  t ~ U(0, 1),   u = (z - m) / s,  z ~ q(z|x)
    loss = 1/2 E |v(u_t, t; c) - (u - e)|^2

At its least, v generates the aggregate posterior. In nats but for a constant, as -log N(u - e; v, I); its least is no entropy of the
latents, since many lines cross at a place.
(Lipman et al. 2023, arXiv:2210.02747; straight paths: Liu et al. 2023, arXiv:2209.03003)
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from vaekit.core.batch import lead
from vaekit.core.borrowed import Borrowed
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Needs, Term
from vaekit.core.rules import quantile_normal
from vaekit.core.schedule import Weight
from vaekit.core.trace import Trace

__all__ = ["FlowMatching"]


class _Carrier(Protocol):
    """A prior with a velocity field."""

    def standardised(self, z: Tensor) -> Tensor: ...

    def velocity(self, u: Tensor, time: Tensor, condition: Tensor | None) -> Tensor: ...


class FlowMatching(Term):
    """1/2 |v(u_t, t; c) - (u - e)|^2 at one time a draw, `(S, B)`.

    Arguments:
        prior: whose field is fitted; borrowed. Has `standardised(z)` and `velocity(u, t, c)`.
        weight: a number, a schedule, or a schedule's JSON form.
    """

    # A density takes an integration: none is worked out beside a step.
    needs = Needs(rates=False)

    def __init__(self, prior: nn.Module, weight: Weight = 1.0):
        super().__init__("matching", weight)
        self.prior = Borrowed(prior)

    def forward(self, trace: Trace) -> Tensor:
        """The squared distance, summed over dimensions, `(S, B)`."""
        prior: _Carrier = self.prior.module  # type: ignore[assignment]
        z = next(iter(trace.sites.values())).z
        noise, time = self._drawn(trace, z)
        with torch.autocast(z.device.type, enabled=False):
            end = prior.standardised(z.float())
            place = (1 - time) * noise + time * end
            found = prior.velocity(place, time.squeeze(-1), lead(trace.batch.condition))
            return 0.5 * (found - (end - noise)).square().sum(-1)

    def _drawn(self, trace: Trace, z: Tensor) -> tuple[Tensor, Tensor]:
        """Noise `(S, B, D)` and times `(S, B, 1)`."""
        if self.training:
            return torch.randn_like(z, dtype=torch.float32), torch.rand(*z.shape[:2], 1, device=z.device)
        # While measuring, draws belong to rows: two measurements differ by the weights alone.
        uniforms = RowNoise(trace.batch.x)("matching", torch.Size((*z.shape[:2], z.shape[-1] + 1)))  # type: ignore[arg-type]
        return quantile_normal(uniforms[..., 1:]), uniforms[..., :1]
