r"""Images, grey or in colour: bytes, levels, bits or floats.

    x = raw / worth in [0, 1] for pixels on levels;  (raw - mean) / deviation, one for all pixels, for real numbers
    dynamic binarisation: x ~ Bernoulli(raw / 255), drawn anew each time a row is seen          (Burda et al. 2015, arXiv:1509.00519)
"""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil, prod
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import nn

from vaekit.core.batch import Batch
from vaekit.core.declared import conform
from vaekit.core.errors import InputError
from vaekit.core.noise import Noise
from vaekit.core.records import Records
from vaekit.modalities.affine import Affine
from vaekit.modalities.architecture import Architecture
from vaekit.modalities.arrays import ArrayModality, layered
from vaekit.parts.likelihoods.choice import Chosen, Facts
from vaekit.parts.networks import (
    ConvolutionReader,
    ConvolutionWriter,
    Ordered,
    Pyramid,
    Scaled,
    VectorReader,
    VectorWriter,
    coarsest,
    grid_pyramid,
)

__all__ = ["Image"]

_Binarise: TypeAlias = Literal["", "dynamic", "threshold"]

# Below this side, a convolution has no room to halve a grid twice.
_SMALL = 16
# Values that the pixels' means are taken from.
_SAMPLE = 1 << 23


class Image(ArrayModality):
    """Images `(N, height, width)` or `(N, height, width, channels)`.

    Arguments:
        likelihood: `auto`, a name, or `{"name": ..., its own arguments}`.
        binarise: `dynamic` = draw 0/1 pixels anew each time, `threshold` = 1 from half the brightness on, empty = neither.
        gaps: NaN is a missing pixel to be modelled, not an error.

    Raises:
        InputError: where an argument is unknown, or binarised pixels are given another likelihood than Bernoulli.
    """

    def __init__(self, likelihood: str | Mapping[str, Any] = "auto", binarise: _Binarise = "", gaps: bool = False):
        conform("binarise", binarise, _Binarise)
        if binarise and likelihood not in ("auto", "bernoulli"):
            raise InputError(f"binarised pixels need likelihood='bernoulli', not {likelihood!r}: drop one of the two")
        preset = Chosen("bernoulli", {}, f"pixels are binarised ({binarise})") if binarise else None
        super().__init__("image", "image", likelihood, gaps, {"likelihood": likelihood, "binarise": binarise, "gaps": gaps}, preset)
        self.binarise = binarise

    def shape_of(self, records: Records) -> tuple[int, ...]:
        """`(height, width, channels)`."""
        if records.x.ndim not in (3, 4):
            wanted = "(N, height, width) or (N, height, width, channels)"
            raise InputError(f"{records.source}: images have shape {wanted}, not {records.x.shape}")
        height, width, channels = (*records.x.shape[1:], 1)[:3]
        return (height, width, channels)

    def scaling(self, seen: Facts) -> Affine:
        """One scale for all pixels."""
        if self.binarise:
            if seen.minimum < 0:
                raise InputError(f"binarise needs brightness from 0 on, but the smallest pixel is {seen.minimum:g}")
            return Affine(worth=255.0 if seen.values.dtype == np.uint8 and seen.maximum > 1 else max(seen.maximum, 1.0))
        if self.domain_name == "real" and seen.levels is None:
            return Affine(standardise=True, pooled=True)
        return Affine(worth=1.0 if self.domain_name.startswith(("counts", "codes")) else seen.worth)

    def input_scale(self, records: Records) -> tuple[np.ndarray, np.ndarray]:
        """Each pixel's mean and one deviation about it for all pixels, in the model's space.

        Pixels that share an offset train slower: the first layer's gradient is then mostly along the mean image. A sample of rows
        is enough, since nothing but the speed depends on it.
        """
        size = prod(self.event)
        sample = records.x[:: max(records.rows * size // _SAMPLE, 1)].reshape(-1, size).astype(np.float64)
        model = (sample - self.adapter.location) / self.adapter.scale
        seen = ~np.isnan(model)
        mean = np.where(seen, model, 0).sum(0) / np.maximum(seen.sum(0), 1)
        deviation = np.sqrt(np.square(np.where(seen, model - mean, 0)).sum() / max(seen.sum(), 1))
        return mean, np.full(1, deviation if deviation > 0 else 1.0)

    def redraw(self, batch: Batch, noise: Noise) -> Batch:
        """Bits in place of brightness, where asked."""
        if not self.binarise or batch.x is None:
            return batch
        if self.binarise == "threshold":
            return replace(batch, x=(batch.x >= 0.5).float())
        return replace(batch, x=(noise("binarise", torch.Size((1, *batch.x.shape)))[0] < batch.x).float())

    def matching(self, records: Records) -> Records:
        """The images, where their size and the range of their brightness are those that were fitted."""
        shape = self.shape_of(records)
        if shape != self.event:
            wanted, given = (f"{h} x {w} in {c} channel{'s' * (c > 1)}" for h, w, c in (self.event, shape))
            raise InputError(f"{records.source}: images are {given}, but the model was trained on {wanted}: resize or convert them")
        worth, top = float(self.adapter.scale.reshape(-1)[0]), float(np.nanmax(records.x, initial=0))
        found = f"{records.source}: pixels end at {top:g}, but the model was trained on"
        # Read by the other scale, pixels would be all dark or all bright, and no likelihood would object.
        if worth > 1 and records.x.dtype.kind == "f" and np.dtype(self.adapter.dtype).kind in "iu" and 0 < top <= 1:
            raise InputError(f"{found} 0..{worth:g}: multiply them by {worth:g}")
        if self.binarise and worth == 1 < top:
            raise InputError(f"{found} [0, 1]: divide them by their largest value")
        return records

    def grid(self, own: nn.Module | None = None, **arguments: Any) -> tuple[int, ...]:
        """The coarsest grid of a convolution; nothing where the network is another, or a person's own."""
        built = self.resolved(Architecture.checked(**arguments))
        if own is not None or built.network != "convolution":
            return ()
        return coarsest(self.event[:2], len(built.levels))

    def reading(self, architecture: Architecture, grid: bool) -> nn.Module:
        """A residual convolution from 16 pixels a side on, fully connected layers below or where asked."""
        a, (mean, deviation) = self.resolved(architecture), map(torch.as_tensor, self.input)
        if a.network == "convolution" or grid:
            # One mean a channel: a convolution treats all places alike.
            scaled = self._embedding(mean.reshape(self.event).mean(dim=(0, 1)), deviation)
            return ConvolutionReader(self.event, self.condition_width, self.gaps, scaled, a.levels, a.style, _flat(a), grid, a.dropout)
        return VectorReader(self.event, self.condition_width, self.gaps, self._embedding(mean, deviation), a.layers())

    def _embedding(self, mean: torch.Tensor, deviation: torch.Tensor) -> nn.Module:
        scaled = Scaled(mean, deviation)
        return Ordered(scaled, self.likelihood_arguments["classes"]) if self.likelihood == "categorical" else scaled

    def writing(self, architecture: Architecture, width: int, positions: tuple[int, ...]) -> nn.Module:
        """The way back of `reading`."""
        a = self.resolved(architecture)
        if a.network == "convolution" or positions:
            channels = a.levels[: self._halvings(positions, len(a.levels))]
            return ConvolutionWriter(width, positions, self.event, self.condition_width, channels, a.style, _flat(a))
        return VectorWriter(width, positions, self.condition_width, a.layers(reverse=True))

    def pyramid(self, levels: int, latent: int, **arguments: Any) -> Pyramid:
        """Residual convolutions with latents on grids, or fully connected layers, as `reading` has them."""
        a = self.resolved(Architecture.checked(**arguments))
        if a.network != "convolution":
            return layered(self.reading(a, False), a, levels, latent, self.condition_width)
        mean, deviation = map(torch.as_tensor, self.input)
        scaled = Scaled(mean.reshape(self.event).mean(dim=(0, 1)), deviation)
        return grid_pyramid(self.event, levels, latent, self.condition_width, self.gaps, scaled, a.levels, a.style, a.dropout)

    def _halvings(self, positions: tuple[int, ...], most: int) -> int:
        """How often the image is halved, upwards, until it is no larger than a latent's grid; `most` for a vector."""
        sides, count = self.event[:2], 0
        while positions and count < most and any(side > place for side, place in zip(sides, positions)):
            sides, count = tuple(ceil(side / 2) for side in sides), count + 1
        return count if positions else most

    def resolved(self, architecture: Architecture) -> Architecture:
        """The architecture with its network decided."""
        side = min(self.event[:2])
        built = architecture.resolved("mlp" if side < _SMALL else "convolution")
        if built.network == "convolution" and side < 2 ** len(built.levels) // 2:
            raise InputError(
                f"network='convolution' halves the image {len(built.levels)} times, but it is {self.event[0]} x {self.event[1]}: "
                "give fewer channels="
            )
        return built


def _flat(architecture: Architecture) -> int:
    """Width of the layer between a convolution's coarsest grid and a vector."""
    return architecture.hidden[0] if architecture.hidden else 256
