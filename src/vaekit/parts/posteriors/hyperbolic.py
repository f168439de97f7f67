r"""q(z|x): a normal wrapped around hyperbolic space of curvature -c, in normal coordinates about the origin.

    m = a / (1 + c |a|^2 / R^2)^(1/2),   log s = clamp(b),   (a, b) the network's numbers,   R = 10

No mean lies beyond c^(1/2) |m| = R: space grows as e^(|z| (d - 1) c^(1/2)), and float64 tells places apart up to about twice as far.
(Mathieu et al. 2019, arXiv:1901.06033; Nagano et al. 2019, arXiv:1902.02992)
"""

from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.conditional import Family
from vaekit.core.declared import Count, Positive, conform
from vaekit.core.errors import InputError
from vaekit.parts.distributions import WrappedNormal, soft_clamp

__all__ = ["Hyperbolic"]

_BOUND, _REACH = 6.0, 10.0


class Hyperbolic(Family):
    """A latent in hyperbolic space, whose prior about the origin is N(0, I).

    Arguments:
        latent: d, its dimensions.
        curvature: c; as c -> 0 the family is the diagonal normal.

    Raises:
        InputError: where an argument is out of range, or c d > R^2: draws of the prior would lie where no posterior can.
    """

    def __init__(self, latent: Count, curvature: Positive = 1.0):
        super().__init__()
        conform("latent", latent, Count)
        conform("curvature", curvature, Positive)
        most = _REACH**2 / latent
        if curvature > most:
            raise InputError(f"curvature must be {most:g} or less with {latent} latent dimensions, not {curvature:g}")
        self.curvature, self.size = curvature, 2 * latent

    def forward(self, raw: Tensor) -> Distribution:
        """The posterior, batch shape `(S, B)`, event `(latent,)`."""
        away, log_scale = raw.chunk(2, dim=-1)
        location = away * (1 + self.curvature * away.square().sum(-1, keepdim=True) / _REACH**2).rsqrt()
        return WrappedNormal(location, soft_clamp(log_scale, -_BOUND, _BOUND).exp(), self.curvature)
