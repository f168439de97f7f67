r"""Residual convolutions for images: a tower down to a small grid, and one up from it.

    block        h' = h + C(C(h)),               C(h) = conv(a(norm(h)))
    bottleneck   h' = h + P_out(C(C(P_in(h)))),  P the same of one pixel, to few channels and back
(He et al. 2016, arXiv:1603.05027; bottlenecks: Child 2021, arXiv:2011.10650; GroupNorm: Wu, He 2018, arXiv:1803.08494; the way up is a
sub-pixel convolution: Shi et al. 2016, arXiv:1609.05158)

No BatchNorm: it ties the rows of a batch together, so that a score would depend on its neighbours. Channels are last outside, first
within; particles and rows are one axis within.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from torch import Tensor, nn

from vaekit.parts.networks.activation import activation as named_activation
from vaekit.parts.networks.embed import with_gaps
from vaekit.parts.networks.join import join

__all__ = [
    "BlockStyle", "ConvolutionReader", "ConvolutionWriter", "PlainBlock", "ResidualBlock", "coarsest", "norm_of", "repeated", "to_pixels",
]


def norm_of(channels: int, norm: str) -> nn.Module:
    """The norm of this name, `group` or `none`, for so many channels."""
    if norm == "none":
        return nn.Identity()
    # Fewer channels a group would leave nothing of a grid of one pixel: a value normed by itself is zero.
    groups = max((g for g in (8, 4, 2) if channels % g == 0 and channels // g >= 4), default=1)
    return nn.GroupNorm(groups, channels)


# Fewer channels than these a normed pixel would not survive.
_NARROWEST = 4


@dataclass(frozen=True)
class BlockStyle:
    """What stands on each level of a convolution.

    Arguments:
        count: residual blocks a level; 0 = the level's own convolution alone.
        activation: name of the nonlinearity.
        norm: `group` or `none`.
        bottleneck: share of a level's channels that a block's convolutions of 3 x 3 have, in (0, 1]; below 1, one of a single pixel leads
            there and one leads back: for a quarter of the channels, a tenth of the work.
    """

    count: int = 1
    activation: str = "silu"
    norm: str = "group"
    bottleneck: float = 1.0

    def convolution(self, before: int, after: int, side: int = 3) -> nn.Sequential:
        """A norm, a nonlinearity, and a convolution of so many pixels a side that keeps the grid."""
        convolution = nn.Conv2d(before, after, side, padding=side // 2)
        return nn.Sequential(norm_of(before, self.norm), named_activation(self.activation), convolution)

    def block(self, width: int, condition_width: int, dropout: float = 0.0) -> nn.Module:
        """One residual block."""
        if self.bottleneck == 1:
            return ResidualBlock(self.convolution(width, width), self.convolution(width, width), width, condition_width, dropout)
        narrow = max(round(self.bottleneck * width), min(width, _NARROWEST))
        first = nn.Sequential(self.convolution(width, narrow, 1), self.convolution(narrow, narrow))
        second = nn.Sequential(self.convolution(narrow, narrow), self.convolution(narrow, width, 1))
        return ResidualBlock(first, second, narrow, condition_width, dropout)

    def tower(self, width: int, condition_width: int, dropout: float = 0.0) -> nn.ModuleList:
        """What stands on one level after its grid was halved."""
        if not self.count:
            return nn.ModuleList([PlainBlock(width, condition_width, self.activation, self.norm)])
        return nn.ModuleList(self.block(width, condition_width, dropout) for _ in range(self.count))


class ResidualBlock(nn.Module):
    """Two steps around a shortcut, with the condition added between them as a bias.

    Arguments:
        first: to the inner channels.
        second: back.
        inner: how many channels these are.
        condition_width: numbers of a condition; 0 = none.
        dropout: share of the inner channels that is dropped while training, at all places at once: neighbours say much the same.
    """

    def __init__(self, first: nn.Module, second: nn.Module, inner: int, condition_width: int, dropout: float = 0.0):
        super().__init__()
        self.first, self.second = first, second
        self.bias = nn.Linear(condition_width, inner) if condition_width else None
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """Features of the same shape, `(N, channels, height, width)`; condition `(N, width)`."""
        inner = self.first(h)
        if self.bias is not None:
            inner = inner + self.bias(condition)[..., None, None]
        return h + self.second(self.dropout(inner))


class PlainBlock(nn.Module):
    """A norm and a nonlinearity after a level's own convolution, with the condition added as a bias: where there are no residual blocks.

    Arguments:
        channels: in and out.
        condition_width: numbers of a condition; 0 = none.
        activation: name of the nonlinearity.
        norm: `group` or `none`.
    """

    def __init__(self, channels: int, condition_width: int, activation: str, norm: str):
        super().__init__()
        self.norm, self.activation = norm_of(channels, norm), named_activation(activation)
        self.bias = nn.Linear(condition_width, channels) if condition_width else None

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """Features of the same shape, `(N, channels, height, width)`; condition `(N, width)`."""
        normed = self.norm(h)
        return self.activation(normed if self.bias is None else normed + self.bias(condition)[..., None, None])


def repeated(condition: Tensor | None, particles: int) -> Tensor | None:
    """A condition `(1 or S, B, width)` as one axis of rows, `(S B, width)`."""
    return None if condition is None else condition.expand(particles, -1, -1).flatten(0, 1)


class ConvolutionReader(nn.Module):
    """From evidence to features, down a residual tower.

    Arguments:
        event: shape of an image, `(height, width, channels)`.
        condition_width: numbers of a condition; 0 = none.
        gaps: whether images may have gaps, so that `observed` is an input.
        embedding: brings pixels to about one; keeps their shape.
        channels: width of each level; each level halves the grid.
        style: of what stands on each level.
        hidden: width of the features when the grid is flattened.
        grid: keep the grid as positions.
        dropout: share of features that is dropped while training: of a grid's, the channels within its blocks.
    """

    def __init__(
        self, event: Sequence[int], condition_width: int, gaps: bool, embedding: nn.Module, channels: Sequence[int],
        style: BlockStyle, hidden: int, grid: bool, dropout: float = 0.0,
    ):
        super().__init__()
        height, breadth, colours = event
        self.gaps, self.grid, self.embedding = gaps, grid, embedding
        size = colours * (2 if gaps else 1)
        self.downs, self.towers = nn.ModuleList(), nn.ModuleList()
        for width in channels:
            self.downs.append(_halving(size, width, (height, breadth)))
            self.towers.append(style.tower(width, condition_width, dropout if grid else 0.0))
            height, breadth, size = _halved(height), _halved(breadth), width
        self.last = nn.Sequential(norm_of(size, style.norm), named_activation(style.activation)) if style.count else nn.Identity()
        self.flat = nn.Identity() if grid else nn.Sequential(
            nn.Linear(size * height * breadth, hidden), named_activation(style.activation), nn.Dropout(dropout)
        )
        self.width = size if grid else hidden
        self.positions = (height, breadth) if grid else ()

    def embed(self, x: Tensor, observed: Tensor | None) -> Tensor:
        """Scaled images with gaps at zero, and which pixels are gaps, `(S, B, height, width, channels)`."""
        return self._gapped(self.embedding(x.float()), observed)

    def embed_soft(self, soft: Tensor, observed: Tensor | None) -> Tensor:
        """What stands for an image where gradients must pass, as `embed` does."""
        return self._gapped(self.embedding.soft(soft.flatten(4).float()), observed)  # type: ignore[operator]

    def _gapped(self, h: Tensor, observed: Tensor | None) -> Tensor:
        return with_gaps(h, observed) if self.gaps else h

    def trunk(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """Features `(S, B, *positions, width)`."""
        rows = h.shape[:2]
        given = repeated(condition, rows[0])
        h = h.flatten(0, 1).movedim(-1, 1)
        for down, tower in zip(self.downs, self.towers):
            h = down(h)
            for block in tower:  # type: ignore[attr-defined]
                h = block(h, given)
        h = self.last(h)
        return h.movedim(1, -1).unflatten(0, rows) if self.grid else self.flat(h.flatten(1)).unflatten(0, rows)

    def forward(self, x: Tensor, observed: Tensor | None, condition: Tensor | None) -> Tensor:
        """Features of evidence."""
        return self.trunk(self.embed(x, observed), condition)


def _halving(size: int, width: int, sides: tuple[int, int]) -> nn.Conv2d:
    """A convolution that halves each side; a side of one pixel stays."""
    kernel, stride, padding = zip(*((4, 2, 1) if side > 1 else (1, 1, 0) for side in sides))
    return nn.Conv2d(size, width, kernel, stride, padding)


def _halved(size: int) -> int:
    return size // 2 if size > 1 else 1


def coarsest(sides: Sequence[int], levels: int) -> tuple[int, ...]:
    """What is left of an image's sides after so many halvings."""
    for _ in range(levels):
        sides = [_halved(side) for side in sides]
    return tuple(sides)


class ConvolutionWriter(nn.Module):
    """From a latent and a condition up a residual tower to features at every pixel.

    Arguments:
        width: channels of the latent.
        positions: the latent's grid; empty = a vector.
        event: shape of an image, `(height, width, channels)`.
        condition_width: numbers of a condition; 0 = none.
        channels: width of each level, finest first; each level doubles the grid.
        style: of what stands on each level.
        hidden: width of the layer between a vector and the coarsest grid.
    """

    def __init__(
        self, width: int, positions: Sequence[int], event: Sequence[int], condition_width: int, channels: Sequence[int], style: BlockStyle,
        hidden: int,
    ):
        super().__init__()
        sides = [tuple(event[:2])]
        for _ in channels:
            sides.append((ceil(sides[-1][0] / 2), ceil(sides[-1][1] / 2)))
        self.grids = sides[:0:-1]
        self.start, self.first = sides[-1], channels[-1]
        self.latent_grid = tuple(positions)
        size = width + condition_width
        self.enter = nn.Linear(size, self.first) if positions else nn.Sequential(
            nn.Linear(size, hidden), named_activation(style.activation), nn.Linear(hidden, self.first * prod(self.start))
        )
        self.towers, self.ups = nn.ModuleList(), nn.ModuleList()
        for here, finer in zip(reversed(channels), (*reversed(channels[:-1]), channels[0])):
            self.towers.append(nn.ModuleList(style.block(here, condition_width) for _ in range(style.count)))
            # Four channels for each one of the finer grid, whose places become two by two, at a quarter of what the finer grid would cost.
            self.ups.append(style.convolution(here, 4 * finer))
        self.last = named_activation(style.activation)
        self.width = channels[0]
        self.positions = tuple(event[:2])

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Features `(S, B, height, width, channels)`."""
        given = repeated(condition, z.shape[0])
        # Without a grid, the latent's positions stand side by side.
        h = self.enter(join(z if self.latent_grid else z.flatten(2), condition))
        rows = h.shape[:2]
        h = h.flatten(0, 1)
        h = h.movedim(-1, 1) if self.latent_grid else h.unflatten(-1, (self.first, *self.start))
        if h.shape[-2:] != self.start:
            h = nn.functional.interpolate(h, size=self.start, mode="nearest")
        for level, (tower, up, (height, breadth)) in enumerate(zip(self.towers, self.ups, self.grids)):
            # A side of odd length has been halved upwards.
            h = nn.functional.pixel_shuffle(h, 2)[..., :height, :breadth] if level else h
            for block in tower:  # type: ignore[attr-defined]
                h = block(h, given)
            h = up(h)
        # Where most of the numbers are, they are copied once: to the grid of the pixels and to channels last together. The nonlinearity
        # comes after, so that its gradient lies in memory as what flows back to it does.
        return self.last(to_pixels(h))[:, : self.positions[0], : self.positions[1]].unflatten(0, rows)


def to_pixels(h: Tensor) -> Tensor:
    """`(N, 4 channels, height, width) -> (N, 2 height, 2 width, channels)`: a pixel shuffle with its channels last."""
    fine = h.unflatten(1, (-1, 2, 2))
    return fine.permute(0, 4, 2, 5, 3, 1).flatten(3, 4).flatten(1, 2)
