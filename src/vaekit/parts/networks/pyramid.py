r"""The networks of a hierarchy of latents: a way up that reads a row once, and a way down that every latent joins.

    up      d_{l-1} = f_l(d_l),   d_L the top's                  (deterministic, of the row alone)
    ready   what p(z_l | z_>l) is read from:  r_l(h_l)
    meet    what q(z_l | x, z_>l) is read from:  a(A d_l + B h_l);  with bottlenecks a(f(A d_l + B h_l)), A and B of one pixel
    below   h_{l-1} = g_l(h_l + W z_l)                           (the shortcut past the latent is deterministic; h_L is nothing)

(Sonderby et al. 2016, arXiv:1602.02282; Kingma et al. 2016, arXiv:1606.04934; Vahdat, Kautz 2020, arXiv:2007.03898; Child 2021,
arXiv:2011.10650)

What is met is a sum, not one layer of both side by side: A d_l is then worked out once a row, however many particles h_l has.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.parts.networks.activation import activation as named_activation
from vaekit.parts.networks.convolution import BlockStyle, norm_of, repeated
from vaekit.parts.networks.embed import with_gaps
from vaekit.parts.networks.mlp import MLP

__all__ = ["Pyramid", "grid_pyramid", "vector_pyramid"]


class Pyramid(nn.Module):
    """The networks of every level, the top's first.

    Arguments:
        up: from evidence to features of every level, top first.
        ready: from features of the way down to those of a prior; none for the top, whose prior stands alone.
        meet: from features of both ways to those of a posterior.
        below: from features of the way down, a latent and a condition to those of the next level.
        grids: positions of each level's latent.
        positions: of the last features of the way down.
        width: of the same.
    """

    def __init__(
        self, up: nn.Module, ready: Sequence[nn.Module], meet: Sequence[nn.Module], below: Sequence[nn.Module],
        grids: Sequence[tuple[int, ...]], positions: tuple[int, ...], width: int,
    ):
        super().__init__()
        self.up, self.ready, self.meet, self.below = up, nn.ModuleList(ready), nn.ModuleList(meet), nn.ModuleList(below)
        self.grids, self.positions, self.width = tuple(grids), positions, width


class _VectorUp(nn.Module):
    """A reader, then as many networks around a shortcut as there are levels above the lowest."""

    def __init__(self, reader: Any, layers: Callable[[int], nn.Module], condition_width: int, levels: int):
        super().__init__()
        self.reader = reader
        self.width, self.positions = reader.width, ()
        self.higher = nn.ModuleList(layers(self.width + condition_width) for _ in range(levels - 1))

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None) -> list[Tensor]:
        """Features `(S, B, width)` of each level, top first."""
        found = [self.reader(x, observed, condition)]
        for layers in self.higher:
            found.append(found[-1] + layers(found[-1], condition))
        return found[::-1]


class _VectorBelow(nn.Module):
    """Layers around a shortcut."""

    def __init__(self, layers: Any):
        super().__init__()
        self.layers = layers
        self.width: int = layers.width

    def forward(self, h: Tensor | None, z: Tensor, condition: Tensor | None) -> Tensor:
        """Features `(S, B, width)`."""
        found = self.layers(h, z, condition)
        return found if h is None else h + found


def vector_pyramid(
    reader: Any, levels: int, latent: int, condition_width: int, up: Callable[[int], nn.Module], down: Callable[[int], nn.Module],
    activation: str,
) -> Pyramid:
    """Fully connected layers at every level.

    Arguments:
        reader: to the features of the lowest level.
        levels: how many.
        latent: dimensions of each level's latent.
        condition_width: numbers of a condition; 0 = none.
        up: makes a network of the way up from the size of its input.
        down: makes one of the way down.
        activation: name of the nonlinearity.
    """
    below = [_VectorBelow(down(latent + condition_width))]
    width, seen = below[0].width, reader.width
    below += [_VectorBelow(down(width + latent + condition_width)) for _ in range(levels - 1)]
    ready = [MLP(width, (width,), activation) for _ in range(levels - 1)]
    meet = [MLP(seen + (width if level else 0), (seen,), activation) for level in range(levels)]
    return Pyramid(_VectorUp(reader, up, condition_width, levels), ready, meet, below, [()] * levels, (), width)


class _Ready(nn.Module):
    """Normed features, channels last outside."""

    def __init__(self, width: int, style: BlockStyle):
        super().__init__()
        self.layers = nn.Sequential(norm_of(width, style.norm), named_activation(style.activation))
        self.width = width

    def forward(self, h: Tensor) -> Tensor:
        """Features of the same shape, `(S, B, height, width, channels)`."""
        return _on_images(self.layers, h)


class _Meet(nn.Module):
    """A convolution of each way, added; with bottlenecks both are of one pixel, and a block after the sum sees the neighbours."""

    def __init__(self, width: int, style: BlockStyle, dropout: float, alone: bool):
        super().__init__()
        plain = style.bottleneck == 1
        side = 3 if plain else 1
        self.seen = style.convolution(width, width, side)
        self.given = nn.Identity() if alone else style.convolution(width, width, side)
        self.block = None if plain else style.block(width, 0, dropout)
        self.last = named_activation(style.activation)
        self.width = width

    def forward(self, seen: Tensor, h: Tensor | None) -> Tensor:
        """Features `(S, B, height, width, channels)`."""
        found = _on_images(self.seen, seen)
        found = found if h is None else found + _on_images(self.given, h)
        return self.last(found if self.block is None else _on_images(self.block, found, None))


class _GridBelow(nn.Module):
    """A latent added to the way down, residual blocks, and the step to the next level's grid."""

    def __init__(
        self, latent: int, width: int, grid: tuple[int, int], finer: tuple[int, int], condition_width: int, style: BlockStyle,
        dropout: float, following: int,
    ):
        super().__init__()
        self.enter = nn.Linear(latent, width)
        self.place = nn.Parameter(torch.zeros(*grid, width))
        self.blocks = style.tower(width, condition_width, dropout)
        self.leave = nn.Identity() if finer == grid else nn.Linear(width, following)
        self.grid, self.finer, self.width = grid, finer, following

    def forward(self, h: Tensor | None, z: Tensor, condition: Tensor | None) -> Tensor:
        """Features `(S, B, height, width, channels)` on the next level's grid."""
        entered = self.enter(z) + self.place
        h = entered if h is None else h + entered
        rows, given = h.shape[:2], repeated(condition, h.shape[0])
        inner = h.flatten(0, 1).movedim(-1, 1)
        for block in self.blocks:
            inner = block(inner, given)
        h = self.leave(inner.movedim(1, -1))
        if self.finer != self.grid:
            h = nn.functional.interpolate(h.movedim(-1, 1), size=self.finer, mode="nearest").movedim(1, -1)
        return h.unflatten(0, rows)


class _GridUp(nn.Module):
    """A residual tower whose every level leaves its features."""

    def __init__(
        self, size: int, gaps: bool, embedding: nn.Module, channels: Sequence[int], shares: Sequence[int], condition_width: int,
        style: BlockStyle, dropout: float,
    ):
        super().__init__()
        self.gaps, self.embedding, self.shares = gaps, embedding, tuple(shares)
        sizes = (size * (2 if gaps else 1), *channels)
        # A wider first look: between one pixel and the next there is little to see.
        self.downs = nn.ModuleList(
            nn.Conv2d(coarse, fine, kernel, 2, kernel // 2) for kernel, (coarse, fine) in zip((5, *[3] * len(channels)), pairwise(sizes))
        )
        self.towers = nn.ModuleList(
            nn.ModuleList(style.tower(width, condition_width, dropout) for _ in range(max(share, 1)))
            for width, share in zip(channels, shares)
        )

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None) -> list[Tensor]:
        """Features `(S, B, height, width, channels)` of each level, top first."""
        scaled = self.embedding(x.float())
        h = with_gaps(scaled, observed) if self.gaps else scaled
        rows, given = h.shape[:2], repeated(condition, h.shape[0])
        h = h.flatten(0, 1).movedim(-1, 1)
        found: list[Tensor] = []
        for down, stack, share in zip(self.downs, self.towers, self.shares):
            h = down(h)
            for level in stack:  # type: ignore[attr-defined]
                for block in level:
                    h = block(h, given)
                if share:
                    found.append(h.movedim(1, -1).unflatten(0, rows))
        return found[::-1]


def grid_pyramid(
    event: Sequence[int], levels: int, latent: int, condition_width: int, gaps: bool, embedding: nn.Module, channels: Sequence[int],
    style: BlockStyle, dropout: float = 0.0,
) -> Pyramid:
    """Residual convolutions, with the levels spread over the grids, the coarsest first.

    Arguments:
        event: shape of an image, `(height, width, channels)`.
        levels: how many.
        latent: channels of each level's latent at each position.
        condition_width: numbers of a condition; 0 = none.
        gaps: whether images may have gaps, so that `observed` is an input.
        embedding: brings pixels to about one; keeps their shape.
        channels: width of each grid, finest first; each halves the grid, upwards where it is odd.
        style: of what stands on each level, of either way.
        dropout: share of the channels within a block that is dropped while training.
    """
    sides = [(event[0], event[1])]
    for _ in channels:
        sides.append((ceil(sides[-1][0] / 2), ceil(sides[-1][1] / 2)))
    count = len(channels)
    # Counted from the coarsest grid; where they do not come out even, the coarser and cheaper ones have one more.
    places = [count - 1 - level * count // levels for level in range(levels)]
    shares = [places.count(place) for place in range(count)]
    up = _GridUp(event[2], gaps, embedding, channels, shares, condition_width, style, dropout)
    below = [
        _GridBelow(latent, channels[here], sides[here + 1], sides[then + 1], condition_width, style, dropout, channels[then])
        for here, then in zip(places, (*places[1:], places[-1]))
    ]
    ready = [_Ready(channels[place], style) for place in places[1:]]
    meet = [_Meet(channels[place], style, dropout, alone=not level) for level, place in enumerate(places)]
    grids = [sides[place + 1] for place in places]
    return Pyramid(up, ready, meet, below, grids, grids[-1], channels[places[-1]])


def _on_images(layers: nn.Module, h: Tensor, *given: Tensor | None) -> Tensor:
    """Layers for images, channels first, on features with channels last."""
    return layers(h.flatten(0, 1).movedim(-1, 1), *given).movedim(1, -1).unflatten(0, h.shape[:2])
