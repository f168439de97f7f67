r"""New rows.

    z ~ p(z|c) at temperature t,   x ~ p(x|z, c)          a class that is asked for stands where y ~ p(y) would
    z_1 ~ p(z_1) at t_1,   z_l ~ p(z_l|z_<l) at t_l          where latents stand above one another

A row of the data is a draw, not a mean: means are smoother than anything that was ever observed. The mean is there for pictures.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import from_prior
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.tasks.predict import asked_classes
from vaekit.tasks.walk import at_rest, chunk, layout, needs_density, value

__all__ = ["by_site", "draw", "generate"]


def generate(
    system: System, count: int, condition: Any = None, temperature: float | Sequence[float] = 1.0, seed: int = 0, mean: bool = False,
    label: Any = None,
) -> np.ndarray:
    """Rows that were never in the data, `(count, *event)`, in the data's own units.

    Arguments:
        system: fitted.
        count: how many rows.
        condition: as a person names it, one for all rows or one a row.
        temperature: 1 = the prior itself, 0 = its centre; one for all latents, or one for each, the first
            decided first.
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
    system: System, count: int, condition: Tensor | None = None, temperature: float | Sequence[float] = 1.0, seed: int = 0,
    mean: bool = False, label: Tensor | None = None,
) -> Tensor:
    """Rows as `generate` makes them, `(count, *event)`, in the model's space, on the processor.

    Arguments:
        system: fitted.
        count: how many rows.
        condition: `(count, width)`, as the modality encodes it.
        temperature: of the prior, or of the prior of each latent.
        seed: of all draws.
        mean: the likelihood's centre in place of a draw.
        label: `(count,)`, int64, -1 = as it is drawn.

    Raises:
        InputError: where a temperature is negative or infinite, there are not as many as latents, or the model has no prior.
    """
    tempered = from_prior(by_site(system, temperature))
    needs_density(system, "no prior to draw from")
    drawn, size = [], chunk(system)
    with at_rest(system, seed) as device:
        for start in range(0, count, size):
            rows = min(size, count - start)
            given, asked = (None if t is None else t[start : start + rows].to(device) for t in (condition, label))
            trace = system.model(Batch(condition=given, label=asked, size=rows), tempered)
            drawn.append(value(trace.likelihood, mean).cpu())
    return torch.cat(drawn)


def by_site(system: System, temperature: float | Sequence[float]) -> float | Mapping[str, float]:
    """A temperature of each latent by its name; one number as it is.

    Arguments:
        system: whose latents they are of.
        temperature: one for all, or one for each in the order they are decided.

    Raises:
        InputError: where one is negative or infinite, or there are not as many as latents.
    """
    several = [temperature] if isinstance(temperature, (int, float)) else list(temperature)
    for t in several:
        if not 0 <= t < inf:
            raise InputError(f"temperature must be 0 or more{' and finite' * (t == inf)}, not {t}")
    if len(several) == 1:
        return several[0]
    sites = list(layout(system).shapes)
    if len(several) != len(sites):
        what = "1 latent" if len(sites) == 1 else f"{len(sites)} latents ({', '.join(sites)})"
        raise InputError(f"temperature has {len(several)} numbers, but the model has {what}: give one for all, or one for each")
    return dict(zip(sites, several))
