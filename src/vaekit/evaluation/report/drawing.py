"""Charts as SVG and sheets of images as PNG: one restrained style, made for a page that may be light or dark.

Text in a chart is text, and its colours are those of the page: ink, rule, accent and second are written as placeholders that become
CSS variables. Images keep their pixels: each is enlarged by a whole factor.
"""

import base64
import io
import re
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator

__all__ = ["CLASSES", "bars", "curves", "heat", "histogram", "many", "overlap", "scatter", "sheet"]

_INK, _RULE, _ACCENT, _SECOND = "#010203", "#040506", "#070809", "#0a0b0c"
_VARIABLES = {_INK: "var(--ink)", _RULE: "var(--rule)", _ACCENT: "var(--accent)", _SECOND: "var(--second)"}

# Ten colours told apart by colour-blind eyes, dark enough for white paper and light enough for black
# (after Petroff 2021, arXiv:2107.02270).
CLASSES = ("#3f90da", "#e08e00", "#bd1f01", "#7b8c8a", "#9455c8", "#a96b59", "#e76300", "#9c9153", "#717581", "#35a5b5")
# Five colours to a shape: points are too small to tell two greys or two oranges apart by.
_SHAPES = ("o", "^")

# Larger images are thinned out, so that a page of them stays small enough to send.
_SIDE = 56

_DIVERGING = LinearSegmentedColormap.from_list("diverging", ["#b4560f", "#e8b98f", "#f3f3f3", "#93bbe3", "#1f5fa8"])
_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "report", "figure.constrained_layout.use": True,
    "text.parse_math": False, "font.family": "sans-serif", "font.size": 9.0, "text.color": _INK, "lines.linewidth": 1.8,
    "axes.labelcolor": _INK, "axes.edgecolor": _RULE, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.titlesize": 9.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.grid": True, "grid.color": _RULE, "grid.linewidth": 0.6,
    "xtick.color": _RULE, "xtick.labelcolor": _INK, "xtick.major.size": 0.0,
    "ytick.color": _RULE, "ytick.labelcolor": _INK, "ytick.major.size": 0.0,
    "legend.frameon": False, "legend.handlelength": 1.3, "legend.fontsize": 8.5,
}


def curves(
    title: str, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], across: str, up: str, most: int | None = None
) -> str:
    """Lines over training, as SVG; the first in the accent colour, the second in the other.

    Arguments:
        title: what is drawn.
        lines: name -> (x, y).
        across: name of the x axis.
        up: unit of the y axis.
        most: the most that a count can be: the axis then goes from 0 to it in whole numbers; None = not a count.
    """
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure, axes = _canvas(4.4, 2.5)
        for (name, (x, y)), colour, style in zip(lines.items(), (_ACCENT, _SECOND, _INK), ("-", "--", ":")):
            axes.plot(x, y, style, color=colour, label=name, marker="o" if len(x) == 1 else None)
        everything = np.concatenate([np.asarray(y, float) for _, y in lines.values()])
        if most is None:
            _reach(axes, everything)
        else:
            axes.set_ylim(0, 1.06 * most)
        axes.set_title(title)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=most is not None))
        if len(lines) > 1:
            axes.legend(loc="best")
        return _svg(figure)


def many(title: str, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], across: str, up: str) -> str:
    """A line for each of several models or latents, as wide as the page, as SVG.

    Arguments:
        title: what is drawn.
        lines: name -> (x, y).
        across: name of the x axis.
        up: unit of the y axis.
    """
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure, axes = _canvas(9.0, 3.4)
        for place, (name, (x, y)) in enumerate(lines.items()):
            style = ("-", "--", ":")[place // len(CLASSES) % 3]
            axes.plot(x, y, style, color=CLASSES[place % len(CLASSES)], label="\u200b" + name)
        _reach(axes, np.concatenate([np.asarray(y, float) for _, y in lines.values()]))
        axes.set_title(title)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return _svg(figure)


def _reach(axes: Axes, values: np.ndarray) -> None:
    """Leave the first steps out of sight where they would flatten all that follows."""
    low, high, late = values.min(), values.max(), np.quantile(values, 0.9)
    if len(values) > 10 and high - low > 4 * (late - low) > 0:
        axes.set_ylim(low - 0.1 * (late - low), late + 0.6 * (late - low))


def scatter(points: np.ndarray, label: np.ndarray | None, classes: Sequence[str], axes_names: tuple[str, str]) -> str:
    """Points in a plane as SVG, coloured by class; the ten largest classes have a colour, the rest share a grey.

    Arguments:
        points: `(N, 2)`.
        label: class of each, -1 = none; None = no classes.
        classes: their names.
        axes_names: of x and y.
    """
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure, axes = _canvas(6.6, 4.4)
        given = np.full(len(points), -1) if label is None else label
        found = [c for c in np.unique(given) if c >= 0]
        largest = sorted(sorted(found, key=lambda c: -int((given == c).sum()))[: len(CLASSES)])
        rest = ~np.isin(given, largest)
        if rest.any():
            colour = _RULE if largest else _ACCENT
            axes.plot(*points[rest].T, "o", ms=3, mew=0, color=colour, alpha=0.7, label="others" if largest else None)
        for index, value in enumerate(largest):
            # A name that begins with an underscore would be left out of the legend.
            name = "\u200b" + str(classes[int(value)])
            axes.plot(*points[given == value].T, _shape(index), ms=3.2, mew=0, color=CLASSES[index], alpha=0.8, label=name)
        axes.set_xlabel(axes_names[0])
        axes.set_ylabel(axes_names[1])
        axes.set_aspect("equal", adjustable="datalim")
        if largest:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=1.8, handletextpad=0.2)
        return _svg(figure)


def _shape(place: int) -> str:
    return _SHAPES[place * len(_SHAPES) // len(CLASSES) % len(_SHAPES)]


def overlap(
    panels: Mapping[str, np.ndarray], axes_names: tuple[str, str], label: Sequence[np.ndarray] = (), classes: Sequence[str] = ()
) -> str:
    """Two clouds of points on the same axes, with lines round half and nine tenths of the first in both, as SVG as wide as the page.

    Arguments:
        panels: title -> points `(N, 2)`, of two.
        axes_names: of x and y.
        label: class of each point of either cloud, to colour them by; the ten first classes have a colour. Empty = no classes.
        classes: their names.
    """
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(9.0, 3.9))
        FigureCanvasAgg(figure)
        both = figure.subplots(1, 2, sharex=True, sharey=True)
        clouds = list(panels.values())
        x, y, density, levels = _density(clouds[0], np.concatenate(clouds))
        for index, (axes, (title, points)) in enumerate(zip(both, panels.items())):
            given = label[index] if len(label) else np.zeros(len(points), int)
            for value in np.unique(given):
                shown = value < len(CLASSES)
                colour = _RULE if not shown else CLASSES[value] if len(label) else (_ACCENT, _SECOND)[index]
                name = "\u200b" + str(classes[value]) if shown and len(label) else None
                axes.plot(*points[given == value].T, _shape(value), ms=3, mew=0, color=colour, alpha=0.75, label=name)
            axes.contour(x, y, density, levels=levels, colors=_INK, linewidths=(0.9, 1.3))
            axes.set_title(title)
            axes.set_xlabel(axes_names[0])
        both[0].set_ylabel(axes_names[1])
        both[0].set_xlim(x[0], x[-1])
        both[0].set_ylim(y[0], y[-1])
        if len(label):
            both[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=1.8, handletextpad=0.2)
        return _svg(figure)


def _density(points: np.ndarray, all_points: np.ndarray, tiles: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[float]]:
    """Where the points lie, smoothed by a normal kernel of Scott's width: x, y, values `(y, x)`, and the levels that 90 % and 50 % pass."""
    width = np.maximum(points.std(0), 1e-6) * len(points) ** (-1 / 6)
    # All but the last half per cent, as one draw far out would make a dot of the rest.
    low, high = np.quantile(all_points, 0.005, axis=0) - width, np.quantile(all_points, 0.995, axis=0) + width
    grids = [np.linspace(low[i], high[i], tiles) for i in (0, 1)]

    def smooth(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        across, up = (np.exp(-0.5 * np.square((v[:, None] - points[:, i]) / width[i])) for i, v in enumerate((x, y)))
        return across, up

    across, up = smooth(*grids)
    own = np.multiply(*smooth(*points.T)).sum(1)
    return *grids, up @ across.T, [float(np.quantile(own, share)) for share in (0.1, 0.5)]


def bars(names: Sequence[str], values: Sequence[float], up: str, line: float | None = None) -> str:
    """Bars as SVG, as wide as the page.

    Arguments:
        names: below each bar; thinned out where there are many.
        values: heights.
        up: unit of the y axis.
        line: a threshold to draw across.
    """
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure, axes = _canvas(9.0, 2.4)
        axes.bar(range(len(values)), values, width=0.7, color=_ACCENT)
        every = max(len(names) // 24, 1)
        axes.set_xticks(range(0, len(names), every), list(names)[::every])
        axes.grid(False, axis="x")
        if line is not None:
            axes.axhline(line, color=_SECOND, lw=1.2, ls="--")
        axes.set_ylabel(up)
        axes.set_xlim(-0.7, max(len(values), 10) - 0.3)
        return _svg(figure)


def histogram(title: str, first: np.ndarray, second: np.ndarray, names: tuple[str, str] | None = None) -> str:
    """Two distributions of one number over each other, as SVG.

    Arguments:
        title: what number.
        first: filled, in the accent colour.
        second: outlined, in the other colour.
        names: of the two, for a legend; None = no legend.
    """
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure, axes = _canvas(2.95, 1.75)
        # The cube root of Rice's rule, of the smaller sample: bins that hold a row or two show noise.
        bins = int(np.clip(2 * min(len(first), len(second)) ** (1 / 3), 6, 30))
        edges = _edges(np.concatenate([first, second]), bins)
        kept = [np.histogram(np.clip(v, edges[0], edges[-1]), edges)[0] / max(len(v), 1) for v in (first, second)]
        axes.stairs(kept[0], edges, fill=True, color=_ACCENT, alpha=0.45, label=names[0] if names else None)
        axes.stairs(kept[1], edges, color=_SECOND, lw=1.6, label=names[1] if names else None)
        axes.set_title(title if len(title) < 34 else title[:32] + "…")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if names:
            axes.legend(loc="best", borderaxespad=0)
        return _svg(figure)


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Bins that fit both kinds of number: one a value where there are few, else equal steps over all but the last half per cent."""
    distinct = np.unique(values)
    if len(distinct) <= 12:
        step = float(np.min(np.diff(distinct))) if len(distinct) > 1 else 1.0
        if (distinct[-1] - distinct[0]) / step <= 60:
            return np.arange(distinct[0] - step / 2, distinct[-1] + step, step)
    low, high = np.quantile(values, [0.0025, 0.9975])
    return np.linspace(low, high if high > low else low + 1.0, bins + 1)


def heat(
    title: str, matrix: np.ndarray, across: Sequence[str], down: Sequence[str], limits: tuple[float, float], wide: bool = False
) -> str:
    """A matrix of signed numbers as SVG: blue above zero, brown below.

    Arguments:
        title: what is shown.
        matrix: `(rows, columns)`.
        across: names of the columns, thinned out where there are many; empty = none.
        down: names of the rows; empty = none.
        limits: the least and the most that a number can be; colours end at the larger of the two and at its negative.
        wide: as wide as the page.
    """
    with rc_context(_STYLE):  # type: ignore[arg-type]
        height, limit = 1.3 + 0.24 * len(matrix) if wide else 3.3, max(map(abs, limits))
        figure, axes = _canvas(9.0 if wide else 2.95, height)
        axes.grid(False)
        image = axes.pcolormesh(matrix[::-1], cmap=_DIVERGING, vmin=-limit, vmax=limit, rasterized=matrix.size > 400, lw=0)
        if wide:
            axes.set_yticks(np.arange(len(down)) + 0.5, list(down)[::-1])
            every = max(len(across) // 30, 1)
            axes.set_xticks((np.arange(len(across)) + 0.5)[::every], [_short(n) for n in across][::every], rotation=40, ha="right")
        else:
            axes.set_xticks(np.arange(len(across)) + 0.5, [_short(n) for n in across], rotation=90, fontsize="x-small")
            axes.set_yticks(np.arange(len(down)) + 0.5, [_short(n) for n in down][::-1], fontsize="x-small")
            axes.set_aspect("equal")
        axes.set_title(title)
        for spine in axes.spines.values():
            spine.set_visible(False)
        along = "vertical" if wide else "horizontal"
        ticks = sorted({*limits, 0.0})
        bar = figure.colorbar(image, ax=axes, orientation=along, shrink=0.8, aspect=24, pad=0.02, ticks=ticks, format="{x:g}")
        (bar.ax.set_ylim if wide else bar.ax.set_xlim)(*limits)
        return _svg(figure)


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    """The figure as an SVG element that takes its width and its colours from the page."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that the font for measuring lacks are drawn by the page's own font.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(stream, format="svg", transparent=True, dpi=200, metadata={"Date": None, "Creator": None})
    text = stream.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    head = r'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="\1" aria-hidden="true">'
    text = re.sub(r'<svg\b[^>]*?viewBox="([^"]+)"[^>]*>', head, text, count=1)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text


def sheet(images: np.ndarray, limits: tuple[float, float], gap: int = 2) -> tuple[str, int]:
    """Images side by side as one PNG with a transparent gap, each enlarged by a whole factor: its data address and its width.

    Arguments:
        images: `(rows, columns, height, width, channels)`, raw values.
        limits: the darkest and the brightest.
        gap: pixels between images.
    """
    step = -(-max(images.shape[2:4]) // _SIDE)
    images = images[:, :, ::step, ::step]
    rows, columns, height, width, channels = images.shape
    factor = max((_SIDE if columns < 13 else 36) // max(height, width), 1)
    low, high = limits
    scaled = np.clip((images.astype(np.float32) - low) / (high - low if high > low else 1.0), 0, 1)
    colour = scaled if channels == 3 else np.repeat(scaled.mean(-1, keepdims=True), 3, axis=-1)
    pixels = np.rint(255 * colour).astype(np.uint8)
    h, w = height * factor, width * factor
    paper = np.zeros((rows * (h + gap) - gap, columns * (w + gap) - gap, 4), np.uint8)
    for i in range(rows):
        for j in range(columns):
            place = paper[i * (h + gap) :, j * (w + gap) :][:h, :w]
            place[..., :3], place[..., 3] = pixels[i, j].repeat(factor, axis=0).repeat(factor, axis=1), 255
    stream = io.BytesIO()
    imsave(stream, paper, format="png")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode(), paper.shape[1]
