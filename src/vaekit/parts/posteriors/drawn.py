r"""p(z|y) = N(z; m(y), diag s(y)^2) of a z that y was inferred from: its ratio to q(z|x) is that of the draw.

(Kingma, Mohamed, Rezende, Welling 2014, arXiv:1406.5298)
"""

from torch import Tensor
from torch.distributions import Distribution

from vaekit.parts.distributions import Drawn
from vaekit.parts.posteriors.normal import Normal

__all__ = ["DrawnNormal"]


class DrawnNormal(Normal):
    """A diagonal normal, as `Normal`, that has no KL in closed form."""

    def forward(self, raw: Tensor) -> Distribution:
        """The distribution, batch shape `(S, B)`, event `(*positions, latent)`."""
        found = super().forward(raw)
        return Drawn(found.base_dist, self.axes, validate_args=False)  # type: ignore[attr-defined]
