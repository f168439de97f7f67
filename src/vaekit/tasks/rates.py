r"""What each latent coordinate costs, and so which are in use.

    rate_j = mean_x KL(q(z_j|x, c) || p(z_j|c)),   ranked: rate_{j_1} >= rate_{j_2} >= ...

Where a latent's KL does not fall apart into coordinates, as that of a class does not, each of them ranks by the whole. Where no latent's
does, as under a prior that is a mixture or a flow, they rank by the KL of normals that have the moments of the two:

    mean_x KL(N(E_q z_j, Var_q z_j) || N(E_p z_j, Var_p z_j))
"""

from collections.abc import Callable
from math import nan

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from vaekit.core.choose import from_posterior
from vaekit.core.dispatch import codebook, divergence, soft
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.core.trace import Site
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
    return _mean(system, rows, seed, Site.kl_by_dimension)


def _mean(system: System, rows: Rows, seed: int, found: Callable[[Site], Tensor | None]) -> np.ndarray:
    """Mean over rows of what is found of each latent, `(latent,)`; NaN where there is nothing, or the latent is not random."""
    places, means = layout(system), []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            sites = system.model(batch, from_posterior(1, noise_of(batch, seed))).sites
            values = {name: found(site) if site.random else None for name, site in sites.items()}
            each = {n: torch.full_like(sites[n].z, nan) if v is None else v.expand_as(sites[n].z) for n, v in values.items()}
            means.append(places.join(each)[0].double().cpu())
    return torch.cat(means).mean(0).numpy()


def _whole(site: Site) -> Tensor:
    """The KL of the latent, at each coordinate."""
    kl = site.kl()
    return kl.reshape(*kl.shape, *(1,) * (site.z.dim() - 2))


def _alike(site: Site) -> Tensor | None:
    """The KL of normals with the moments of the two, by coordinate; codes have none."""
    if codebook(site.posterior) is not None:
        return None
    q, p = (Normal(soft(d), d.stddev, validate_args=False) for d in (site.posterior, site.prior))  # type: ignore[union-attr]
    return divergence(q, p)


def ranked_dimensions(system: System, rows: Rows, seed: int = 0) -> list[int]:
    """The coordinates, from 0, with the largest rate first; equal ones in their own order, those of a latent without a rate last.

    Arguments:
        system: fitted.
        rows: over which the rates are averaged, stored by the system's modality.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where there are no rows, or the latent has no density.
    """
    each = dimension_rates(system, rows, seed)
    rates = np.where(np.isnan(each), _mean(system, rows, seed, _alike if np.isnan(each).all() else _whole), each)
    if np.isnan(rates).all():
        raise InputError(f"{system.recipe or 'this model'} has no rate to rank coordinates by: give dimensions as numbers")
    return [int(d) for d in np.argsort(np.nan_to_num(-rates, nan=np.inf), kind="stable")]
