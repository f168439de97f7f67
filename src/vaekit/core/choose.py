r"""Who decides a latent. The walk is written once; training, generation, scoring and coding differ only in the chooser.

A chooser is asked at each site: `choose(name, prior, posterior, shape) -> Choice(z, weight)`, with `shape` = (particles so far, B).

    from_posterior(S)        z ~ q(z|x), S particles, reparameterised
    from_prior(t)            z ~ p(z) at temperature t, one for all sites or one for each
    centre()                 the posterior's centre, or the prior's where nothing was seen
    fixed({name: z}, other)  these values; elsewhere ask another chooser
    enumerate_(name, other)  every state of a discrete latent, weighted by q(z|x)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.core import dispatch
from vaekit.core.noise import Noise

__all__ = ["Choice", "Chooser", "centre", "enumerate_", "fixed", "from_posterior", "from_prior"]


@dataclass(frozen=True)
class Choice:
    """A latent's value, and the particles' weights where they are not equal.

    Arguments:
        z: `(S, B, *latent)`.
        weight: `(S, B)`, sums to one over S; None = 1/S each.
    """

    z: Tensor
    weight: Tensor | None = None


class Chooser(Protocol):
    """Decides a latent at each site of a walk."""

    def __call__(self, name: str, prior: Distribution, posterior: Distribution | None, shape: tuple[int, int]) -> Choice:
        """The choice at the site of this name; `shape` = (particles so far, B)."""
        ...


def _required(name: str, posterior: Distribution | None) -> Distribution:
    if posterior is None:
        raise ValueError(f"site '{name}' has no posterior: the batch has no x; choose from the prior instead")
    return posterior


def _draw(d: Distribution, shape: tuple[int, ...]) -> Tensor:
    d = d if d.batch_shape == shape else d.expand(torch.broadcast_shapes(d.batch_shape, shape))
    return d.rsample() if d.has_rsample else d.sample()


@dataclass(frozen=True)
class from_posterior:
    """z ~ q(z|x), reparameterised where the distribution can.

    Arguments:
        particles: how many draws a row, S.
        noise: uniforms to draw from, so that the same row gets the same draw; None = torch's own generator.
    """

    particles: int = 1
    noise: Noise | None = None

    def __call__(self, name: str, prior: Distribution, posterior: Distribution | None, shape: tuple[int, int]) -> Choice:
        posterior = _required(name, posterior)
        # particles multiply at the first site only; later sites already carry them
        shape = (max(self.particles, shape[0]), shape[1])
        if self.noise is None:
            return Choice(_draw(posterior, shape))
        return Choice(dispatch.from_noise(posterior, self.noise(name, torch.Size(shape) + posterior.event_shape)))


@dataclass(frozen=True)
class from_prior:
    """z ~ p(z), tempered.

    Arguments:
        temperature: 1 = the prior itself, 0 = its centre; or site -> temperature, 1 where a site is left out.
        particles: how many draws a row, S.
    """

    temperature: float | Mapping[str, float] = 1.0
    particles: int = 1

    def __call__(self, name: str, prior: Distribution, posterior: Distribution | None, shape: tuple[int, int]) -> Choice:
        t = self.temperature.get(name, 1.0) if isinstance(self.temperature, Mapping) else self.temperature
        tempered = prior if t == 1.0 else dispatch.temper(prior, t)
        return Choice(_draw(tempered, (max(self.particles, shape[0]), shape[1])).detach())


@dataclass(frozen=True)
class centre:
    """The centre of the posterior, or of the prior where the batch has no x."""

    def __call__(self, name: str, prior: Distribution, posterior: Distribution | None, shape: tuple[int, int]) -> Choice:
        value = dispatch.centre(prior if posterior is None else posterior)
        rows = torch.broadcast_shapes(value.shape[:2], shape)
        return Choice(value.expand(*rows, *value.shape[2:]))


@dataclass(frozen=True)
class fixed:
    """Given values at the named sites, put onto the latent's own space where they lie beside it.

    Arguments:
        values: site -> z, `(S, B, *latent)`.
        otherwise: who decides the other sites.
    """

    values: Mapping[str, Tensor]
    otherwise: Chooser

    def __call__(self, name: str, prior: Distribution, posterior: Distribution | None, shape: tuple[int, int]) -> Choice:
        if name in self.values:
            return Choice(dispatch.onto(prior, self.values[name]))
        return self.otherwise(name, prior, posterior, shape)


@dataclass(frozen=True)
class enumerate_:
    """Every state of one discrete latent as particles, weighted by its posterior: an exact expectation.

    Arguments:
        site: name of the latent.
        otherwise: who decides the other sites.
    """

    site: str
    otherwise: Chooser

    def __call__(self, name: str, prior: Distribution, posterior: Distribution | None, shape: tuple[int, int]) -> Choice:
        if name != self.site:
            return self.otherwise(name, prior, posterior, shape)
        posterior = _required(name, posterior)
        if shape[0] != 1:
            raise ValueError(f"site '{name}' cannot be enumerated below {shape[0]} particles: enumerate it first")
        rows = posterior.expand((1, shape[1]))
        states = rows.enumerate_support()
        return Choice(states.squeeze(1), rows.log_prob(states).squeeze(1).softmax(0))
