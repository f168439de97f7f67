r"""Rows like a given row: what its upper latents decided is kept, the rest is drawn anew.

    z_l = centre of q(z_l|x, z_<l),  l <= k          z_l ~ p(z_l|z_<l),  l > k          x' ~ p(x|z), or its centre

The more is kept, the nearer the new rows stay to the old. (Sonderby et al. 2016, arXiv:1602.02282, look at levels in this way)
"""

from collections.abc import Sequence

import numpy as np

from vaekit.core import dispatch
from vaekit.core.choose import centre, fixed, from_prior
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.tasks.generate import by_site
from vaekit.tasks.walk import Rows, at_rest, batches, chunk, layout

__all__ = ["redraw"]


def redraw(
    system: System, rows: Rows, keep: int = 1, draws: int = 1, temperature: float | Sequence[float] = 1.0, seed: int = 0, mean: bool = True
) -> np.ndarray:
    """New rows that share the upper latents of given ones, `(N, draws, *event)`, in the data's own units.

    Arguments:
        system: fitted, with several latents above one another.
        rows: N rows, stored by the system's modality.
        keep: how many latents are kept, the first decided first.
        draws: how many new rows a row.
        temperature: of what is drawn anew: one number, or one for each latent, of which those that are kept are passed over.
        seed: of the draws.
        mean: the likelihood's centre; else a draw.

    Raises:
        InputError: where the model has one latent, `keep` leaves nothing to keep or to draw, `draws` is below 1, or a temperature is wrong.
    """
    sites = list(layout(system).shapes)
    if len(sites) < 2:
        raise InputError(f"{system.recipe or 'this model'} has one latent, so that no part of it can be kept: use ladder_vae, or generate")
    if not 1 <= keep < len(sites):
        raise InputError(f"keep must be from 1 to {len(sites) - 1} of the model's {len(sites)} latents, not {keep}")
    if draws < 1:
        raise InputError(f"draws must be 1 or more, not {draws}")
    anew, found = from_prior(by_site(system, temperature), draws), []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed, chunk(system, draws)):
            trace = system.model(batch, centre())
            kept = {name: trace.sites[name].z for name in sites[:keep]}
            likelihood = system.model(batch.without_x(), fixed(kept, anew)).likelihood
            values = (dispatch.centre(likelihood) if mean else likelihood.sample()).transpose(0, 1)
            raw = system.modality.to_raw(values.flatten(0, 1).cpu())
            found.append(raw.reshape(batch.rows, draws, *raw.shape[1:]))
    return np.concatenate(found)
