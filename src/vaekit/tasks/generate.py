r"""New rows.

    z ~ p(z|c) at temperature t,   x ~ p(x|z, c)          a class that is asked for stands where y ~ p(y) would

A row of the data is a draw, not a mean: means are smoother than anything that was ever observed. The mean is there for pictures.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import from_prior
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.tasks.predict import asked_classes
from vaekit.tasks.walk import at_rest, chunk, needs_density, value

__all__ = ["draw", "generate"]


def generate(
    system: System, count: int, condition: Any = None, temperature: float = 1.0, seed: int = 0, mean: bool = False, label: Any = None
) -> np.ndarray:
    """Rows that were never in the data, `(count, *event)`, in the data's own units.

    Arguments:
        system: fitted.
        count: how many rows.
        condition: as a person names it, one for all rows or one a row.
        temperature: 1 = the prior itself, 0 = its centre.
        seed: the same seed gives the same rows.
        mean: the likelihood's centre in place of a draw.
        label: the class, one for all rows or one a row, of a model that has it as a latent; None = as it is drawn.

    Raises:
        InputError: where the count or temperature is out of range, the condition or the class is missing or unknown, or the model has
            no prior.
    """
    if count < 1:
        raise InputError(f"count must be 1 or more, not {count}")
    asked = None if label is None else asked_classes(system, label, count)
    return system.modality.to_raw(draw(system, count, system.modality.condition(condition, count), temperature, seed, mean, asked))


def draw(
    system: System, count: int, condition: Tensor | None = None, temperature: float = 1.0, seed: int = 0, mean: bool = False,
    label: Tensor | None = None,
) -> Tensor:
    """Rows as `generate` makes them, `(count, *event)`, in the model's space, on the processor.

    Arguments:
        system: fitted.
        count: how many rows.
        condition: `(count, width)`, as the modality encodes it.
        temperature: of the prior.
        seed: of all draws.
        mean: the likelihood's centre in place of a draw.
        label: `(count,)`, int64, -1 = as it is drawn.

    Raises:
        InputError: where the temperature is negative, or the model has no prior.
    """
    if temperature < 0:
        raise InputError(f"temperature must be 0 or more, not {temperature}")
    needs_density(system, "no prior to draw from")
    drawn, size = [], chunk(system)
    with at_rest(system, seed) as device:
        for start in range(0, count, size):
            rows = min(size, count - start)
            given, asked = (None if t is None else t[start : start + rows].to(device) for t in (condition, label))
            trace = system.model(Batch(condition=given, label=asked, size=rows), from_prior(temperature))
            drawn.append(value(trace.likelihood, mean).cpu())
    return torch.cat(drawn)
