"""The two ends that touch data: what a kind of data must supply so that every recipe runs on it.

A modality holds fitted adapters for x, condition and label, and makes the networks at the ends. What it lacks it says by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vaekit.core.batch import Batch
from vaekit.core.conditional import Conditional
from vaekit.core.errors import InputError
from vaekit.core.noise import Noise
from vaekit.core.records import Records

__all__ = ["Modality"]


class Modality(ABC):
    """A kind of data, fitted to one data set.

    Attributes:
        name: its name in the book.
        arguments: how it was made, as JSON.
        event: shape of one row in the model's space, `(*positions, channels)`.
        rows: how many rows it was fitted to.
        condition_width: how many numbers a condition has; 0 = none.
        classes: names of the classes; empty = no labels.
        class_counts: how many of the rows it was fitted to have a label of each class.
        likelihood: the name of the likelihood that was chosen for the data.
        because: why it was chosen, in words.
    """

    name: str
    arguments: dict[str, Any]
    event: tuple[int, ...]
    rows: int
    condition_width: int
    classes: tuple[str, ...]
    class_counts: tuple[int, ...] = ()
    likelihood: str
    because: str

    @abstractmethod
    def check(self, records: Records) -> None:
        """Refuse rows that cannot be used whatever is fitted to them; asked of all rows, before they are split.

        Raises:
            InputError: where a value cannot be used; says how many and where the first is.
        """

    @abstractmethod
    def fit(self, records: Records) -> "Modality":
        """Fit the adapters to training rows; returns itself."""

    @abstractmethod
    def store(self, records: Records) -> dict[str, Tensor]:
        """All rows as compact tensors, first axis = rows."""

    @abstractmethod
    def batch(self, rows: Mapping[str, Tensor]) -> Batch:
        """Stored rows as a batch in the model's space."""

    def redraw(self, batch: Batch, noise: Noise) -> Batch:
        """What changes each time a row is seen, dynamic binarisation say; the same batch where nothing does."""
        return batch

    @abstractmethod
    def condition(self, given: Any, rows: int) -> Tensor | None:
        """A condition as a person names it (a class, a number, a list of either, a mapping) as `(rows, width)`."""

    @abstractmethod
    def to_raw(self, x: Tensor) -> np.ndarray:
        """Values in the person's own units, `(N, *event)`."""

    @abstractmethod
    def to_raw_spread(self, spread: Tensor) -> np.ndarray:
        """Standard deviations of the model's space in the person's own units, `(N, *event)`, as real numbers."""

    @abstractmethod
    def log_det(self, batch: Batch) -> Tensor:
        """log |d x / d raw| of each row, `(B,)`, nats: added to a density so that it is quoted in the data's own units."""

    @abstractmethod
    def reader(self, grid: bool = False, **arguments: Any) -> nn.Module:
        """The network from evidence to features, with `width` and `positions`: `embed(x, observed)`, then `trunk(h, condition)`.

        Arguments:
            grid: keep positions, for latents that have them.
            arguments: sizes of the network.
        """

    def grid(self, **arguments: Any) -> tuple[int, ...]:
        """The positions that a reader of these sizes keeps with `grid=True`; empty = it has none to keep."""
        return ()

    @abstractmethod
    def writer(
        self, width: int, positions: tuple[int, ...] = (), likelihood: str | Mapping[str, Any] = "auto", **arguments: Any
    ) -> Conditional:
        """p(x|z, c) from latents `(S, B, *positions, width)`.

        Raises:
            InputError: where the likelihood does not fit the data; offers the fixes.
        """

    def pyramid(self, levels: int, latent: int, **arguments: Any) -> nn.Module:
        """The networks of a hierarchy: `up` to features of every level, `ready`, `meet` and `below` at each, `grids`, `width`, `positions`.

        Arguments:
            levels: how many latents stand above one another.
            latent: dimensions of each at each position.
            arguments: sizes of the networks.
        """
        raise InputError(f"modality '{self.name}' has no pyramid: hierarchical recipes are not defined on it")

    def critic(self, widths: tuple[int, ...] = (), **arguments: Any) -> nn.Module:
        """A network that judges rows, for adversarial terms: `embed` or `embed_soft`, then `forward(h, condition) -> (features, logit)`.

        Arguments:
            widths: of its layers; empty = those of the reader.
            arguments: sizes of the reader's network.
        """
        raise InputError(f"modality '{self.name}' has no critic: adversarial recipes are not defined on it")

    @property
    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What was fitted, as JSON."""

    @state.setter
    @abstractmethod
    def state(self, state: Mapping[str, Any]) -> None: ...

    def example(self, rows: int = 2) -> Batch:
        """Rows of the right shape, all zero: to try a network's shapes before any work."""
        condition = torch.zeros(rows, self.condition_width) if self.condition_width else None
        return Batch(torch.zeros(rows, *self.event), condition=condition, population=self.rows)
