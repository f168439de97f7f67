r"""Between a person's values and the model's: the one place that knows units.

    x = scale(raw),   log p(raw) = log p(x) + sum log |d x / d raw|   (densities; a probability of discrete values has no Jacobian)
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["Adapter"]


class Adapter(ABC):
    """Fitted once on training rows; turns raw values to tensors and back."""

    @abstractmethod
    def fit(self, raw: np.ndarray) -> "Adapter":
        """Learn what the mapping needs from training rows; returns itself.

        Raises:
            InputError: where the values cannot be used; says where and what to do.
        """

    @abstractmethod
    def store(self, raw: np.ndarray) -> dict[str, Tensor]:
        """Check rows against what was fitted and keep them compactly (uint8 and integer codes stay so), once.

        Raises:
            InputError: where the rows do not fit; says which row and column.
        """

    @abstractmethod
    def batch(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
        """Stored rows as fields of a `Batch`: tensors only, on the device, every step."""

    @abstractmethod
    def to_raw(self, x: Tensor) -> np.ndarray:
        """Values of the model's space in the person's own units, `(N, *event)`."""

    @abstractmethod
    def log_det(self, x: Tensor) -> Tensor:
        """log |d x / d raw| of each element, like `x`, nats."""

    @property
    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What was fitted, as JSON."""

    @state.setter
    @abstractmethod
    def state(self, state: Mapping[str, Any]) -> None: ...
