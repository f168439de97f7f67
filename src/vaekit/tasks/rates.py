r"""What each latent coordinate costs, and so which are in use.

    rate_j = mean_x KL(q(z_j|x, c) || p(z_j|c)),   ranked: rate_{j_1} >= rate_{j_2} >= ...
"""

from math import nan

import numpy as np
import torch

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
    places, found = layout(system), []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            sites = system.model(batch, from_posterior(1, noise_of(batch, seed))).sites
            kls = {name: site.kl_by_dimension() if site.random else None for name, site in sites.items()}
            each = {n: torch.full_like(sites[n].z, nan) if kl is None else kl.expand_as(sites[n].z) for n, kl in kls.items()}
            found.append(places.join(each)[0].double().cpu())
    return torch.cat(found).mean(0).numpy()


def ranked_dimensions(system: System, rows: Rows, seed: int = 0) -> list[int]:
    """The coordinates, from 0, with the largest rate first; equal ones in their own order, those without a rate last.

    Arguments:
        system: fitted.
        rows: over which the rates are averaged, stored by the system's modality.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where there are no rows, or the model has no rate by coordinate.
    """
    rates = dimension_rates(system, rows, seed)
    if np.isnan(rates).all():
        raise InputError(f"{system.recipe or 'this model'} has no rate by coordinate to rank by: give dimensions as numbers")
    return [int(d) for d in np.argsort(np.nan_to_num(-rates, nan=1.0), kind="stable")]
