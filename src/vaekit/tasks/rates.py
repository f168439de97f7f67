r"""What each latent coordinate costs, and so which are in use.

    rate_j = mean_x KL(q(z_j|x, c) || p(z_j|c)),   ranked: rate_{j_1} >= rate_{j_2} >= ...

Where a latent's KL does not fall apart into coordinates, as that of a class does not, each of them ranks by the whole.
"""

from math import nan

import numpy as np
import torch
from torch import Tensor

from vaekit.core.choose import from_posterior
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.tasks.walk import Rows, at_rest, batches, layout, noise_of

__all__ = ["dimension_rates", "ranked_dimensions"]


def dimension_rates(system: System, rows: Rows, seed: int = 0) -> np.ndarray:
    """Mean KL of each coordinate over rows, `(latent,)`, nats; NaN where a latent's KL does not fall apart into coordinates.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where there are no rows.
    """
    return _rates(system, rows, seed)[0]


def _rates(system: System, rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean KL of each coordinate, and of the latent that each is of, `(latent,)` both, nats; NaN where there is none."""
    places, found = layout(system), []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            sites = system.model(batch, from_posterior(1, noise_of(batch, seed))).sites
            kls = {name: site.kl_by_dimension() if site.random else None for name, site in sites.items()}
            each = {n: torch.full_like(sites[n].z, nan) if kl is None else kl.expand_as(sites[n].z) for n, kl in kls.items()}
            whole = {n: torch.full_like(s.z, nan) if not s.random else _over_latent(s.kl(), s.z) for n, s in sites.items()}
            found.append(torch.stack([places.join(each)[0], places.join(whole)[0]], dim=1).double().cpu())
    each_mean, whole_mean = torch.cat(found).mean(0).numpy()
    return each_mean, whole_mean


def _over_latent(values: Tensor, z: Tensor) -> Tensor:
    """Values `(S or 1, B)` at each coordinate of a latent `(S, B, *latent)`."""
    return values.reshape(*values.shape, *(1,) * (z.dim() - 2)).expand_as(z)


def ranked_dimensions(system: System, rows: Rows, seed: int = 0) -> list[int]:
    """The coordinates, from 0, with the largest rate first; equal ones in their own order, those of a latent without a rate last.

    Arguments:
        system: fitted.
        rows: over which the rates are averaged, stored by the system's modality.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where there are no rows, or the model has no rate by coordinate.
    """
    rates, whole = _rates(system, rows, seed)
    if np.isnan(rates).all():
        raise InputError(f"{system.recipe or 'this model'} has no rate by coordinate to rank by: give dimensions as numbers")
    rates = np.where(np.isnan(rates), whole, rates)
    return [int(d) for d in np.argsort(np.nan_to_num(-rates, nan=np.inf), kind="stable")]
