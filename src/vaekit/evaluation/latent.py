r"""What the latent holds.

    rate = E_x KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || p(z)),   q(z) = (1/N) sum_n q(z|x_n)   (Hoffman, Johnson 2016)
    I(x; z) ~ E log q(z|x) - log (1/N) sum_n q(z|x_n) <= log N
    a unit is active where its KL > 0.01 nats and Var_x E_q[z] > 0.01                       (Burda et al. 2015, arXiv:1509.00519)
    moment mismatch = sum_j KL(N(m_j, s_j^2) || N(0, 1)),  m and s the aggregate's, in the prior's units
    use = E log p(x|z) - E log p(x|z'),  z' the latent of another row

Under a condition the prior is to be compared with rows of the same condition: I(x; z | c) stands in the place of I(x; z) there.

With one latent a model, all of it is about that latent. With several, the mutual information and the marginal KL are the first one's; a
lower one's coordinates are measured from its prior's centre under what was decided above, in that prior's deviations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import log, nan

import numpy as np
import torch
from torch import Tensor

from vaekit.core import dispatch
from vaekit.core.choose import centre, fixed, from_posterior
from vaekit.core.information import mutual_information
from vaekit.core.system import System
from vaekit.core.trace import Site, Trace
from vaekit.evaluation.figure import Figure, figure
from vaekit.evaluation.values import of_others
from vaekit.tasks.walk import Layout, Progress, Rows, at_rest, batches, count, layout, noise_of, silent

__all__ = ["ACTIVE", "Latents", "Level", "measure_latents"]

ACTIVE = 0.01


@dataclass(frozen=True)
class Level:
    """One of several latents.

    Arguments:
        name: of the site.
        rate: mean KL a row, nats.
        active: how many of its coordinates carry information.
        width: how many it has.
    """

    name: str
    rate: float
    active: int
    width: int


@dataclass(frozen=True)
class Latents:
    """Measures of the latent over rows; NaN where the code is a point and has none.

    Arguments:
        kl: mean KL of each coordinate, `(latent,)`, nats.
        variance_of_means: Var_x E_q[z] of each coordinate, `(latent,)`, in variances of the prior about its centre.
        aggregate_mean: mean of the aggregate posterior, `(latent,)`, in deviations of the prior from its centre.
        aggregate_spread: its standard deviation, `(latent,)`, in deviations of the prior.
        rate: mean KL a row, nats.
        mutual_information: between a row and its latent, nats; at most log(rows).
        use: how much worse a row is explained by another row's latent, nats.
        dense: whether the posterior has a density.
        rows: how many rows.
        seed: of the draws.
        rates: mean KL a row of each latent by its name, nats, in the order they are decided.
        widths: coordinates of each.
        grid: whether one has positions, at some of which there need be nothing to say.
        within: mutual information of rows of the same condition and their first latent, nats; None = there is no condition.
    """

    kl: np.ndarray
    variance_of_means: np.ndarray
    aggregate_mean: np.ndarray
    aggregate_spread: np.ndarray
    rate: float
    mutual_information: float
    use: float
    dense: bool
    rows: int
    seed: int
    rates: Mapping[str, float] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    grid: bool = False
    within: float | None = None

    @property
    def width(self) -> int:
        """Coordinates of the latent."""
        return len(self.variance_of_means)

    @property
    def active(self) -> np.ndarray:
        """Which coordinates carry information by both criteria, `(latent,)`; by variance alone where KL has no coordinates."""
        return (self.variance_of_means > ACTIVE) & (np.isnan(self.kl) | (self.kl > ACTIVE))

    @property
    def most_active(self) -> int:
        """The most coordinates that any one latent has in use; a class, whose rate does not fall apart into them, counts where alone."""
        ends = np.cumsum(list(self.widths.values()))[:-1]
        parts = zip(np.split(self.active, ends), np.split(np.isnan(self.kl), ends))
        return max((int(used.sum()) for used, whole in parts if not whole.all()), default=int(self.active.sum()))

    @property
    def levels(self) -> list[Level]:
        """Each of several latents, in the order they are decided; none where there is one alone."""
        if len(self.rates) < 2:
            return []
        ends = np.cumsum(list(self.widths.values()))
        counted = [int(part.sum()) for part in np.split(self.active, ends[:-1])]
        return [Level(name, rate, active, self.widths[name]) for (name, rate), active in zip(self.rates.items(), counted)]

    @property
    def marginal_kl(self) -> float:
        """KL(q(z) || p(z)) of the first latent, or E KL(q(z|c) || p(z|c)) under a condition, nats; of few rows an overestimate."""
        return next(iter(self.rates.values()), self.rate) - (self.mutual_information if self.within is None else self.within)

    @property
    def mismatch(self) -> np.ndarray:
        """KL of a normal with the aggregate's moments to the prior, `(latent,)`, nats."""
        variance = np.maximum(np.square(self.aggregate_spread), 1e-12)
        return 0.5 * (variance + np.square(self.aggregate_mean) - 1 - np.log(variance))

    def figures(self) -> list[Figure]:
        """All of them, to be reported."""
        n, seed, units = self.rows, self.seed, f"of {self.width}"
        by_variance = int((self.variance_of_means > ACTIVE).sum())
        swapped = "distortion under another row's latent less that under its own"
        found = [
            figure("active units by variance", by_variance, units, "none", "Var_x E_q[z] > 0.01", n, seed),
            figure("use of the latent", self.use, "nats", "higher", swapped, n, seed),
        ]
        if not self.dense:
            return found
        by_kl = nan if np.isnan(self.kl).any() else int((self.kl > ACTIVE).sum())
        of = f" of {next(iter(self.rates))} alone" if len(self.rates) > 1 else ""
        ceiling = f"aggregate posterior = mixture over the {n} rows, so at most log N = {log(n):.2f} nats"
        moments = "KL of a normal with the aggregate posterior's mean and deviation by coordinate to the prior, summed"
        return [
            figure("active units by KL", by_kl, units, "none", "mean KL > 0.01 nats", n, seed), *found,
            figure("mutual information", self.mutual_information, "nats", "none", ceiling + of, n, seed, ceiling=log(n)),
            figure("moment mismatch", float(self.mismatch.sum()), "nats", "lower", moments, n, seed),
            *(figure(f"rate of {v.name}", v.rate, "nats", "none", f"{v.active} of {v.width} units active", n, seed) for v in self.levels),
        ]


@dataclass(frozen=True)
class _Walked:
    """One batch's part: each tensor `(B, latent)` or `(B,)`."""

    z: Tensor
    mean: Tensor
    spread: Tensor
    prior_mean: Tensor
    prior_spread: Tensor
    kl: Tensor
    rate: Tensor
    log_likelihood: Tensor
    first: Site
    rates: Tensor


def measure_latents(system: System, rows: Rows, seed: int = 0, progress: Progress = silent) -> Latents:
    """Measure the latent on rows; the time grows with the square of their number.

    What is decided as its prior says, such as a class that is read from a latent, tells nothing of its own and is left out.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        seed: of the draws.
        progress: told how many rows are done.

    Raises:
        InputError: where there are no rows.
    """
    places, total = _own(system), count(rows)
    walked: list[_Walked] = []
    left: list[Tensor] = []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            walked.append(_read(system.model(batch, from_posterior(1, noise_of(batch, seed))), places))
            progress("latent", sum(len(part.z) for part in walked), total)
        others = of_others(torch.cat([part.z for part in walked]), seed)
        for batch in batches(system, rows, seed):
            start = sum(len(part) for part in left)
            trace = system.model(batch, fixed(places.split(others[None, start : start + batch.rows]), from_posterior()))
            left.append(trace.log_likelihood[0])
        dense = not bool(torch.cat([part.rate for part in walked]).isnan().any())
        information = mutual_information([part.first for part in walked]) if dense else nan
    within = _within(system, rows, seed) if dense and "condition" in rows else None
    return replace(_summed(walked, torch.cat(left), information, dense, seed, places), within=within)


def _own(system: System) -> Layout:
    """The latents that are decided by a row, and not by what was decided before them alone."""
    with at_rest(system) as device:
        sites = system.model(system.modality.example(1).to(device), centre()).sites
    return Layout({name: shape for name, shape in layout(system).shapes.items() if sites[name].posterior is not sites[name].prior})


def _within(system: System, rows: Rows, seed: int) -> float:
    """I(x; z | c) of the first latent; a row whose condition no other has adds nothing to it."""
    _, which, sizes = torch.unique(rows["condition"], dim=0, return_inverse=True, return_counts=True)
    gained = 0.0
    with at_rest(system, seed):
        for group in torch.nonzero(sizes > 1).flatten().tolist():
            alike = {name: values[which == group] for name, values in rows.items()}
            traces = [system.model(batch, from_posterior(1, noise_of(batch, seed))) for batch in batches(system, alike, seed)]
            gained += int(sizes[group]) * mutual_information([next(iter(trace.sites.values())) for trace in traces])
    return gained / len(which)


def _read(trace: Trace, places: Layout) -> _Walked:
    sites = {name: trace.sites[name] for name in places.shapes}
    dense = all(site.random for site in sites.values())
    kls = {n: (site.kl_by_dimension() if dense else None) for n, site in sites.items()}
    first = next(iter(sites.values()))

    def joined(values: dict[str, Tensor]) -> Tensor:
        return places.join({n: v.expand_as(sites[n].z) for n, v in values.items()})[0]

    return _Walked(
        z=joined({n: site.z for n, site in sites.items()}),
        # Of a class the mean, not the likeliest one: the moments below are about it.
        mean=joined({n: dispatch.soft(site.posterior) for n, site in sites.items()}),
        spread=joined({n: site.posterior.stddev for n, site in sites.items()}),  # type: ignore[union-attr]
        prior_mean=joined({n: dispatch.soft(site.prior) for n, site in sites.items()}),
        prior_spread=joined({n: site.prior.stddev for n, site in sites.items()}),
        kl=joined({n: torch.full_like(sites[n].z, nan) if kl is None else kl for n, kl in kls.items()}),
        rate=trace.kl()[0] if dense else torch.full_like(trace.log_likelihood[0], nan),
        log_likelihood=trace.log_likelihood[0],
        first=first,
        rates=torch.stack([site.kl()[0] for site in sites.values()], dim=-1) if dense else torch.zeros(len(first.z[0]), 0),
    )


def _summed(walked: list[_Walked], left: Tensor, information: float, dense: bool, seed: int, places: Layout) -> Latents:
    names = ("mean", "spread", "prior_mean", "prior_spread", "kl")
    mean, spread, middle, deviation, kl = (torch.cat([getattr(part, name) for part in walked]).double() for name in names)
    away = (mean - middle) / deviation
    # Law of total variance: the aggregate's variance is the variance of the means plus the mean of the variances.
    variance = away.var(0, correction=0) + (spread / deviation).square().mean(0)
    explained = torch.cat([part.log_likelihood for part in walked])
    return Latents(
        kl=kl.mean(0).cpu().numpy(),
        variance_of_means=away.var(0, correction=0).cpu().numpy(),
        aggregate_mean=away.mean(0).cpu().numpy(),
        aggregate_spread=variance.sqrt().cpu().numpy(),
        rate=float(torch.cat([part.rate for part in walked]).double().mean()),
        mutual_information=information,
        use=float((explained - left).double().mean()),
        dense=dense, rows=len(mean), seed=seed,
        rates=dict(zip(places.shapes, torch.cat([part.rates for part in walked]).double().mean(0).tolist())),
        widths={name: shape.numel() for name, shape in places.shapes.items()},
        grid=any(len(shape) > 1 for shape in places.shapes.values()),
    )
