"""One step's rows, as tensors: what every walk, term and task reads.

Axes: rows first, channels last, `x` of shape `(B, *positions, channels)`. The walk adds the particles' axis in front.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["Batch", "lead"]


def lead(values: Tensor | None) -> Tensor | None:
    """Add the particles' axis in front: `(B, ...) -> (1, B, ...)`; None stays None."""
    return None if values is None else values.unsqueeze(0)


@dataclass(frozen=True)
class Batch:
    """Rows of a data set, on one device.

    Arguments:
        x: values in the model's space, `(B, *positions, channels)`; None when generating.
        observed: bool like `x`, False = missing cell or padding; None = everything is seen.
        condition: what is known of each row, `(B, width)`; None = nothing.
        label: class of each row, `(B,)`, int64, -1 = unlabelled.
        weight: weight of each row, `(B,)`, mean 1 over the data set.
        population: rows of the data set that these come from.
        size: rows to make when there is no `x`.
    """

    x: Tensor | None = None
    observed: Tensor | None = None
    condition: Tensor | None = None
    label: Tensor | None = None
    weight: Tensor | None = None
    population: int = 1
    size: int = 0

    @property
    def rows(self) -> int:
        """How many rows: of `x` where there is one, else `size`."""
        return self.size if self.x is None else self.x.shape[0]

    @property
    def evidence(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """What an encoder is given: `(x with gaps filled, observed, condition)`, each with the particles' axis in front.

        Gaps are filled with zero whatever stood there, NaN included; `observed` tells the network which zeros are real.
        """
        x = self.x
        if x is not None and self.observed is not None:
            x = torch.where(self.observed, x, torch.zeros((), dtype=x.dtype, device=x.device))
        return lead(x), lead(self.observed), lead(self.condition)

    def without_x(self) -> "Batch":
        """The same rows to be generated: condition, label and weight kept, values and gaps dropped."""
        return replace(self, x=None, observed=None, size=self.rows)

    def to(self, device: torch.device | str) -> "Batch":
        """The same rows on another device."""
        fields = {n: getattr(self, n) for n in ("x", "observed", "condition", "label", "weight")}
        moved: dict[str, Any] = {n: None if t is None else t.to(device, non_blocking=True) for n, t in fields.items()}
        return replace(self, **moved)
