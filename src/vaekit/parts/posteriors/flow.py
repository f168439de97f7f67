r"""q(z|x): a normal in noise, bent by maps that look at the row.

    e ~ N(0, I),   z = m(x) + s(x) T(e; h(x)),   log q(z|x) = log N(e; 0, I) - log |det dT/de| - sum_d log s_d(x)

iaf     affine maps of each e_d by those before it: the inverse autoregressive flow (Kingma et al. 2016, arXiv:1606.04934)
spline  couplings by rational-quadratic splines: a neural spline flow (Durkan et al. 2019, arXiv:1906.04032)

Both go from noise to latent in one pass, in which a draw learns its own density. The density elsewhere takes the way back: one pass of a
coupling, up to D of an inverse autoregressive flow. T works on standard noise and the encoder's m and s are applied last, so its networks
see numbers of one size however narrow a posterior is. It starts as the identity, where q is the diagonal normal.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.distributions import Distribution

from vaekit.core.conditional import Family
from vaekit.core.declared import Count, conform
from vaekit.parts.distributions import NormalFlow, affine_flow, coupling_spline_flow, soft_clamp
from vaekit.parts.posteriors.sylvester import Sylvester

__all__ = ["Bend", "Flow", "flow_posterior"]

_BOUND = 6.0

Bend = Literal["iaf", "spline", "sylvester"]


class Flow(Family):
    """A latent whose posterior can be skewed, curved and correlated.

    Arguments:
        latent: its dimensions.
        flow: `iaf`, affine maps of each number by those before it, or `spline`, couplings.
        steps: how many maps.
        hidden: widths of each map's network.
        context: numbers of h, what the maps are told of the row.

    Raises:
        InputError: where an argument is out of range, or the `flows` extra is not installed.
    """

    def __init__(
        self, latent: Count, flow: Literal["iaf", "spline"] = "iaf", steps: Count = 4, hidden: Sequence[Count] = (128,), context: Count = 64
    ):
        super().__init__()
        for name, value in (("latent", latent), ("steps", steps), ("context", context)):
            conform(name, value, Count)
        conform("flow", flow, Literal["iaf", "spline"])
        conform("hidden", tuple(hidden), tuple[Count, ...])
        self.latent, self.context = latent, context
        self.size = 2 * latent + context
        self.transform = {"iaf": affine_flow, "spline": coupling_spline_flow}[flow](latent, context, steps, hidden)

    def forward(self, raw: Tensor) -> Distribution:
        """The posterior, batch shape `(S, B)`, event `(latent,)`."""
        location, log_scale, context = raw.split((self.latent, self.latent, self.context), dim=-1)
        return NormalFlow(self.transform, location, soft_clamp(log_scale, -_BOUND, _BOUND).exp(), context)


def flow_posterior(latent: Count, flow: Bend, steps: Count, hidden: Sequence[Count], context: Count) -> Family:
    """The family of posteriors that is bent in a way.

    Arguments:
        latent: its dimensions.
        flow: `iaf`, affine maps of each number by those before it, `spline`, couplings, or `sylvester`, maps that are each row's own.
        steps: how many maps.
        hidden: widths of each map's network; of `sylvester`, of the network that gives a row's maps.
        context: numbers that are told of a row.

    Raises:
        InputError: where an argument is out of range, or the `flows` extra is needed and not installed.
    """
    conform("flow", flow, Bend)
    return Sylvester(latent, steps, hidden, context) if flow == "sylvester" else Flow(latent, flow, steps, hidden, context)
