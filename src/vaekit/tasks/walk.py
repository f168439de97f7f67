r"""How every task goes over rows: in chunks of bounded memory, with the model at rest and seeded.

    rows a chunk = values / (values a row * particles)

A walk's memory is that of its widest layer, so chunks are bounded by values and, for narrow rows under wide layers, by rows.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.core import dispatch
from vaekit.core.batch import Batch
from vaekit.core.choose import centre
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise, random_state_kept
from vaekit.core.system import System

__all__ = [
    "VALUES", "Layout", "Progress", "Rows", "at_rest", "batches", "chunk", "codes_a_row", "coordinates_together", "count", "device_of",
    "has_density", "layout", "needs_continuum", "needs_density", "noise_of", "onto_codes", "silent", "value",
]

Rows: TypeAlias = Mapping[str, Tensor]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how many rows are done, and how many there are."""

VALUES = 1 << 19
"""Numbers of data that a chunk holds: few enough for a convolution's features to fit, many enough to keep a processor busy."""

_ROWS = 8192


def silent(doing: str, done: int, total: int) -> None:
    """The progress that nobody watches."""


def device_of(model: nn.Module) -> torch.device:
    """Where a model's numbers are."""
    return next((t.device for t in chain(model.parameters(), model.buffers())), torch.device("cpu"))


@contextmanager
def at_rest(system: System, seed: int = 0) -> Iterator[torch.device]:
    """The model in eval mode, no gradient, torch's generator seeded; afterwards all three as they were.

    Arguments:
        system: whose model is used.
        seed: of every draw made inside.

    Returns:
        The model's device.
    """
    modes = [(part, part.training) for part in system.model.modules()]
    device = device_of(system.model)
    system.model.eval()
    try:
        with torch.no_grad(), random_state_kept(device):
            torch.manual_seed(seed)
            yield device
    finally:
        for part, training in modes:
            part.training = training


def count(rows: Rows) -> int:
    """How many rows there are.

    Raises:
        InputError: where there are none.
    """
    found = len(rows["x"])
    if not found:
        raise InputError("there are no rows: give at least one")
    return found


def chunk(system: System, particles: int = 1, values: int = VALUES) -> int:
    """Rows of a chunk, so that rows x particles x values a row stays bounded.

    Arguments:
        system: whose rows they are.
        particles: draws a row that are held together.
        values: how many numbers a chunk of data may hold.
    """
    return max(min(values // (prod(system.modality.event) * particles), _ROWS), 1)


def batches(system: System, rows: Rows, seed: int = 0, size: int = 0) -> Iterator[Batch]:
    """Every row once, in order, on the model's device, labels left out: no verb may see what it could be asked for.

    Redraws depend on the row and the seed alone.

    Arguments:
        system: whose modality makes the batches.
        rows: stored tensors.
        seed: of the redraws.
        size: rows a batch; 0 = as many as memory should hold.

    Raises:
        InputError: where there are no rows.
    """
    total, device = count(rows), device_of(system.model)
    size = size or chunk(system)
    for start in range(0, total, size):
        seen = {name: values[start : start + size].to(device) for name, values in rows.items() if name != "label"}
        batch = system.modality.batch(seen)
        yield system.modality.redraw(batch, noise_of(batch, seed))


def noise_of(batch: Batch, seed: int) -> RowNoise:
    """Uniforms that depend on each row of a batch and the seed alone.

    Raises:
        ValueError: where the batch has no x.
    """
    x, _, _ = batch.evidence
    if x is None:
        raise ValueError("a batch without x has no rows to key noise by")
    # Gaps filled: what stands in a cell that was not seen must not reach a score, not even through its noise.
    return RowNoise(x[0], seed)


def value(likelihood: Distribution, mean: bool) -> Tensor:
    """x of a likelihood with one particle, `(B, *event)`: its centre, or a draw."""
    return (dispatch.centre(likelihood) if mean else likelihood.sample()).squeeze(0)


def has_density(system: System) -> bool:
    """Whether every latent is drawn from a density, so that the model has a likelihood bound and a prior to draw from."""
    with at_rest(system) as device:
        trace = system.model(system.modality.example(1).to(device), centre())
    return all(site.random for site in trace.sites.values())


def coordinates_together(system: System) -> int:
    """How many coordinates of a latent share one KL: all, where no latent's falls apart into them; else 1, as where there is none."""
    with at_rest(system) as device:
        sites = system.model(system.modality.example(1).to(device), centre()).sites.values()
    apart = any(not site.random or site.kl_by_dimension() is not None for site in sites)
    return 1 if apart else max(site.z.shape[2:].numel() for site in sites)


def needs_density(system: System, lacking: str) -> None:
    """Refuse a model whose code is a point.

    Arguments:
        system: to be asked.
        lacking: what such a model does not have.

    Raises:
        InputError: where a latent has no density.
    """
    if not has_density(system):
        raise InputError(f"{system.recipe or 'this model'} has {lacking}, because its code is a point without a density: use vae")


def codes_a_row(system: System) -> int:
    """How many codes a row has where every latent is one of codes; 0 where one is not."""
    with at_rest(system) as device:
        sites = system.model(system.modality.example(1).to(device), centre()).sites.values()
    coded = all(dispatch.codebook(site.posterior) is not None for site in sites)
    return sum(site.z.shape[2:-1].numel() for site in sites) if coded else 0


def onto_codes(system: System, z: Tensor) -> Tensor:
    """Latents `(N, latent)` as what a decoder of codes reads: each value at its nearest code; as they are where there are no codes."""
    places = layout(system)
    with at_rest(system) as device:
        trace = system.model(system.modality.example(1).to(device), centre())
        parts = places.split(z.to(device).unsqueeze(0))
        books = {name: dispatch.codebook(site.posterior) for name, site in trace.sites.items()}
        moved = {name: part if books[name] is None else books[name].values(books[name].codes(part)) for name, part in parts.items()}
    return places.join(moved).squeeze(0).cpu()


def needs_continuum(system: System, lacking: str) -> None:
    """Refuse a model whose latent is one of codes.

    Arguments:
        system: to be asked.
        lacking: what such a model does not have.

    Raises:
        InputError: where a latent is one of codes.
    """
    if codes_a_row(system):
        raise InputError(f"{system.recipe or 'this model'} has {lacking}, because its latent is one of codes: use interpolate or generate")


@dataclass(frozen=True)
class Layout:
    """How the latents of all sites lie side by side in one row of numbers.

    Arguments:
        shapes: site -> shape of one row's latent, in the order they are decided.
    """

    shapes: Mapping[str, torch.Size]

    @property
    def width(self) -> int:
        """Numbers a row."""
        return sum(shape.numel() for shape in self.shapes.values())

    def join(self, latents: Mapping[str, Tensor]) -> Tensor:
        """Latents `(S, B, *latent)` by site as one tensor `(S, B, width)`."""
        return torch.cat([latents[name].flatten(2) for name in self.shapes], dim=-1)

    def split(self, z: Tensor) -> dict[str, Tensor]:
        """The way back: `(S, B, width)` as latents by site.

        Raises:
            InputError: where the width is another.
        """
        if z.shape[-1] != self.width:
            given, width = z.shape[-1], self.width
            raise InputError(f"latents have {given} numbers a row, but the model has {width}: give arrays of shape (rows, {width})")
        parts = z.split([shape.numel() for shape in self.shapes.values()], dim=-1)
        return {name: part.unflatten(-1, shape) for (name, shape), part in zip(self.shapes.items(), parts)}


def layout(system: System) -> Layout:
    """The latents of a system."""
    with at_rest(system) as device:
        trace = system.model(system.modality.example(1).to(device), centre())
    return Layout({name: site.z.shape[2:] for name, site in trace.sites.items()})
