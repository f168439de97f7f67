r"""Rows between two rows, by a path between their latents.

    linear     z(t) = (1 - t) a + t b
    spherical  z(t) = [sin((1 - t) w) a + sin(t w) b] / sin w,   cos w = <a, b> / |a||b|        (White 2016, arXiv:1609.04468)

In many dimensions the prior's mass lies on a shell, and a straight line leaves it; the spherical path stays near it.
"""

import numpy as np
import torch
from torch import Tensor

from vaekit.core.errors import InputError, nearest
from vaekit.core.system import System
from vaekit.tasks.decode import write
from vaekit.tasks.encode import encode
from vaekit.tasks.walk import Rows, count, onto_codes

__all__ = ["interpolate"]


def interpolate(
    system: System, start_rows: Rows, end_rows: Rows, steps: int = 8, path: str = "linear", seed: int = 0
) -> np.ndarray:
    """Values on the way from each start to its end, `(N, steps, *event)`, in the data's own units; both ends are reconstructions.

    Where the model has a condition, it goes over in a straight line; of several latents, all go at once; where they are codes,
    each value of the path is that of the nearest code.

    Arguments:
        system: fitted.
        start_rows: N rows, stored by the system's modality.
        end_rows: N rows.
        steps: how many values a path, both ends included, 2 or more.
        path: `linear` or `spherical`.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where the numbers of rows differ, the path is unknown, or there are fewer than two steps.
    """
    if path not in _PATHS:
        raise InputError(f"path {path!r} is unknown: {nearest(path, _PATHS)}")
    if steps < 2:
        raise InputError(f"steps must be 2 or more, not {steps}")
    if count(start_rows) != count(end_rows):
        raise InputError(f"{count(start_rows)} start rows do not pair with {count(end_rows)} end rows: give as many of each")
    start, end = (torch.from_numpy(encode(system, rows, seed).mean).unsqueeze(1) for rows in (start_rows, end_rows))
    t = torch.linspace(0, 1, steps).unsqueeze(1)
    z = onto_codes(system, _PATHS[path](start, end, t).flatten(0, 1))
    given = None
    if "condition" in start_rows:
        before, after = (rows["condition"].cpu().unsqueeze(1) for rows in (start_rows, end_rows))
        given = _linear(before, after, t).flatten(0, 1)
    values = system.modality.to_raw(write(system, z, given))
    return values.reshape(len(start), steps, *values.shape[1:])


def _linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    return (1 - t) * a + t * b


def _spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).unsqueeze(-1)
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    # Parallel ends span no angle, and opposite ones no plane: the first's limit is the straight line, and it serves the second.
    flat = sine < 1e-4
    around = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / torch.where(flat, torch.ones_like(sine), sine)
    return torch.where(flat, _linear(a, b, t), around)


_PATHS = {"linear": _linear, "spherical": _spherical}
