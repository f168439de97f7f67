"""Sizes of the networks at the two ends, as a person names them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from torch import nn

from vaekit.core.errors import InputError, nearest
from vaekit.parts.networks import MLP, Residual
from vaekit.parts.networks.activation import ACTIVATIONS

__all__ = ["Architecture"]

_NETWORKS = ("auto", "mlp", "residual", "convolution")


@dataclass(frozen=True)
class Architecture:
    """How the networks are built.

    Arguments:
        network: `mlp`, `residual` (layers around a shortcut), `convolution` (images), or `auto`: by the data.
        hidden: widths of the layers, encoder order; the decoder reverses them. Empty = by the network.
        activation: name of the nonlinearity.
        gated: gated linear units instead of plain layers (`mlp`).
        dropout: share of features that is dropped while training.
        channels: widths of a convolution's levels, finest first.
        blocks: residual blocks a level of a convolution.
        norm: `group` or `none`, of a convolution.
    """

    network: str = "auto"
    hidden: tuple[int, ...] = ()
    activation: str = "silu"
    gated: bool = False
    dropout: float = 0.0
    channels: tuple[int, ...] = (32, 64, 128)
    blocks: int = 1
    norm: str = "group"

    @classmethod
    def checked(cls, **given: Any) -> "Architecture":
        """An architecture from a person's arguments.

        Raises:
            InputError: where a name is unknown (suggests the nearest) or a value out of range.
        """
        known = {f.name for f in fields(cls)}
        for name in given:
            if name not in known:
                raise InputError(f"option {name!r} is unknown: {nearest(name, known)}")
        for name, allowed in (("network", _NETWORKS), ("activation", tuple(ACTIVATIONS)), ("norm", ("group", "none"))):
            if name in given and given[name] not in allowed:
                raise InputError(f"{name}={given[name]!r} is unknown: {nearest(str(given[name]), allowed)}")
        for name in ("hidden", "channels"):
            if name in given:
                given[name] = _sizes(name, given[name])
        if not 0 <= float(given.get("dropout", 0.0)) < 1:
            raise InputError(f"dropout must be in [0, 1), not {given['dropout']}")
        if int(given.get("blocks", 1)) < 0:
            raise InputError(f"blocks must be 0 or more, not {given['blocks']}")
        return cls(**given)

    def layers(self, reverse: bool = False) -> Callable[[int], nn.Module]:
        """What makes the layers of a vector's network from the size of its input.

        Arguments:
            reverse: the decoder's order.
        """
        widths = self.hidden or ((512, 512, 512) if self.network == "residual" else (256, 256))
        widths = widths[::-1] if reverse else widths
        if self.network == "residual":
            return partial(Residual, hidden=widths, activation=self.activation, dropout=self.dropout)
        return partial(MLP, hidden=widths, activation=self.activation, gated=self.gated, dropout=self.dropout)


def _sizes(name: str, given: int | Sequence[int]) -> tuple[int, ...]:
    sizes = (given,) if isinstance(given, int) else tuple(given)
    if not sizes or any(not isinstance(size, int) or isinstance(size, bool) or size < 1 for size in sizes):
        raise InputError(f"{name} must be widths of 1 or more, such as {name}=256,128, not {given!r}")
    return sizes
