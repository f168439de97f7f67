r"""Fully connected layers around a shortcut.

    h_0 = W x,   h_{l+1} = h_l + V_l a(U_l a(norm(h_l)))

(He et al. 2016, arXiv:1603.05027; LayerNorm: Ba et al. 2016, arXiv:1607.06450)

The shortcut lets several layers train as fast as one; LayerNorm looks at one row alone, so a score does not depend on its neighbours.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from vaekit.parts.networks.activation import activation as named_activation
from vaekit.parts.networks.join import join

__all__ = ["Residual"]


class Residual(nn.Module):
    """A first layer, residual blocks of one width, and a last nonlinearity; over any leading axes.

    Arguments:
        size: channels of all inputs together.
        hidden: width of the first layer, then of each block's inner layer.
        activation: name of the nonlinearity.
        dropout: share of a block's outputs that is dropped while training.
    """

    def __init__(self, size: int, hidden: Sequence[int], activation: str = "silu", dropout: float = 0.0):
        super().__init__()
        self.width = hidden[0]
        self.positions: tuple[int, ...] = ()
        self.enter = nn.Linear(size, self.width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(self.width), named_activation(activation), nn.Linear(self.width, inner), named_activation(activation),
                nn.Dropout(dropout), nn.Linear(inner, self.width),
            )
            for inner in hidden[1:]
        )
        self.last = named_activation(activation)

    def forward(self, *given: Tensor | None) -> Tensor:
        """Features `(S, B, *positions, width)` of inputs `(S or 1, B, *positions, channels)`."""
        h = self.enter(join(*given))
        for block in self.blocks:
            h = h + block(h)
        return self.last(h)
