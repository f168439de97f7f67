r"""Corrupted rows made clean: the mean over the posterior.

    x' = E_{q(z|x, c)} E[x|z, c]          (Im, Ahn, Memisevic, Bengio 2015, arXiv:1511.06406)
"""

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.core import dispatch
from vaekit.core.choose import from_posterior
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.tasks.walk import Rows, at_rest, batches, chunk, noise_of

__all__ = ["denoise"]


def denoise(system: System, rows: Rows, draws: int = 16, seed: int = 0) -> np.ndarray:
    """The mean of what the model would have expected in each row's place, `(N, *event)`, in the data's own units.

    Arguments:
        system: fitted.
        rows: corrupted, stored by the system's modality.
        draws: from the posterior, over which the mean is taken.
        seed: of the draws.

    Raises:
        InputError: where there are no rows, or `draws` is below 1.
    """
    if draws < 1:
        raise InputError(f"draws must be 1 or more, not {draws}")
    found = []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed, chunk(system, draws)):
            trace = system.model(batch, from_posterior(draws, noise_of(batch, seed)))
            found.append(system.modality.to_raw(_expected(trace.likelihood)))
    return np.concatenate(found)


def _expected(likelihood: Distribution) -> Tensor:
    """Mean over the particles, `(S, B, *event) -> (B, *event)`: of values, or of probabilities where classes have no mean."""
    mean = dispatch.soft(likelihood).mean(0)
    return mean if mean.dim() < len(likelihood.batch_shape) else torch.argmax(mean, dim=-1)
