r"""A shift and a scale by column.

    x = (raw - m) / s,   log |d x / d raw| = -log s

Bytes are kept as bytes and scaled when they are used; all else is scaled once, in float64, so that a large offset (a time stamp, say)
does not eat the digits that matter.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.core.adapter import Adapter

__all__ = ["FARTHEST", "LARGEST", "Affine"]

LARGEST = 1e150
"""The largest number whose square can be summed over any number of rows in float64."""

FARTHEST = 1e15
"""The most deviations from the mean whose square, over the smallest variance of a likelihood, float32 can sum over a row."""


class Affine(Adapter):
    """Shift and scale; gaps (NaN) become cells that are not observed.

    Arguments:
        standardise: fit the mean and the deviation of each column; else shift by 0 and divide by `worth`.
        pooled: fit one mean and one deviation for all columns together.
        worth: what 1 of the model's space is worth in raw values.
    """

    def __init__(self, standardise: bool = False, pooled: bool = False, worth: float = 1.0):
        self.standardise, self.pooled = standardise, pooled
        self.location = np.zeros(1)
        self.scale = np.full(1, float(worth))
        self.dtype = "float32"
        self.dtypes: tuple[str, ...] = ()
        self.tensors: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def fit(self, raw: np.ndarray, dtypes: Sequence[str] = ()) -> "Affine":
        """Learn each column's mean and deviation, gaps left out.

        Arguments:
            raw: training rows.
            dtypes: the type that each column came in, or one for all; empty = that of `raw`.
        """
        self.dtype, self.dtypes, self.tensors = str(raw.dtype), tuple(dtypes), {}
        if self.standardise:
            total, squares, count, reach = (np.zeros(raw.shape[1:]) for _ in range(4))
            origin = _first_seen(raw)
            for chunk in _chunks(raw):
                away = chunk - origin
                seen = ~np.isnan(away)
                away = np.where(seen, away, 0)
                total, squares, count = total + away.sum(0), squares + np.square(away).sum(0), count + seen.sum(0)
                reach = np.maximum(reach, np.abs(away).max(0, initial=0))
            if self.pooled:
                # Sums about each column's own origin would not add up: bring them to one origin first.
                squares = np.full(1, (squares + 2 * origin * total + count * np.square(origin)).sum())
                total, count, origin = np.full(1, (total + count * origin).sum()), np.full(1, count.sum()), np.zeros(1)
                reach = np.full(1, reach.max(initial=0))
            mean = total / np.maximum(count, 1)
            deviation = np.sqrt(np.maximum(squares / np.maximum(count, 1) - np.square(mean), 0))
            self.location = origin + mean
            # The square of a number below 1e-162 is zero: so small a column is scaled by how far it goes.
            self.scale = np.where(deviation > 0, deviation, np.where(reach > 0, reach, 1.0))
        return self

    def store(self, raw: np.ndarray) -> dict[str, Tensor]:
        """Bytes as they are; other numbers scaled, as float32, with `observed` where there are gaps."""
        if raw.dtype in (np.uint8, np.bool_):
            return {"x": torch.from_numpy(np.ascontiguousarray(raw).astype(np.uint8, copy=False))}
        x = torch.empty(raw.shape, dtype=torch.float32)
        start = 0
        for chunk in _chunks(raw):
            x[start : start + len(chunk)] = torch.from_numpy((chunk - self.location) / self.scale)
            start += len(chunk)
        observed = ~torch.isnan(x)
        return {"x": x} if bool(observed.all()) else {"x": torch.nan_to_num_(x), "observed": observed}

    def batch(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
        """`x` as float32 in the model's space, and `observed` where there are gaps."""
        x = rows["x"]
        if x.dtype == torch.uint8:
            # One scale for all pixels, or one a column: both divide.
            location, scale = self._on(x.device)
            x = x.float().sub_(location).div_(scale)
        return {"x": x, "observed": rows.get("observed")}

    def to_raw(self, x: Tensor) -> np.ndarray:
        """Values in the person's own units: each within the type that its column came in, whole numbers rounded.

        The array is of the smallest type that holds them all.
        """
        raw = x.detach().cpu().double().numpy() * self.scale + self.location
        dtypes = [np.dtype(name) for name in self.dtypes or (self.dtype,)]
        whole, low, high = map(np.array, zip(*map(_range, dtypes)))
        np.rint(raw, out=raw, where=np.broadcast_to(whole, raw.shape))
        # What is rounded up to nothing is -0.0, which reads as a number below 0.
        raw += 0.0
        return np.clip(raw, low, high, out=raw).astype(np.result_type(*dtypes))

    def log_det(self, x: Tensor) -> Tensor:
        """-log s of each element, like `x`, nats."""
        # In float64: a deviation of 1e150 has a logarithm, but no place in float32.
        return -torch.as_tensor(np.log(self.scale), dtype=torch.float32, device=x.device).expand_as(x)

    @property
    def state(self) -> dict[str, Any]:
        """What was fitted, as JSON."""
        return {
            "standardise": self.standardise, "pooled": self.pooled, "dtype": self.dtype, "dtypes": list(self.dtypes),
            "location": self.location.tolist(), "scale": self.scale.tolist(),
        }

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        self.standardise, self.pooled, self.dtype = bool(state["standardise"]), bool(state["pooled"]), str(state["dtype"])
        # A system that was saved before types were kept gives all of its columns in one.
        self.dtypes = tuple(state.get("dtypes", ()))
        self.location, self.scale, self.tensors = np.asarray(state["location"], float), np.asarray(state["scale"], float), {}

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Location and scale as float32; every step asks for them."""
        if device not in self.tensors:
            self.tensors[device] = tuple(torch.as_tensor(v, dtype=torch.float32, device=device) for v in (self.location, self.scale))  # type: ignore[assignment]
        return self.tensors[device]


def _first_seen(raw: np.ndarray) -> np.ndarray:
    """The first value of each column that is no gap; 0 where there is none among the first rows.

    About a value of its own a column has no large squares, which would eat the digits of a small variance.
    """
    chunk = next(_chunks(raw), np.zeros((1, *raw.shape[1:])))
    first = (~np.isnan(chunk)).argmax(0, keepdims=True)
    return np.nan_to_num(np.take_along_axis(chunk, first, 0)[0])


@cache
def _range(dtype: np.dtype) -> tuple[bool, float, float]:
    """Whether a type holds whole numbers alone, and the least and the largest float64 that it holds."""
    if dtype.kind == "b":
        return True, 0.0, 1.0
    if dtype.kind == "f":
        limit = float(np.finfo(dtype).max)
        return False, -limit, limit
    limits = np.iinfo(dtype)
    top = float(limits.max)
    # float64 has no 2^63 - 1: the nearest it has is one too many.
    return True, float(limits.min), top if int(top) <= limits.max else float(np.nextafter(top, 0))


def _chunks(raw: np.ndarray, values: int = 1 << 22) -> Any:
    """Rows as float64, a bounded number of values at a time."""
    rows = max(values // max(int(np.prod(raw.shape[1:])), 1), 1)
    for start in range(0, len(raw), rows):
        yield raw[start : start + rows].astype(np.float64)
