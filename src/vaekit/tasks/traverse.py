r"""What one latent coordinate does: it moves, the others stay.

    z_j = m_j + t s_j,  t from span[0] to span[1];   z_i (i != j) = that of the row, or m_i

m and s are the prior's centre and deviation; of a latent below others, under what the row's latents above it are. A class has no such
line: its coordinate k leads from the row's own class to class k,

    y = (1 - w) y_0 + w e_k,  w from 0 to 1
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.distributions import constraints

from vaekit.core import dispatch
from vaekit.core.batch import Batch
from vaekit.core.choose import Chooser, centre, fixed
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.tasks.decode import write
from vaekit.tasks.encode import encode
from vaekit.tasks.rates import ranked_dimensions
from vaekit.tasks.walk import Layout, Rows, at_rest, count, layout, needs_continuum

__all__ = ["traverse", "traverse_scaled"]


def traverse(
    system: System, rows: Rows | None = None, condition: Any = None, dimensions: Sequence[int] | Literal["ranked"] | None = None,
    span: tuple[float, float] = (-3.0, 3.0), steps: int = 7, seed: int = 0,
) -> np.ndarray:
    """Values along each latent coordinate, `(N, dimensions, steps, *event)`, in the data's own units.

    Arguments:
        system: fitted.
        rows: N rows to start from, stored by the system's modality; None = the prior's centre, N = 1.
        condition: as a person names it, where there are no rows.
        dimensions: which coordinates, from 0; None = all; `ranked` = all, with the largest rate on `rows` first.
        span: from where to where, in standard deviations of the prior; of no meaning for a class.
        steps: values a coordinate, 2 or more.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where a coordinate does not exist, or there is nothing to rank by, or fewer than two steps, or the condition is missing
            or unknown, or the latent is one of codes, which have no direction.
    """
    values = traverse_scaled(system, rows, condition, dimensions, span, steps, seed)
    raw = system.modality.to_raw(values.flatten(0, 2))
    return raw.reshape(*values.shape[:3], *raw.shape[1:])


def traverse_scaled(
    system: System, rows: Rows | None = None, condition: Any = None, dimensions: Sequence[int] | Literal["ranked"] | None = None,
    span: tuple[float, float] = (-3.0, 3.0), steps: int = 7, seed: int = 0,
) -> Tensor:
    """The same in the model's space, `(N, dimensions, steps, *event)`, where whole numbers are not rounded; see `traverse`."""
    needs_continuum(system, "no latent coordinates to move along")
    places = layout(system)
    if isinstance(dimensions, str):
        dimensions = _ranked(system, rows, dimensions, seed)
    chosen = list(range(places.width)) if dimensions is None else [int(d) for d in dimensions]
    wrong = [d for d in chosen if not 0 <= d < places.width]
    if wrong or not chosen:
        raise InputError(f"dimension {wrong[0] if wrong else '(none)'} is not one of the latent's 0..{places.width - 1}")
    if steps < 2:
        raise InputError(f"steps must be 2 or more, not {steps}")
    given = system.modality.condition(condition, 1) if rows is None else rows.get("condition")
    start = None if rows is None else torch.from_numpy(encode(system, rows, seed).mean)
    middle, deviation, classes = _prior(system, places, given, 1 if rows is None else count(rows), start)
    start = middle if start is None else start
    z = start[:, None, None].repeat(1, len(chosen), steps, 1)
    for place, d in enumerate(chosen):
        own = next((block for block in classes if d in block), None)
        if own is None:
            z[:, place, :, d] = middle[:, d, None] + deviation[:, d, None] * torch.linspace(*span, steps)
        else:
            z[:, place, :, own.start : own.stop] = _towards(start[:, own.start : own.stop], d - own.start, steps)
    repeated = None if given is None else given.cpu().repeat_interleave(len(chosen) * steps, dim=0)
    return write(system, z.flatten(0, 2), repeated).unflatten(0, z.shape[:3])


def _ranked(system: System, rows: Rows | None, word: str, seed: int) -> list[int]:
    if word != "ranked":
        raise InputError(f"dimensions={word!r} is neither a list of numbers nor 'ranked'")
    if rows is None:
        raise InputError("dimensions='ranked' are those with the largest rate on rows: give rows, or numbers")
    return ranked_dimensions(system, rows, seed)


def _towards(own: Tensor, which: int, steps: int) -> Tensor:
    """From the rows' classes `(rows, classes)` to one of them, `(rows, steps, classes)`."""
    wanted = torch.zeros_like(own[0])
    wanted[which] = 1.0
    return torch.lerp(own[:, None], wanted, torch.linspace(0.0, 1.0, steps)[:, None])


def _prior(
    system: System, places: Layout, condition: Tensor | None, rows: int, start: Tensor | None
) -> tuple[Tensor, Tensor, list[range]]:
    """The prior's centre and deviation under the rows' latents, each `(rows, latent)`, and which coordinates are those of a class."""
    with at_rest(system) as device:
        choose: Chooser = centre() if start is None else fixed(places.split(start.unsqueeze(0).to(device)), centre())
        trace = system.model(Batch(condition=None if condition is None else condition.to(device), size=rows), choose)
        middle = {name: dispatch.centre(site.prior).expand_as(site.z) for name, site in trace.sites.items()}
        deviation = {name: site.prior.stddev.expand_as(site.z) for name, site in trace.sites.items()}
    ends = list(accumulate((shape.numel() for shape in places.shapes.values()), initial=0))
    of_class = [trace.sites[name].prior.support is constraints.one_hot for name in places.shapes]
    classes = [range(*ends[i : i + 2]) for i, is_class in enumerate(of_class) if is_class]
    return places.join(middle).squeeze(0).cpu(), places.join(deviation).squeeze(0).cpu(), classes
