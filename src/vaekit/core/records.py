"""What a source hands over: the user's own values, before any adapter has seen them.

Plain numpy arrays with the names a person gave them, so that an error can say which column and which row.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["Records"]


@dataclass(frozen=True)
class Records:
    """Rows as a source read them.

    Arguments:
        x: `(N, columns)` for a table, `(N, height, width)` or `(N, height, width, channels)` for images.
        columns: names of a table's columns; empty where there are none.
        label: class of each row as an index, `(N,)` int64, -1 = unlabelled; None = no labels.
        classes: names of the classes, in the order of the indices.
        condition: known facts of each row, `(N, facts)`, numbers or text; None = none.
        condition_columns: names of those facts.
        index: row names of a DataFrame; None where rows have no names.
        position: place of each row in the source, from 0, `(N,)`; None = these are all of its rows, in order.
        source: where the rows come from, for messages.
        format: the format to write results in: `array`, `csv`, `parquet`, `npy`, `npz`, `idx`, `folder`, `frame` (pandas), `polars`, ...
        dtypes: numpy's name of each column's type as it came (`bool`, `int64`, `float32`), or one name for all of x; empty = that of x.
    """

    x: np.ndarray
    columns: tuple[str, ...] = ()
    label: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    condition: np.ndarray | None = None
    condition_columns: tuple[str, ...] = ()
    index: np.ndarray | None = None
    position: np.ndarray | None = None
    source: str = "data"
    format: str = "array"
    dtypes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.x)

    def take(self, rows: np.ndarray | slice) -> "Records":
        """The rows at these positions, in this order; each remembers its place in the source."""
        position = np.arange(self.rows) if self.position is None else self.position
        fields = {n: getattr(self, n) for n in ("x", "label", "condition", "index")}
        taken: dict[str, Any] = {n: None if values is None else values[rows] for n, values in fields.items()}
        return replace(self, **taken, position=position[rows])

    def number(self, row: int) -> int:
        """The number of a row in its source, from 1: what a message calls it."""
        return 1 + (row if self.position is None else int(self.position[row]))
