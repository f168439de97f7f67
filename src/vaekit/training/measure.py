r"""Readings on held-out rows while training, which early stopping and the weights that are kept go by; and how many units are active.

    a unit is active where its KL > 0.01 nats, or, where a KL does not fall apart into units, where Var_x E_q[z] > 0.01 in the prior's
    variances                                                                  (Burda et al. 2015, arXiv:1509.00519)

Noise belongs to the row, so two validations differ by the weights alone.
"""

from collections.abc import Iterator
from typing import Protocol

import torch

from vaekit.core import dispatch
from vaekit.core.batch import Batch
from vaekit.core.noise import RowNoise, random_state_kept
from vaekit.core.objective import Step
from vaekit.core.trace import Trace

__all__ = ["Feed", "Rows", "measure"]

_ACTIVE = 0.01
# Rows whose means are asked for where a KL has no units: those of a flow are moments of many draws.
_ROWS = 256


class Rows(Protocol):
    """Rows that a run reads: a loader, or anything that acts as one."""

    def steps(self, ranks: int = 1) -> int:
        """Whole batches in an epoch, for each of `ranks` processes."""
        ...

    def epoch(self, number: int, start: int = 0, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """The batches of one epoch, in an order that depends on the number alone."""
        ...

    def in_order(self, seed: int = 0) -> Iterator[Batch]:
        """Every row once."""
        ...

    def to(self, device: torch.device | str) -> "Rows":
        """The same rows on another device."""
        ...

    def with_labels(self, share: float) -> "Rows":
        """The same rows, with at least this share of every batch labelled and weights that keep every mean."""
        ...


class Feed(Protocol):
    """What a run reads: rows to learn from and rows to measure on."""

    @property
    def train(self) -> Rows:
        """Rows to learn from."""
        ...

    @property
    def validation(self) -> Rows:
        """Rows to measure on, never learnt from."""
        ...


@torch.no_grad()
def measure(step: Step, rows: Rows) -> tuple[dict[str, float], int, int]:
    """Mean readings over rows, in nats a row, with the final weights of every schedule.

    Returns:
        Readings (`loss`, each term, each KL, and `elbo` = the negative bound where the model has a density), active units, all units.
    """
    # Draws from the prior belong to no row: they are the same in every measurement, and take nothing from the steps' own.
    with random_state_kept(next(step.model.parameters()).device):
        torch.manual_seed(0)
        return _measured(step, rows)


def _measured(step: Step, rows: Rows) -> tuple[dict[str, float], int, int]:
    totals: dict[str, torch.Tensor] = {}
    by_site: dict[str, torch.Tensor] = {}
    away: dict[str, list[torch.Tensor]] = {}
    count = 0
    for batch in rows.in_order():
        trace = step.walk(batch, RowNoise(batch.x))  # type: ignore[arg-type]
        loss, readings = step.objective(trace)
        readings = {"loss": loss, **readings}
        if step.objective.needs.rates and all(site.random for site in trace.sites.values()):
            readings["elbo"] = step.objective.reduce(-trace.elbo(), trace)
        for name, value in readings.items():
            totals[name] = totals.get(name, torch.zeros_like(value)) + value * batch.rows
        for name, value in _kl_by_dimension(trace).items():
            by_site[name] = by_site.get(name, torch.zeros_like(value)) + value
        if count < _ROWS:
            for name, value in _away(trace).items():
                away.setdefault(name, []).append(value)
        count += batch.rows
    units = [value / count for value in by_site.values()] + [torch.cat(values).var(0, correction=0) for values in away.values()]
    active = sum(int((value > _ACTIVE).sum()) for value in units)
    return {n: float(v) / count for n, v in totals.items()}, active, sum(v.numel() for v in units)


def _kl_by_dimension(trace: Trace) -> dict[str, torch.Tensor]:
    """Each site's KL by coordinate, summed over the rows."""
    found = {}
    for name, site in trace.sites.items():
        values = site.kl_by_dimension() if site.random else None
        if values is not None:
            found[name] = trace.mean(values).sum(0)
    return found


def _away(trace: Trace) -> dict[str, torch.Tensor]:
    """How far the posterior's mean of each row is from the prior's, in its deviations, of each latent whose KL has no coordinates."""
    found = {}
    for name, site in trace.sites.items():
        # What is decided as its prior says, such as a class that is read from a latent, is no unit of its own; nor has a code any.
        own = site.random and site.belief is not site.prior and dispatch.codebook(site.belief) is None
        if own and site.kl_by_dimension() is None:
            found[name] = trace.mean((dispatch.soft(site.belief) - dispatch.soft(site.prior)) / site.prior.stddev).float()
    return found
