"""Line up inputs of different particles, rows and positions, and put their channels side by side.

    (1, B, c), (S, B, *positions, d) -> (S, B, *positions, c + d)

The one place in the house where inputs broadcast: a condition without positions is repeated over a grid, and rows over particles.
"""

import torch
from torch import Tensor

__all__ = ["join"]


def join(*given: Tensor | None) -> Tensor:
    """The given tensors, None left out, as one: `(S, B, *positions, sum of channels)`.

    Arguments:
        given: tensors `(S or 1, B, *positions, channels)`; a missing position axis is added.

    Raises:
        ValueError: where nothing is given, or axes do not line up.
    """
    present = [t for t in given if t is not None]
    if not present:
        raise ValueError("join: nothing was given")
    if len(present) == 1:
        return present[0]
    axes = max(t.dim() for t in present)
    lined = [t.reshape(*t.shape[:2], *(1,) * (axes - t.dim()), *t.shape[2:]) for t in present]
    shape = torch.broadcast_shapes(*(t.shape[:-1] for t in lined))
    return torch.cat([t.expand(*shape, t.shape[-1]) for t in lined], dim=-1)
