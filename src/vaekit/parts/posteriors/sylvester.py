r"""q(z|x): a normal in noise, bent by maps that are each row's own.

    e ~ N(0, I),   z = m(x) + s(x) T(e; numbers(x)),   log q(z|x) = log N(e; 0, I) - log |det dT/de| - sum_d log s_d(x)

T is a chain of triangular Sylvester maps, e + R tanh(S e + b) each (van den Berg et al. 2018, arXiv:1803.05649): not one network that is
told of a row, but as many numbers for each row as a small network has. They are worked out once for all draws of a row, so that many draws
cost little; the density elsewhere takes a search for the way back.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core.conditional import Family
from vaekit.core.declared import Count, conform
from vaekit.parts.distributions import NormalFlow, SylvesterMaps, soft_clamp
from vaekit.parts.networks import MLP

__all__ = ["Sylvester"]

_BOUND = 6.0


class Sylvester(Family):
    """A latent whose posterior can be skewed, curved and correlated, in each row in a way of its own.

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
        for name, value in (("latent", latent), ("steps", steps), ("context", context)):
            conform(name, value, Count)
        conform("hidden", tuple(hidden), tuple[Count, ...])
        self.latent, self.widths = latent, (context, *hidden)
        self.transform = SylvesterMaps(latent, steps)
        self.outer = self.transform.outer()
        self.size = 2 * latent + len(self.outer)

    def head(self, width: int) -> nn.Module:
        """The last layers: m and s from all features, the maps' numbers from what is kept of them."""
        return _Head(width, 2 * self.latent, self.widths, self.outer)

    def forward(self, raw: Tensor) -> Distribution:
        """The posterior, batch shape `(S, B)`, event `(latent,)`."""
        location, log_scale, numbers = raw.split((self.latent, self.latent, len(self.outer)), dim=-1)
        return NormalFlow(self.transform, location, soft_clamp(log_scale, -_BOUND, _BOUND).exp(), numbers)


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
