r"""Fully connected layers, plain or gated.

    plain  h' = a(W h + b)
    gated  h' = (W h + b) * sigmoid(V h + c)          (Dauphin et al. 2016, arXiv:1612.08083)
"""

from collections.abc import Sequence

from torch import Tensor, nn

from vaekit.parts.networks.activation import activation as named_activation
from vaekit.parts.networks.join import join

__all__ = ["MLP"]


class MLP(nn.Module):
    """Layers on the last axis, over any leading axes; joins what it is given.

    Arguments:
        size: channels of all inputs together.
        hidden: width of each layer; empty = the input passes through.
        activation: name of the nonlinearity of plain layers: `silu`, `relu`, `gelu`, `tanh`, `leaky_relu`, `elu`.
        gated: layers are gated linear units.
        dropout: share of a layer's outputs that is dropped while training.
    """

    def __init__(self, size: int, hidden: Sequence[int], activation: str = "silu", gated: bool = False, dropout: float = 0.0):
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(size, 2 * width), nn.GLU()] if gated else [nn.Linear(size, width), named_activation(activation)]
            if dropout:
                layers.append(nn.Dropout(dropout))
            size = width
        self.layers = nn.Sequential(*layers)
        self.width = size
        self.positions: tuple[int, ...] = ()

    def forward(self, *given: Tensor | None) -> Tensor:
        """Features `(S, B, *positions, width)` of inputs `(S or 1, B, *positions, channels)`."""
        return self.layers(join(*given))
