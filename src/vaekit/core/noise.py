r"""Uniform noise that belongs to a row, so that a score does not depend on order or batch size.

Each row's bytes are hashed to 64 bits, h = sum_i w_i x_i mod 2^64 (exact in integers, so no rounding enters), and element j of
the row's noise is u_j = (top 23 bits of mix(k + j g) + 1/2) / 2^23, with k = mix(h + name + seed) and `mix` the finaliser of SplitMix64
(Steele, Lea, Flood 2014). Equal rows have equal noise; different rows have independent noise.
"""

import zlib
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Noise", "RandomNoise", "RowNoise", "random_state_kept"]


def random_state_kept(device: torch.device) -> AbstractContextManager[None]:
    """Torch's random state of the processor and of this device, put back afterwards as it was.

    Arguments:
        device: where the draws within are made.
    """
    # Named: else the state of every GPU would be kept and set again, with a warning where there are several.
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


class Noise(Protocol):
    """Uniforms in (0, 1) for a named use."""

    def __call__(self, name: str, shape: torch.Size) -> Tensor:
        """Uniforms of a shape `(particles, B, ...)` for a site or transform of this name."""
        ...


class RandomNoise:
    """Uniforms from one generator, in the order they are asked for: for training.

    Arguments:
        generator: torch's source of random numbers.
    """

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def __call__(self, name: str, shape: torch.Size) -> Tensor:
        """The next uniforms of the generator."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)


def _signed(value: int) -> int:
    """A 64-bit pattern as the signed number that torch stores."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MIX = ((30, _signed(0xBF58476D1CE4E5B9)), (27, _signed(0x94D049BB133111EB)))


def _mix(h: Tensor) -> Tensor:
    for shift, factor in _MIX:
        # torch shifts arithmetically; the mask makes it the logical shift that the hash needs.
        h = (h ^ ((h >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return h ^ ((h >> 31) & ((1 << 33) - 1))


class RowNoise:
    """Uniforms keyed by each row's values, a name and a seed.

    Arguments:
        x: the rows, `(B, ...)`.
        seed: another seed gives other noise for the same rows.
    """

    def __init__(self, x: Tensor, seed: int = 0):
        self.seed = seed
        flat = x.detach().reshape(x.shape[0], -1).to(torch.float32).contiguous().view(torch.int32).to(torch.int64)
        places = torch.arange(1, flat.shape[1] + 1, device=x.device)
        self._rows = (flat * (_mix(places * _GOLDEN) | 1)).sum(-1)

    def __call__(self, name: str, shape: torch.Size) -> Tensor:
        """Uniforms of shape `(particles, B, ...)`; row b's depend on row b alone."""
        particles, rows, *event = shape
        each = int(torch.Size(event).numel())
        key = _mix(self._rows + _signed(_GOLDEN * (self.seed + 1) + zlib.crc32(name.encode())))
        counter = torch.arange(particles * each, device=key.device).reshape(particles, 1, each) + 1
        bits = _mix(key.reshape(1, rows, 1) + counter * _GOLDEN)
        # 23 bits and a half step: exact in float32 and never 0 or 1, whose normal quantile is infinite.
        return (((bits >> 41) & ((1 << 23) - 1)).to(torch.float32) + 0.5).div_(1 << 23).reshape(shape)
