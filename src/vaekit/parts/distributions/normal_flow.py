r"""A normal pushed through an invertible map T, and the density that follows from the change of variables.

    e ~ N(0, t^2 I),   z = m + s T(e; c)
    log p(z) = log N(e; 0, t^2 I) - log |det dT/de| - sum_d log s_d,   e = T^-1((z - m) / s; c)

T is cheap in one direction at least, and may be dear in the other. A distribution remembers the noise its last draw was made of, so the
density of that draw is exact and costs nothing, whichever direction is the cheap one; the inverse is asked for other values alone, and
once for each.
The mean and the variance have no formula: they are moments of fixed draws, whose noise has mean 0 and variance 1 to the bit.
(Rezende, Mohamed 2015, arXiv:1505.05770; Papamakarios et al. 2021, arXiv:1912.02762)
"""

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints
from torch.func import functional_call
from torch.types import _size

from vaekit.core.dispatch import centre, from_noise, stop, temper
from vaekit.core.rules import quantile_normal

__all__ = ["Map", "NormalFlow"]

_TINY = 1e-6
# Draws behind a moment, where each row has a law of its own, and where all rows share one.
_DRAWS, _SHARED_DRAWS = 64, 4096


class Map(Protocol):
    """An invertible map of the last axis, and its inverse."""

    def __call__(self, value: Tensor, context: Tensor | None, backwards: bool = False) -> tuple[Tensor, Tensor]:
        """The image `(..., D)` of a value, and log |det| of the direction that was gone, `(...)`."""
        ...


class NormalFlow(Distribution):
    """m + s T(e; c), e ~ N(0, t^2 I), with batch shape `(S or 1, B)` and event `(D,)`.

    Arguments:
        transform: T.
        location: m, `(S or 1, B, D)`.
        scale: s > 0, of the same shape.
        context: c, what T depends on, `(S or 1, B or 1, channels)`; None = nothing.
        temperature: t.
    """

    arg_constraints = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, transform: Map, location: Tensor, scale: Tensor, context: Tensor | None = None, temperature: float = 1.0):
        self.transform, self.context, self.temperature = transform, context, temperature
        self.location, self.scale = location, scale
        # Shared with every expansion: a chooser draws from an expansion, and a term asks the distribution itself.
        self.known: dict[str, tuple[Tensor, Tensor, Tensor, bool]] = {}
        super().__init__(location.shape[:-1], location.shape[-1:], validate_args=False)

    def expand(self, batch_shape: _size, _instance: None = None) -> "NormalFlow":
        """The same for more rows or particles."""
        shape = (*batch_shape, *self.event_shape)
        wide = NormalFlow(self.transform, self.location.expand(shape), self.scale.expand(shape), self.context, self.temperature)
        wide.known = self.known
        return wide

    def push(self, noise: Tensor) -> Tensor:
        """z of noise e, `(S, B, D)`, remembered as this distribution's own draw."""
        with torch.autocast(noise.device.type, enabled=False):
            image, log_det = self.transform(noise, self.context)
            value = self.location + self.scale * image
        self.known["drawn"] = (value, noise, -log_det, torch.is_grad_enabled())
        return value

    def pull(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Noise of a value, `(S, B, D)`, and log |det dT^-1/dz|, `(S, B)`: as it was drawn or last judged, else through the inverse."""
        for known, noise, log_det, differentiable in self.known.values():
            # What was worked out without a gradient has none to give.
            if known is value and (differentiable or not torch.is_grad_enabled()):
                return noise, log_det
        with torch.autocast(value.device.type, enabled=False):
            noise, log_det = self.transform((value.float() - self.location) / self.scale, self.context, backwards=True)
        self.known["judged"] = (value, noise, log_det, torch.is_grad_enabled())
        return noise, log_det

    def rsample(self, sample_shape: _size = ()) -> Tensor:
        """A draw, `(*sample_shape, *batch, D)`, differentiable in every parameter."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.push(self.temperature * torch.randn(shape, dtype=self.location.dtype, device=self.location.device))

    def sample(self, sample_shape: _size = ()) -> Tensor:
        """A draw, `(*sample_shape, *batch, D)`."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z) of `(S, B, D)`, `(S, B)`."""
        noise, log_det = self.pull(value)
        normal = -0.5 * (noise / self.temperature).square() - math.log(self.temperature) - 0.5 * math.log(2 * math.pi)
        return (normal - self.scale.log()).sum(-1) + log_det

    @property
    def mean(self) -> Tensor:
        """The mean of fixed draws, `(*batch, D)`."""
        return self._draws().mean(0)

    @property
    def variance(self) -> Tensor:
        """The variance of fixed draws, `(*batch, D)`."""
        return self._draws().var(0, correction=0)

    def _draws(self) -> Tensor:
        """z of the same noise each time, `(draws, *batch, D)`."""
        size = (_SHARED_DRAWS if self.context is None else _DRAWS) // 2
        half = torch.randn(size, *self.event_shape, generator=torch.Generator().manual_seed(0))
        half = (half / half.square().mean(0).sqrt()).reshape(size, *(1,) * len(self.batch_shape), -1)
        noise = self.temperature * torch.cat([half, -half]).to(self.location)
        with torch.autocast(noise.device.type, enabled=False):
            return self.location + self.scale * self.transform(noise, self.context)[0]


class _Held:
    """A map whose parameters are constants."""

    def __init__(self, transform: nn.Module):
        self.module = transform

    def __call__(self, value: Tensor, context: Tensor | None, backwards: bool = False) -> tuple[Tensor, Tensor]:
        constants = {name: p.detach() for name, p in self.module.named_parameters()}
        return functional_call(self.module, constants, (value, context, backwards))


@stop.register(NormalFlow)
def _(d: NormalFlow) -> NormalFlow:
    # What it knows is left behind: that was worked out along the parameters, and only z's own path shall stay.
    held = _Held(d.transform) if isinstance(d.transform, nn.Module) else d.transform
    context = None if d.context is None else d.context.detach()
    return NormalFlow(held, d.location.detach(), d.scale.detach(), context, d.temperature)


@temper.register(NormalFlow)
def _(d: NormalFlow, t: float) -> NormalFlow:
    return NormalFlow(d.transform, d.location, d.scale, d.context, d.temperature * max(t, _TINY))


@centre.register(NormalFlow)
def _(d: NormalFlow) -> Tensor:
    with torch.autocast(d.location.device.type, enabled=False):
        return d.location + d.scale * d.transform(torch.zeros_like(d.location), d.context)[0]


@from_noise.register(NormalFlow)
def _(d: NormalFlow, u: Tensor) -> Tensor:
    return d.push(d.temperature * quantile_normal(u))
