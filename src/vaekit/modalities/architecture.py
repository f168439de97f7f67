"""Sizes of the networks at the two ends, as a person names them."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

from torch import nn

from vaekit.core.declared import Count, Fraction, Range, Rest, conform
from vaekit.core.errors import InputError, nearest
from vaekit.parts.networks import MLP, BlockStyle, Residual
from vaekit.parts.networks.activation import ACTIVATIONS

__all__ = ["Architecture", "Network"]

Network: TypeAlias = Literal["auto", "mlp", "residual", "convolution"]

_CONVOLVING = ("channels", "blocks", "norm", "bottleneck")


@dataclass(frozen=True)
class Architecture:
    """How the networks are built.

    Arguments:
        network: `mlp`, `residual` (layers around a shortcut; on small images and a processor often the better one for the time),
            `convolution` (images), or `auto`: by the data and the sizes that are named.
        hidden: widths of the layers, encoder order; the decoder reverses them. Empty = by the network.
        activation: the nonlinearity: `elu`, `gelu`, `leaky_relu`, `relu`, `silu` or `tanh`.
        gated: gated linear units instead of plain layers (`mlp`).
        dropout: share of features that is dropped while training.
        channels: widths of a convolution's levels, finest first; empty = 16, 32, 64.
        blocks: residual blocks a level of a convolution.
        norm: `group` or `none`, of a convolution.
        bottleneck: share of a level's channels that a residual block's convolutions of 3 x 3 have, in (0, 1]; a quarter is usual, for wide
            levels on little time.
    """

    network: Network = "auto"
    hidden: tuple[Count, ...] = ()
    activation: Literal[*ACTIVATIONS] = "silu"  # type: ignore[valid-type]
    gated: bool = False
    dropout: Rest = 0.0
    channels: tuple[Count, ...] = ()
    blocks: Annotated[int, Range(0)] = 1
    norm: Literal["group", "none"] = "group"
    bottleneck: Fraction = 1.0

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
        for name, declared in get_type_hints(cls, include_extras=True).items():
            if name in given:
                conform(name, given[name], declared)
        sizes = {n: (v,) if isinstance(v, int) else tuple(v) for n, v in given.items() if n in ("hidden", "channels")}
        made = cls(**{**given, **sizes})
        if made.network in ("mlp", "residual") and made.convolves:
            named = next(name for name in _CONVOLVING if name in given)
            raise InputError(f"{named}={given[named]!r} is of a convolution, but network={made.network!r}: drop one of the two")
        if made.gated and (made.convolves or made.network in ("residual", "convolution")):
            other = made.network if made.network != "auto" else "convolution"
            raise InputError(f"gated=true is of network='mlp', but network={other!r}: drop one of the two")
        if made.bottleneck < 1 and not made.blocks:
            raise InputError(f"bottleneck={made.bottleneck:g} is of residual blocks, but blocks=0 leaves them out: drop one of the two")
        return made

    @property
    def convolves(self) -> bool:
        """Whether a size was named that a convolution alone has."""
        return any(getattr(self, name) != getattr(Architecture, name) for name in _CONVOLVING)

    @property
    def levels(self) -> tuple[int, ...]:
        """Widths of a convolution's levels, finest first."""
        return self.channels or (16, 32, 64)

    def resolved(self, otherwise: Network) -> "Architecture":
        """The same with `auto` replaced: by the network that has the sizes which a person named.

        Arguments:
            otherwise: the network where nothing was named.
        """
        if self.network != "auto":
            return self
        return replace(self, network="convolution" if self.convolves else "mlp" if self.gated else otherwise)

    @property
    def style(self) -> BlockStyle:
        """What stands on each level of a convolution."""
        return BlockStyle(self.blocks, self.activation, self.norm, self.bottleneck)

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
