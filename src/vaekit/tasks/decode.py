r"""From latents to values: x = E[x|z, c], or x ~ p(x|z, c)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import centre, fixed
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.tasks.walk import at_rest, chunk, layout, value

__all__ = ["decode", "write"]


def decode(system: System, z: np.ndarray | Tensor, condition: Any = None, mean: bool = True, seed: int = 0) -> np.ndarray:
    """Values of given latents, `(N, *event)`, in the data's own units.

    Arguments:
        system: fitted.
        z: `(N, latent)`, as `encode` gives them.
        condition: as a person names it, one for all rows or one a row.
        mean: the likelihood's centre; else a draw.
        seed: of the draws.

    Raises:
        InputError: where z has another width or is not finite, or the condition is missing or unknown.
    """
    latents = torch.as_tensor(z, dtype=torch.float32)
    if latents.dim() != 2 or not len(latents):
        raise InputError(f"latents must have shape (rows, latent), not {tuple(latents.shape)}")
    if not bool(latents.isfinite().all()):
        raise InputError(f"latents are not finite in row {int((~latents.isfinite()).any(1).int().argmax()) + 1}: drop those rows")
    return system.modality.to_raw(write(system, latents, system.modality.condition(condition, len(latents)), mean, seed))


def write(system: System, z: Tensor, condition: Tensor | None = None, mean: bool = True, seed: int = 0) -> Tensor:
    """Values of given latents in the model's space, `(N, *event)`, on the processor.

    Arguments:
        system: fitted.
        z: `(N, latent)`.
        condition: `(N, width)`, as the modality encodes it.
        mean: the likelihood's centre; else a draw.
        seed: of the draws.
    """
    places, size, written = layout(system), chunk(system), []
    with at_rest(system, seed) as device:
        for start in range(0, len(z), size):
            part = z[start : start + size].to(device)
            given = None if condition is None else condition[start : start + size].to(device)
            trace = system.model(Batch(condition=given, size=len(part)), fixed(places.split(part.unsqueeze(0)), centre()))
            written.append(value(trace.likelihood, mean).cpu())
    return torch.cat(written)
