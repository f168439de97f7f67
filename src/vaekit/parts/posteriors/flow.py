r"""q(z|x): a normal in noise, bent by maps that look at the row.

    e ~ N(0, I),   z = m(x) + s(x) T(e; h(x)),   log q(z|x) = log N(e; 0, I) - log |det dT/de| - sum_d log s_d(x)

iaf        affine maps of each e_d by those before it: the inverse autoregressive flow (Kingma et al. 2016, arXiv:1606.04934)
spline     couplings by rational-quadratic splines: a neural spline flow (Durkan et al. 2019, arXiv:1906.04032)
sylvester  e + R tanh(S e + b) with triangles R and S of the row alone (van den Berg et al. 2018, arXiv:1803.05649)

All go from noise to latent in one pass, in which a draw learns its own density. The density elsewhere takes the way back: one pass of a
coupling, up to D of an inverse autoregressive flow, a search of a Sylvester map. Maps of the first two kinds are networks that are told of
a row; those of the third are as many numbers for each row as a small network has, worked out once for all draws of it. T works on standard
noise and the encoder's m and s are applied last, so its networks see numbers of one size however narrow a posterior is. It starts as the
identity, where q is the diagonal normal.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core.conditional import Family
from vaekit.core.declared import Count, conform
from vaekit.parts.distributions import NormalFlow, SylvesterMaps, affine_flow, coupling_spline_flow, soft_clamp
from vaekit.parts.networks import MLP

__all__ = ["Bend", "Flow", "Sylvester", "flow_posterior"]

_BOUND = 6.0

Bend = Literal["iaf", "spline", "sylvester"]


def _conform(latent: Count, steps: Count, hidden: Sequence[Count], context: Count) -> None:
    for name, value in (("latent", latent), ("steps", steps), ("context", context)):
        conform(name, value, Count)
    conform("hidden", tuple(hidden), tuple[Count, ...])


def _bent(transform: nn.Module | SylvesterMaps, raw: Tensor, latent: int) -> Distribution:
    """The posterior of numbers that are m, log s and what T is told, batch shape `(S, B)`, event `(latent,)`."""
    location, log_scale, context = raw.tensor_split((latent, 2 * latent), dim=-1)
    return NormalFlow(transform, location, soft_clamp(log_scale, -_BOUND, _BOUND).exp(), context)


class Flow(Family):
    """A latent whose posterior can be skewed, curved and correlated, by networks that are told of a row.

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
        _conform(latent, steps, hidden, context)
        conform("flow", flow, Literal["iaf", "spline"])
        self.latent, self.size = latent, 2 * latent + context
        self.transform = {"iaf": affine_flow, "spline": coupling_spline_flow}[flow](latent, context, steps, hidden)

    def forward(self, raw: Tensor) -> Distribution:
        """The posterior, batch shape `(S, B)`, event `(latent,)`."""
        return _bent(self.transform, raw, self.latent)


class Sylvester(Family):
    """A latent whose posterior can be skewed, curved and correlated, by maps that are each row's own.

    Arguments:
        latent: its dimensions D.
        steps: how many maps.
        hidden: widths of the network that gives a row's maps, after the first.
        context: the first width: numbers that are kept of the features.

    Raises:
        InputError: where an argument is out of range.
    """

    def __init__(self, latent: Count, steps: Count = 4, hidden: Sequence[Count] = (128,), context: Count = 64):
        super().__init__()
        _conform(latent, steps, hidden, context)
        self.latent, self.widths, self.transform = latent, (context, *hidden), SylvesterMaps(latent, steps)
        self.outer = self.transform.outer()
        self.size = 2 * latent + len(self.outer)

    def head(self, width: int) -> nn.Module:
        """The last layers: m and s from all features, the maps' numbers from what is kept of them."""
        return _Head(width, 2 * self.latent, self.widths, self.outer)

    def forward(self, raw: Tensor) -> Distribution:
        """The posterior, batch shape `(S, B)`, event `(latent,)`."""
        return _bent(self.transform, raw, self.latent)


class _Head(nn.Module):
    """A layer beside a network.

    Arguments:
        width: channels that come in.
        plain: numbers that one layer gives.
        widths: of the network.
        silent: for each number that it gives, whether it is zero at first.
    """

    def __init__(self, width: int, plain: int, widths: Sequence[int], silent: Tensor):
        super().__init__()
        self.plain, self.network = nn.Linear(width, plain), MLP(width, widths)
        self.bent = nn.Linear(self.network.width, len(silent))
        with torch.no_grad():
            self.bent.weight[silent] = 0.0
            self.bent.bias[silent] = 0.0

    def forward(self, features: Tensor) -> Tensor:
        """The numbers, `(S, B, plain + bent)`."""
        return torch.cat([self.plain(features), self.bent(self.network(features))], dim=-1)


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
