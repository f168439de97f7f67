r"""A person's own encoder or decoder, as the two ends of a VAE.

An own encoder maps images `(N, channels, height, width)` or vectors `(N, columns)` to features `(N, width)`; an own decoder maps
`(N, latent)` to features of any shape. An encoder gets zeros in the model's space where a row has gaps. What they put out is made
into parameters by a linear head, or is taken as the parameters themselves where the numbers fit exactly.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from vaekit.core.errors import InputError
from vaekit.parts.networks.join import join

__all__ = ["OwnReader", "OwnWriter"]


def _natural(event: Sequence[int]) -> tuple[int, ...]:
    """The shape torch's own layers expect of a row: channels first for images."""
    return (event[-1], *event[:-1]) if len(event) > 1 else tuple(event)


def _tried(network: nn.Module, shapes: Sequence[tuple[int, ...]], what: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first shape of a row that the network takes, and the shape of what it gives for one."""
    refusals = []
    training = network.training
    network.eval()
    for shape in shapes:
        try:
            with torch.no_grad():
                out = network(torch.zeros(2, *shape))
        except (RuntimeError, ValueError, TypeError) as error:
            refusals.append(f"{shape}: {str(error).splitlines()[0]}")
            continue
        finally:
            network.train(training)
        if not isinstance(out, Tensor) or out.shape[0] != 2:
            raise InputError(f"{what}: must give one tensor with a row for each row it is given")
        return shape, tuple(out.shape[1:])
    raise InputError(f"{what}: takes none of the shapes a row has here ({'; '.join(refusals)})")


class OwnReader(nn.Module):
    """A person's own encoder as a reader.

    Arguments:
        network: any module.
        event: shape of a row, `(*positions, channels)`.
        condition_width: numbers of a condition, put beside the features; 0 = none.

    Raises:
        InputError: where the network takes no shape that a row has here.
    """

    def __init__(self, network: nn.Module, event: Sequence[int], condition_width: int):
        super().__init__()
        self.network = network
        self.shape, given = _tried(network, [_natural(event), (prod(event),)], "reader")
        self.gaps = False
        self.swapped = len(event) > 1 and len(self.shape) > 1
        self.width = prod(given) + condition_width
        self.positions: tuple[int, ...] = ()

    def embed(self, x: Tensor, observed: Tensor | None) -> Tensor:
        """A row as the network takes it."""
        return x.float()

    def trunk(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """Features `(S, B, width)`."""
        rows = h.shape[:2]
        flat = h.flatten(0, 1)
        flat = flat.movedim(-1, 1) if self.swapped else flat.reshape(flat.shape[0], *self.shape)
        return join(self.network(flat).flatten(1).unflatten(0, rows), condition)

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None) -> Tensor:
        """Features `(S, B, width)` of evidence."""
        return self.trunk(self.embed(x, observed), condition)


class OwnWriter(nn.Module):
    """A person's own decoder as a writer.

    An output `(N, channels, *positions)` keeps its positions, channels last; any other is flattened.

    Arguments:
        network: any module; it must end in unbounded numbers, not in a sigmoid.
        width: channels of the latent.
        condition_width: numbers of a condition, put beside the latent; 0 = none.
        event: shape of a row, `(*positions, channels)`.

    Raises:
        InputError: where the network takes no such latent, or ends in a squashing layer.
    """

    def __init__(self, network: nn.Module, width: int, condition_width: int, event: Sequence[int]):
        super().__init__()
        last = list(network.modules())[-1]
        if isinstance(last, (nn.Sigmoid, nn.Softmax, nn.LogSoftmax)):
            raise InputError(f"writer: ends in {type(last).__name__}, but a likelihood needs unbounded numbers: leave the last layer off")
        self.network = network
        _, given = _tried(network, [(width + condition_width,)], "writer")
        keeps = len(event) > 1 and tuple(given[1:]) == tuple(event[:-1])
        self.positions = tuple(event[:-1]) if keeps else ()
        self.width = given[0] if keeps else prod(given)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Features `(S, B, *positions, width)`."""
        given = join(z.flatten(2), condition)
        out = self.network(given.flatten(0, 1))
        return (out.movedim(1, -1) if self.positions else out.flatten(1)).unflatten(0, given.shape[:2])
