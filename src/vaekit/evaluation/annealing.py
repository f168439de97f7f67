r"""Chains that walk from a distribution one can draw from to the posterior, and back.

    f_b(z) = q(z)^(1 - b) p(x, z)^b,   0 = b_0 < b_1 < ... < b_T = 1
    q = the prior, the model's posterior, or a normal with that posterior's means and deviations
    forward   z_0 ~ q,  z_t ~ M_t(. | z_(t-1)) with M_t leaving f_(b_t) as it is,  w = prod_t f_(b_t)(z_(t-1)) / f_(b_(t-1))(z_(t-1))
    backward  z_(T-1) ~ p(z | x),  the same steps in the other order,  w' = the same product along its way
    E log w <= log p(x) <= E log w'

(Neal 2001; Grosse, Ghahramani, Adams 2015, arXiv:1511.02543; Wu, Burda, Salakhutdinov, Grosse 2017, arXiv:1611.04273.) M_t is
Hamiltonian: momentum is drawn, `leaps` leapfrog steps are made in coordinates where the latent has unit deviation or so, and the end
is taken or left by Metropolis. How long a step may be, by row and temperature, is found by chains of their own, with other draws: what is
counted then follows rules that do not depend on it, so that both bounds are exact. Each chain makes its leaps a little longer or shorter
by chance, lest it go in circles (Neal 2011, arXiv:1206.1901). Any q that can be drawn from and judged gives both bounds; how close they
come is another matter. A flow draws in one pass and may judge in one a dimension: there the normal stands for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, constraints

from vaekit.core import dispatch
from vaekit.core.batch import Batch
from vaekit.core.choose import centre, fixed, from_posterior, from_prior
from vaekit.core.errors import InputError
from vaekit.core.noise import Noise
from vaekit.core.rules import quantile_normal
from vaekit.core.system import System
from vaekit.tasks.walk import Layout, at_rest, needs_density

__all__ = ["STARTS", "Annealing", "backward", "forward", "needs_moving_latents", "settled", "step_sizes"]

STARTS = {"posterior": "the posterior", "moments": "a normal with the posterior's moments", "prior": "the prior"}
"""What chains may start from, in words."""

_STEEPNESS, _FIRST, _WANTED, _GAIN, _LONGEST, _PILOTS = 4.0, 0.5, 0.75, 0.3, 1.5, 4
# How far a leap's length goes to either side, as a share of it: below 2 deviations at the longest, where leaps blow up.
_SWAY = 0.25


@dataclass(frozen=True)
class Annealing:
    """How chains walk.

    Arguments:
        temperatures: T, steps on the way; more come closer to log p(x).
        chains: a row, at once.
        leaps: leapfrog steps a temperature.
        start: `posterior`, `moments` or `prior`: q; `auto` = posterior where it falls apart into coordinates, else moments.

    Raises:
        InputError: where one is out of range.
    """

    temperatures: int = 100
    chains: int = 8
    leaps: int = 5
    start: str = "auto"

    def __post_init__(self) -> None:
        for name in ("temperatures", "chains", "leaps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.start not in ("auto", *STARTS):
            raise InputError(f"start must be auto, {', '.join(STARTS)}, not {self.start!r}")

    @property
    def evaluations(self) -> int:
        """What a row costs, in particles decoded: chains forward, backward and to try, and three times as much with a gradient."""
        return 6 * self.temperatures * self.chains * (self.leaps + 1)

    def powers(self) -> list[float]:
        """b_0 .. b_T: close together at both ends, where f changes most (a logistic curve)."""
        line = torch.linspace(-_STEEPNESS, _STEEPNESS, self.temperatures + 1, dtype=torch.float64).sigmoid()
        return ((line - line[0]) / (line[-1] - line[0])).tolist()


def needs_moving_latents(system: System) -> None:
    """Refuse a model whose latents cannot be moved a little in every direction.

    Raises:
        InputError: where a latent is a point, discrete, or confined; it is named.
    """
    needs_density(system, "no likelihood bound")
    with at_rest(system) as device:
        trace = system.model(system.modality.example(1).to(device), centre())
    for name, site in trace.sites.items():
        for d in (site.prior, site.posterior):
            kind = _confined(d)
            if kind:
                raise InputError(
                    f"{system.recipe or 'this model'}: latent '{name}' is {kind} ({type(d).__name__}), and annealed importance sampling "
                    "moves latents a little at a time: leave it out and read the importance-weighted bound"
                )


def settled(system: System, how: Annealing) -> Annealing:
    """The same with its start decided.

    Arguments:
        system: with latents that can be moved.
        how: chains walk.
    """
    if how.start != "auto":
        return how
    with at_rest(system) as device:
        sites = system.model(system.modality.example(1).to(device), centre()).sites.values()
    # What does not fall apart into coordinates, as a flow, may take a pass for each of them to be judged.
    return replace(how, start="posterior" if all(isinstance(site.posterior, Independent) for site in sites) else "moments")


def _confined(d: Distribution | None) -> str:
    if dispatch.codebook(d) is not None:
        return "discrete"
    support = getattr(d, "support", None)
    while getattr(support, "base_constraint", None) is not None:
        support = support.base_constraint  # type: ignore[union-attr]
    if support is None or support is constraints.real:
        return ""
    return "discrete" if support.is_discrete else "confined to a part of its space"


@dataclass
class _Path:
    """The densities between q and the posterior of a batch's rows.

    Arguments:
        system: whose they are.
        batch: the rows.
        places: how the latents of all sites lie side by side.
        start: q.
        scale: deviations of the latent, at the start and at the end, `(1, B, latent)` each.
        normal: q where it is one of moments, of numbers side by side, `(1, B, latent)`.
    """

    system: System
    batch: Batch
    places: Layout
    start: str
    scale: tuple[Tensor, Tensor]
    normal: Normal | None

    def ends(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """log q(z) and log p(x, z), `(S, B)`, nats."""
        trace = self.system.model(self.batch, fixed(self.places.split(z), centre()))
        prior = sum(site.prior.log_prob(site.z) for site in trace.sites.values())
        if self.normal is not None:
            first = self.normal.log_prob(z).sum(-1)
        else:
            first = prior if self.start == "prior" else sum(site.posterior.log_prob(site.z) for site in trace.sites.values())
        return first, prior + trace.log_likelihood

    def at(self, z: Tensor, power: float) -> tuple[Tensor, Tensor, Tensor]:
        """log f_b, its gradient, and log p(x, z) - log q(z)."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            first, last = self.ends(z)
            value = (1 - power) * first + power * last
            (slope,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), slope, (last - first).detach()

    def unit(self, power: float) -> Tensor:
        """The deviation that the latent has under f_b or so: precisions add up."""
        first, last = self.scale
        return ((1 - power) / first.square() + power / last.square()).rsqrt()


@contextmanager
def _path(system: System, batch: Batch, places: Layout, how: Annealing) -> Iterator[_Path]:
    """The densities, with the weights held constant: no gradient is kept for them."""
    start = settled(system, how).start
    learnt = [p for p in system.model.parameters() if p.requires_grad]
    try:
        for p in learnt:
            p.requires_grad_(False)
        trace = system.model(batch, centre())
        spread = {
            side: places.join({n: _spread(getattr(site, side)).expand_as(site.z) for n, site in trace.sites.items()})
            for side in ("prior", "posterior")
        }
        normal = None
        if start == "moments":
            means = places.join({n: site.posterior.mean.expand_as(site.z) for n, site in trace.sites.items()})
            normal = Normal(means, spread["posterior"], validate_args=False)
        first = spread["prior" if start == "prior" else "posterior"]
        yield _Path(system, batch, places, start, (first, spread["posterior"]), normal)
    finally:
        for p in learnt:
            p.requires_grad_(True)


def _spread(d: Distribution) -> Tensor:
    return d.stddev.clamp(min=1e-6)


def _step(path: _Path, z: Tensor, power: float, size: Tensor, leaps: int, noise: Noise, name: str) -> tuple[Tensor, Tensor]:
    """One Hamiltonian step that leaves f_b as it is: where it ends, and the probability that it was taken, `(S, B)`."""
    # Leaps of one length go round a normal in equal angles: where they come to half a turn, a chain would visit two places for ever.
    sway = 1 + _SWAY * (2 * noise(f"{name} sway", z.shape[:2]) - 1)
    unit, length = path.unit(power), (sway * size).unsqueeze(-1)
    momentum = quantile_normal(noise(f"{name} momentum", z.shape))
    before, slope, _ = path.at(z, power)
    energy, moved = before - momentum.square().sum(-1) / 2, z
    for _ in range(leaps):
        momentum = momentum + length / 2 * unit * slope
        moved = moved + length * unit * momentum
        after, slope, _ = path.at(moved, power)
        momentum = momentum + length / 2 * unit * slope
    # What is not finite is never taken.
    chance = (after - momentum.square().sum(-1) / 2 - energy).exp().clamp(max=1).nan_to_num(0)
    taken = noise(f"{name} taken", chance.shape) < chance
    return torch.where(taken.unsqueeze(-1), moved, z), chance


def step_sizes(system: System, batch: Batch, places: Layout, how: Annealing, noise: Noise) -> Tensor:
    """How long a leap is at each temperature, `(T, B)`, in deviations: what a few chains of their own settle on.

    Arguments:
        system: with latents that can be moved.
        batch: the rows.
        places: of the latents.
        how: chains walk.
        noise: no other chain's.
    """
    powers, found = how.powers(), []
    size = torch.full((batch.rows,), _FIRST, device=batch.x.device)  # type: ignore[union-attr]
    few = min(how.chains, _PILOTS)
    with _path(system, batch, places, how) as path:
        z = _first(path, few, noise)
        for t in range(1, how.temperatures):
            z, chance = _step(path, z, powers[t], size, how.leaps, noise, f"pilot {t}")
            size = (size * (_GAIN * (chance.mean(0) - _WANTED)).exp()).clamp(max=_LONGEST)
            found.append(size)
    return torch.stack(found) if found else size.new_zeros(0, batch.rows)


def _first(path: _Path, chains: int, noise: Noise) -> Tensor:
    """Draws from q, `(S, B, latent)`; those from a prior are torch's own."""
    if path.normal is not None:
        rows = path.normal.expand((chains, *path.normal.batch_shape[1:]))
        return dispatch.from_noise(rows, noise("moments", rows.batch_shape))
    choose = from_prior(particles=chains) if path.start == "prior" else from_posterior(chains, noise)
    trace = path.system.model(path.batch, choose)
    return path.places.join({name: site.z for name, site in trace.sites.items()})


def forward(system: System, batch: Batch, places: Layout, how: Annealing, sizes: Tensor, noise: Noise) -> Tensor:
    """log w of each chain, `(S, B)`, float64, nats: their mean exponential is p(x) in expectation.

    Arguments:
        system: with latents that can be moved.
        batch: the rows.
        places: of the latents.
        how: chains walk.
        sizes: of their leaps, see `step_sizes`.
        noise: theirs alone.
    """
    powers = how.powers()
    with _path(system, batch, places, how) as path:
        z = _first(path, how.chains, noise)
        total = torch.zeros(z.shape[:2], dtype=torch.float64, device=z.device)
        for t in range(1, how.temperatures + 1):
            first, last = path.ends(z)
            total += (powers[t] - powers[t - 1]) * (last - first).double()
            if t < how.temperatures:
                z, _ = _step(path, z, powers[t], sizes[t - 1], how.leaps, noise, f"forward {t}")
    return total


def backward(system: System, batch: Batch, places: Layout, how: Annealing, sizes: Tensor, noise: Noise, z: Tensor) -> Tensor:
    """log w' of each chain, `(S, B)`, float64, nats: the mean of exp(-log w') is 1 / p(x) in expectation.

    Arguments:
        system: with latents that can be moved.
        batch: rows that were drawn from the model.
        places: of the latents.
        how: chains walk.
        sizes: of their leaps, see `step_sizes`.
        noise: theirs alone.
        z: the latents that the rows were drawn with, `(1, B, latent)`: draws from the true posterior.
    """
    powers = how.powers()
    with _path(system, batch, places, how) as path:
        z = z.expand(how.chains, *z.shape[1:])
        total = torch.zeros(z.shape[:2], dtype=torch.float64, device=z.device)
        for t in range(how.temperatures, 0, -1):
            first, last = path.ends(z)
            total += (powers[t] - powers[t - 1]) * (last - first).double()
            if t > 1:
                z, _ = _step(path, z, powers[t - 1], sizes[t - 2], how.leaps, noise, f"backward {t}")
    return total
