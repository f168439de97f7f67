r"""How well the prior fits the latents of held-out rows.

    rate = E KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || p(z))                        (Hoffman, Johnson 2016, ELBO surgery)
    E_q[log g(z) - log p(z)]  =  KL(q || p) - KL(q || g)  <=  KL(q(z) || p(z))  <=  rate - I_N(x; z)
    what g would pay more than p = E_q[log p(z) - log g(z)],  with no bias, whatever q(z) is

q(z) itself is unknown, so its KL to the prior is held between two bounds. The lower one takes any density g that was not fitted to the
rows it is judged on: here a mixture of normals, fitted to latents of training rows. The upper one takes the information that N rows
can show, log N at most. Where the latent tells more than that, they lie far apart, and what other priors would pay is what can be said.
Under a condition all of it is within the condition: g is fitted to what is left of the latents after their mean, linear in the condition.
(a density fitted to the latents of a finished model: Ghosh et al. 2020, arXiv:1903.12436; a test of two samples: Lopez-Paz, Oquab 2017,
arXiv:1610.06545)
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import log, nan
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import constraints

from vaekit.core.batch import Batch
from vaekit.core.choose import from_posterior, from_prior
from vaekit.core.system import System
from vaekit.core.trace import Site
from vaekit.evaluation.classical import normal_mixture, principal, told_apart
from vaekit.evaluation.figure import Figure, figure
from vaekit.evaluation.latent import Latents
from vaekit.evaluation.values import take
from vaekit.tasks.walk import Rows, at_rest, batches, count, noise_of

__all__ = ["Other", "PriorFit", "measure_prior"]

# Rows whose conditions a prior is told at a time.
_PIECE = 1024
_LEARNT_FROM, _MIXED, _COMPONENTS = 5000, (1, 2, 5, 10, 20), 64
# Rows for each coordinate from which correlations can be learnt, and rows for each component of a mixture.
_ROWS, _EACH = 5, 20
# Rows from which a test of two samples in three parts has some to learn from.
_FEWEST = 12


@dataclass(frozen=True)
class Other:
    """A density in the prior's place, fitted to latents of training rows.

    Arguments:
        name: in words.
        more: what it would pay more than the prior, nats a row; below 0 = it would pay less.
        standard_error: of that.
    """

    name: str
    more: float
    standard_error: float


@dataclass(frozen=True)
class PriorFit:
    """How well the prior of the first latent fits the latents of held-out rows.

    Arguments:
        rate: mean KL a row, nats.
        at_most: upper bound on the KL of the aggregate posterior to the prior, nats.
        most_told: the most information that the rows can show, nats.
        others: in the prior's place, the closest last; none where the latent is no vector of real numbers.
        told: area under the ROC curve of a classifier of encoded rows against draws from the prior; NaN where there are few rows.
        alike: the same of held-out rows against training rows.
        site: of which latent, where there are several; else empty.
        conditional: whether all of it is within a condition.
        rows: how many held-out rows.
        learnt_from: how many training rows.
        seed: of the draws.
    """

    rate: float
    at_most: float
    most_told: float
    others: tuple[Other, ...]
    told: float
    alike: float
    site: str
    conditional: bool
    rows: int
    learnt_from: int
    seed: int

    @property
    def at_least(self) -> float:
        """Lower bound on the KL of the aggregate posterior to the prior, nats: what the closest of the others would pay less."""
        return max(-self.others[-1].more, 0.0) if self.others else 0.0

    def figures(self) -> list[Figure]:
        """All of them, to be reported."""
        n, seed = self.rows, self.seed
        within = " within the same condition" if self.conditional else ""
        of = f" of {self.site} alone" if self.site else ""
        told = f"rate less mutual information{within}{of}, an upper bound: {n} rows show {self.most_told:.2f} nats of it at most"
        found = [figure("KL of the aggregate posterior, at most", self.at_most, "nats", "lower", told, n, seed)]
        fitted = f"fitted to latents of {self.learnt_from:,} training rows{', about means linear in the condition' * self.conditional}{of}"
        if self.others:
            closest = self.others[-1]
            how = f"what {closest.name} would pay less, which no density can overstate; {fitted}"
            found.insert(0, figure(
                "KL of the aggregate posterior, at least", self.at_least, "nats", "lower", how, n, seed,
                standard_error=closest.standard_error,
            ))
        for other in self.others:
            how = f"E[log p(z) - log g(z)] over draws of held-out rows' posteriors, g = {other.name}; {fitted}"
            found.append(figure(
                f"extra cost of {other.name}", other.more, "nats", "none", how, n, seed, standard_error=other.standard_error
            ))
        if not np.isnan(self.told):
            how = f"gradient boosting, {n} encoded rows against as many draws{of}, 3-fold cross-validation, 1/2 = cannot be told apart"
            found.append(figure("two-sample test of latents", self.told, "AUC", "lower", how, n, seed, alike=self.alike))
        return found

    def as_json(self) -> dict[str, Any]:
        """The section of `metrics.json`."""
        others = [asdict(other) for other in self.others]
        return {"figures": self.figures(), "rate": self.rate, "others": others, "conditional": self.conditional, "site": self.site}


def measure_prior(system: System, train_rows: Rows, rows: Rows, found: Latents, seed: int = 0) -> PriorFit:
    """Measure how well the prior fits; of several latents, that of the first.

    Arguments:
        system: fitted, with a prior that has a density.
        train_rows: what it was fitted to; other densities are fitted to their latents.
        rows: held out.
        found: the latent's measures on the same rows.
        seed: of subsamples, draws and classifiers.
    """
    known = take(train_rows, _LEARNT_FROM, seed)
    with at_rest(system, seed) as device:
        sites = list(_sites(system, rows, seed))
        log_prior = np.concatenate([site.prior.log_prob(site.z)[0].double().cpu().numpy() for site in sites])
        learnt = _latents(_sites(system, known, seed))
        condition = rows.get("condition")
        drawn = _drawn(system, None if condition is None else condition.to(device), count(rows))
    encoded = _latents(sites)
    told = _told([encoded, drawn, learnt], rows, known, seed)
    real = _real(sites[0].prior.support)
    log_densities = _others(*_residuals(learnt, encoded, known, rows), seed) if real else {}
    return PriorFit(
        rate=next(iter(found.rates.values())), at_most=found.marginal_kl, most_told=_most_told(condition, len(encoded)),
        others=tuple(_other(name, log_prior - values) for name, values in log_densities.items()), told=told[0], alike=told[1],
        site=next(iter(found.rates)) if len(found.rates) > 1 else "", conditional=condition is not None, rows=len(encoded),
        learnt_from=len(learnt), seed=seed,
    )


def _sites(system: System, rows: Rows, seed: int) -> Iterator[Site]:
    for batch in batches(system, rows, seed):
        yield next(iter(system.model(batch, from_posterior(1, noise_of(batch, seed))).sites.values()))


def _latents(sites: Any) -> np.ndarray:
    """One draw of each row, `(N, latent)`."""
    return np.concatenate([site.z[0].flatten(1).double().cpu().numpy() for site in sites])


def _drawn(system: System, condition: Tensor | None, number: int) -> np.ndarray:
    """Draws from the prior, under the conditions of the held-out rows where there are any."""
    # In pieces: a prior that knows conditions may hold many numbers for each row.
    pieces = [Batch(size=number)] if condition is None else [Batch(condition=part, size=len(part)) for part in condition.split(_PIECE)]
    found = []
    for batch in pieces:
        site = next(iter(system.model(batch, from_prior()).sites.values()))
        found.append(site.z.expand(-1, batch.rows, *site.z.shape[2:])[0].flatten(1).double().cpu().numpy())
    return np.concatenate(found)


def _real(support: Any) -> bool:
    """Whether a support is all real vectors, of which a normal is a density too."""
    while getattr(support, "base_constraint", None) is not None:
        support = support.base_constraint
    return support is constraints.real


def _most_told(condition: Tensor | None, rows: int) -> float:
    """The mean of the log of how many rows share each row's condition."""
    if condition is None:
        return log(rows)
    sizes = torch.unique(condition, dim=0, return_counts=True)[1].double()
    return float((sizes * sizes.log()).sum() / sizes.sum())


def _beside(values: np.ndarray, rows: Rows) -> np.ndarray:
    """Latents with the condition of each beside them."""
    return values if "condition" not in rows else np.concatenate([values, rows["condition"].double().cpu().numpy()], axis=1)


def _residuals(learnt: np.ndarray, encoded: np.ndarray, known: Rows, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Both less their mean given the condition, by least squares on the first."""
    given, asked = (_beside(np.ones((len(values), 1)), of) for values, of in ((learnt, known), (encoded, rows)))
    slopes = np.linalg.lstsq(given, learnt, rcond=None)[0]
    return learnt - given @ slopes, encoded - asked @ slopes


def _others(learnt: np.ndarray, encoded: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Log densities of the second under densities fitted to the first, from the simplest on."""
    scale = np.maximum(learnt.std(0), 1e-6)
    learnt, encoded = learnt / scale, encoded / scale
    rows, width = learnt.shape
    found = {"a normal without correlations": _log_normal(encoded, np.eye(width))}
    if rows >= _ROWS * width:
        found["a normal with correlations"] = _log_normal(encoded, learnt.T @ learnt / rows)
        numbers = [number for number in _MIXED if number * _EACH <= rows] if width <= _COMPONENTS else []
        number, values = normal_mixture(learnt, encoded, numbers, seed) if numbers else (1, encoded)
        if number > 1:
            found[f"a mixture of {number} normals"] = values
    return {name: values - np.log(scale).sum() for name, values in found.items()}


def _log_normal(values: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """log N(z; 0, C) of each row."""
    whitened = np.linalg.solve(np.linalg.cholesky(covariance + 1e-9 * np.eye(len(covariance))), values.T)
    return np.asarray(-0.5 * (np.square(whitened).sum(0) + np.linalg.slogdet(2 * np.pi * covariance)[1]))


def _other(name: str, more: np.ndarray) -> Other:
    return Other(name, float(more.mean()), float(more.std(ddof=1) / np.sqrt(len(more))))


def _told(latents: list[np.ndarray], rows: Rows, known: Rows, seed: int) -> tuple[float, float]:
    """How well encoded rows are told from draws of the prior, and from as many training rows; the condition stands beside each."""
    encoded, drawn, learnt = latents
    n = min(len(encoded), len(learnt))
    if n < _FEWEST:
        return nan, nan
    if encoded.shape[1] > _COMPONENTS:
        learnt, encoded, drawn = principal(learnt, _COMPONENTS, seed, encoded, drawn)
    encoded, drawn, learnt = _beside(encoded, rows), _beside(drawn, rows), _beside(learnt, known)
    few = np.random.default_rng(seed).permutation(len(learnt))[:n]
    pairs = ((encoded, drawn), (encoded[:n], learnt[few]))
    first, second = (told_apart(a, b, seed)["gradient boosting"] for a, b in pairs)
    return first, second
