r"""How well rows come back through the latent, by measures that fit the kind of value.

    MSE = mean (x - x')^2,   PSNR = 10 log10(range^2 / MSE),   R^2 = 1 - sum (x - x')^2 / sum (x - mean x)^2
    SSIM = (2 m n + a)(2 c + b) / ((m^2 + n^2 + a)(u + v + b)) by window: means m, n; variances u, v; covariance c;
           a = (0.01 range)^2, b = (0.03 range)^2                                           (Wang, Bovik, Sheikh, Simoncelli 2004)
    Poisson deviance = 2 (x log(x / x') - x + x')

x' is the likelihood's centre at the posterior's centre; cells that were not seen do not count.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.core.system import System
from vaekit.evaluation.figure import Figure, figure, finite
from vaekit.evaluation.values import Kind, Rebuilt, kind_of, rebuilt
from vaekit.tasks.walk import Rows

__all__ = ["measure_reconstruction", "r2_by_column", "ssim"]

_WINDOW, _SIGMA = 11, 1.5
_PROTOCOL = "likelihood's centre at the posterior's centre"


def measure_reconstruction(system: System, rows: Rows, seed: int = 0) -> dict[str, Any]:
    """Reconstruction measures as JSON: `kind`, `figures`, and for numbers `columns` with R^2 and the error in their own units.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        seed: of what is redrawn each time a row is seen.

    Raises:
        InputError: where there are no rows.
    """
    kind, pair = kind_of(system), rebuilt(system, rows, seed)
    found = _MEASURES[kind.name](pair, kind, seed)
    section: dict[str, Any] = {"kind": kind.name, "figures": found}
    if kind.name == "numbers":
        raw, made = (system.modality.to_raw(values).astype(np.float64) for values in (pair.x, pair.centre))
        errors = np.ma.masked_array(np.abs(raw - made), mask=False if pair.observed is None else ~pair.observed.numpy())
        section["columns"] = {
            "r2": [finite(float(v)) for v in r2_by_column(pair)],
            "mean_absolute_error": [finite(float(v)) for v in errors.mean(0).filled(np.nan)],
        }
    return section


def _seen_mean(values: Tensor, pair: Rebuilt) -> float:
    """Mean over the cells that were seen."""
    return float((values if pair.observed is None else values[pair.observed]).double().mean())


def _squared(pair: Rebuilt) -> float:
    return _seen_mean((pair.x - pair.centre).square(), pair)


def _range(x: Tensor) -> float:
    """How far values may lie apart: 1 for pixels in [0, 1], else what these rows span."""
    low, high = float(x.min()), float(x.max())
    return 1.0 if low >= 0 and high <= 1 else high - low


def _of_pixels(pair: Rebuilt, kind: Kind, seed: int) -> list[Figure]:
    n, span, mse = len(pair.x), _range(pair.x), _squared(pair)
    where = f"{_PROTOCOL}, data range {span:g}"
    peak = 10 * np.log10(span**2 / mse) if mse and span else np.nan
    found = [
        figure("mean squared error", mse, "1", "lower", where, n, seed),
        figure("peak signal-to-noise ratio", peak, "dB", "higher", where, n, seed),
    ]
    # A window needs every pixel; with gaps there is no structure to compare.
    if kind.grid and pair.observed is None:
        side = _side(pair.x)
        window = f"{where}, Gaussian window of {side} x {side} pixels, deviation {_SIGMA}"
        likeness = float(ssim(pair.x, pair.centre, span or 1.0).double().mean())
        found.append(figure("structural similarity", likeness, "1", "higher", window, n, seed))
    return found


def _of_binary(pair: Rebuilt, kind: Kind, seed: int) -> list[Figure]:
    right = _seen_mean(((pair.centre >= 0.5) == (pair.x >= 0.5)).float(), pair)
    share = float(pair.x.mean()) if pair.observed is None else float(pair.x[pair.observed].mean())
    n = len(pair.x)
    found = [figure("accuracy", right, "share", "higher", f"{_PROTOCOL}, cut at 1/2", n, seed, floor=max(share, 1 - share))]
    if kind.grid:
        return found + _of_pixels(pair, kind, seed)
    return [*found, figure("Brier score", _squared(pair), "1", "lower", f"{_PROTOCOL}: squared error of the probability", n, seed)]


def _of_classes(pair: Rebuilt, kind: Kind, seed: int) -> list[Figure]:
    codes, n = pair.x.long(), len(pair.x)
    seen = torch.ones_like(codes, dtype=torch.bool) if pair.observed is None else pair.observed
    counts = torch.stack([(seen & (codes == k)).sum(0) for k in range(kind.classes)])
    usual = counts.argmax(0)
    right, floor = (_seen_mean((codes == other).float(), pair) for other in (pair.centre, usual))
    return [figure("accuracy", right, "share", "higher", _PROTOCOL, n, seed, floor=floor)]


def _of_counts(pair: Rebuilt, kind: Kind, seed: int) -> list[Figure]:
    mean, n = pair.centre.clamp(min=1e-8), len(pair.x)
    deviance = 2 * (torch.xlogy(pair.x, pair.x / mean) - pair.x + mean)
    apart = _seen_mean((pair.x - pair.centre).abs(), pair)
    return [
        figure("Poisson deviance", _seen_mean(deviance, pair), "1", "lower", f"{_PROTOCOL}, mean over values", n, seed),
        figure("mean absolute error", apart, "counts", "lower", _PROTOCOL, n, seed),
    ]


def _of_numbers(pair: Rebuilt, kind: Kind, seed: int) -> list[Figure]:
    unit, n = "column deviations" if kind.real else "1", len(pair.x)
    explained = r2_by_column(pair)
    mean = float(np.nanmean(explained)) if np.isfinite(explained).any() else np.nan
    return [
        figure("variance explained", mean, "R2", "higher", f"{_PROTOCOL}, mean over columns that vary", n, seed),
        figure("root mean squared error", _squared(pair) ** 0.5, unit, "lower", _PROTOCOL, n, seed),
        figure("mean absolute error", _seen_mean((pair.x - pair.centre).abs(), pair), unit, "lower", _PROTOCOL, n, seed),
    ]


_MEASURES: dict[str, Callable[[Rebuilt, Kind, int], list[Figure]]] = {
    "binary": _of_binary, "classes": _of_classes, "counts": _of_counts, "numbers": _of_numbers, "pixels": _of_pixels,
}


def r2_by_column(pair: Rebuilt) -> np.ndarray:
    """R^2 of each element of a row, `(*event,)`; NaN where a column has one value only."""
    x, made = pair.x.double(), pair.centre.double()
    seen = torch.ones_like(x) if pair.observed is None else pair.observed.double()
    mean = (x * seen).sum(0) / seen.sum(0).clamp(min=1)
    left, total = ((seen * (x - other).square()).sum(0) for other in (made, mean))
    return torch.where(total > 0, 1 - left / total, torch.nan).numpy()


def _side(x: Tensor) -> int:
    """The window's side: 11, or the largest odd number that fits."""
    smallest = min(_WINDOW, x.shape[1], x.shape[2])
    return smallest - 1 + smallest % 2


def ssim(first: Tensor, second: Tensor, span: float = 1.0) -> Tensor:
    """Structural similarity of each pair of images, `(N,)`, 1 = equal; windows lie wholly inside, channels are averaged.

    Arguments:
        first: `(N, height, width, channels)`.
        second: of the same shape.
        span: L, how far values may lie apart.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, Image quality assessment: from error visibility to structural similarity.
    """
    side = _side(first)
    line = torch.exp(-((torch.arange(side, dtype=first.dtype) - (side - 1) / 2) ** 2) / (2 * _SIGMA**2))
    window = torch.outer(line, line)[None, None] / line.sum() ** 2

    def around(values: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(values.movedim(-1, 1).flatten(0, 1).unsqueeze(1), window).squeeze(1)

    m, n = around(first), around(second)
    u, v = around(first * first) - m * m, around(second * second) - n * n
    c = around(first * second) - m * n
    a, b = (0.01 * span) ** 2, (0.03 * span) ** 2
    likeness = (2 * m * n + a) * (2 * c + b) / ((m * m + n * n + a) * (u + v + b))
    return likeness.mean((1, 2)).unflatten(0, (len(first), -1)).mean(1)
