r"""Rows as the model sees them, through its latent.

    mean:  z = centre of q(z|x, c), x' = E[x|z, c]        draw:  z ~ q(z|x, c), x' ~ p(x|z, c)
"""

import numpy as np

from vaekit.core.choose import centre, from_posterior
from vaekit.core.system import System
from vaekit.tasks.walk import Rows, at_rest, batches, noise_of, value

__all__ = ["reconstruct"]


def reconstruct(system: System, rows: Rows, seed: int = 0, mean: bool = True) -> np.ndarray:
    """Each row, encoded and decoded, `(N, *event)`, in the data's own units.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        seed: of the draws, and of what is redrawn each time a row is seen.
        mean: centres of posterior and likelihood; else a draw from each.

    Raises:
        InputError: where there are no rows.
    """
    found = []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            choose = centre() if mean else from_posterior(1, noise_of(batch, seed))
            found.append(system.modality.to_raw(value(system.model(batch, choose).likelihood, mean)))
    return np.concatenate(found)
