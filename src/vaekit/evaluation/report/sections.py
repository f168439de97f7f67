"""The pictures of the report in the order they are read; what does not arise for a model has no section."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vaekit.evaluation.report import captions, drawing
from vaekit.evaluation.report.gallery import Gallery, Sheet, carried, correlations, differences, words

__all__ = ["Picture", "Rows", "Section", "pictured", "sections"]

_COLUMNS, _HISTOGRAMS, _CORRELATED, _LETTERED, _MARGINS, _BARS = 8, 9, 60, 12, 6, 120

# Which readings of the history a picture shows; where several match, their sum: the KL of every site is the rate.
_READINGS = {
    "Loss": r"loss", "Importance bound, negative": r"bound", "Distortion": r"distortion", "Rate": r"kl\..+",
    "Match of the prior's field": r"matching",
}

# Of a critic: what a line is called, on which rows and under which name it was read; and the unit.
_CRITIC: dict[str, tuple[dict[str, tuple[str, str]], str]] = {
    "Critic's logits": (
        {
            "real": ("held_out", r"critic\.real"), "drawn or encoded": ("held_out", r"critic\.(drawn|encoded)"),
            "rebuilt": ("held_out", r"critic\.rebuilt"),
        },
        "log odds of being real",
    ),
    "Rows that the critic is right of": (
        {"training": ("train", r"critic\.accuracy"), "held out": ("held_out", r"critic\.accuracy")}, "share",
    ),
    "The two sides": ({"critic": ("train", r"opponent"), "what it judges": ("train", r"adversary")}, "nats a row"),
}

# Positions of a latent of codes that bars can show.
_PLACES = 256

_Line = tuple[list[float], list[float]]


@dataclass(frozen=True)
class Picture:
    """One picture: a chart, or a sheet of images.

    Arguments:
        alt: what it shows, for those who cannot see it.
        svg: a chart; empty where it is a sheet.
        address: a sheet's PNG as a data address.
        width: of the sheet, in pixels of the page.
        title: above it.
        labels: beside the rows of a sheet.
    """

    alt: str
    svg: str = ""
    address: str = ""
    width: int = 0
    title: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """A few rows of a table; `named` where the first column holds words."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    named: bool = False


@dataclass(frozen=True)
class Section:
    """A heading, a sentence and its pictures, `columns` of them side by side."""

    title: str
    sentence: str
    pictures: tuple[Picture, ...] = ()
    columns: int = 1
    tables: tuple[Rows, ...] = field(default=())


def sections(metrics: Mapping[str, Any], gallery: Gallery, history: Mapping[str, Any]) -> list[Section]:
    """All pictures of a model.

    Arguments:
        metrics: what was measured.
        gallery: what is shown.
        history: what training measured, as JSON.
    """
    rates = (metrics["latent"].get("dimensions") or {}).get("kl") or [None]
    known = [] if None in rates else [float(rate) for rate in rates]
    order = [int(d) for d in np.argsort(carried(metrics["latent"].get("dimensions")) or [])[::-1]]
    # A class is 0 or 1 in each coordinate: it has no shape to compare.
    shaped = [d for d in order if gallery.posterior is None or not np.isin(gallery.posterior[:, d], (0.0, 1.0)).all()]
    seen = history.get("validations") or []
    made = [
        _training(seen), _critic(seen), _levels(metrics["latent"].get("levels") or [], seen, gallery),
        *_images(gallery, known), _map(gallery), _plane(gallery), _rates(known, order, gallery.coordinates),
        _codes(metrics["latent"].get("dimensions") or {}), _prior(metrics.get("prior"), gallery, shaped[:2]),
        _aggregate(gallery, shaped[:_MARGINS]), _told(metrics.get("labels")), *_table(gallery),
    ]
    return [section for section in made if section is not None]


def _training(seen: list[Any]) -> Section | None:
    if len(seen) < 2:
        return None
    x, pictures = _epochs(seen), []
    for title, reading in _READINGS.items():
        # Each stage minimises a loss of its own: one curve would join them.
        told = [v for v in seen if v["stage"] == seen[0]["stage"]] if reading == "loss" else seen
        lines = {name: _series(told, x, side, reading) for name, side in (("training", "train"), ("held out", "held_out"))}
        lines = {name: line for name, line in lines.items() if len(line[0]) > 1}
        if lines:
            title = title if len(lines) > 1 else f"{title}, {next(iter(lines))}"
            alt = f"{title} over training, {' and '.join(lines)}"
            pictures.append(Picture(alt, drawing.curves(title, lines, "epoch", "nats a row")))
    units = max(v["latent_units"] for v in seen)
    if units:
        active = {"in use": (x, [v["active_units"] for v in seen])}
        svg = drawing.curves(f"Active units of {units}", active, "epoch", "units", units)
        pictures.append(Picture("active latent dimensions over training", svg))
    return Section("Training", captions.TRAINING, tuple(pictures), 2)


def _levels(levels: list[Any], seen: list[Any], gallery: Gallery) -> Section | None:
    """What each of several latents carries, and how that came about."""
    if not levels:
        return None
    names = [level["name"] for level in levels]
    pictures = [Picture("KL of each latent", drawing.bars(names, [max(level["rate"], 0.0) for level in levels], "KL, nats a row"))]
    seen = [v for v in seen if v["stage"] == 0]
    lines = {name: _series(seen, [v["epoch"] for v in seen], "held_out", re.escape(f"kl.{name}")) for name in names}
    lines = {name: line for name, line in lines.items() if len(line[0]) > 1}
    if lines:
        pictures.append(Picture("KL of each latent over training", drawing.many("Rate, held out", lines, "epoch", "nats a row")))
    if gallery.kept is not None:
        pictures.append(_sheet(gallery, gallery.kept, "held-out images whose lower latents are drawn anew", "What each level decides"))
    rows = tuple((level["name"], f"{level['rate']:.3g}", f"{level['active']} of {level['width']}") for level in levels)
    table = Rows("In the order they are decided", ("latent", "rate, nats a row", "active units"), rows, named=True)
    return Section("Rate by latent", captions.LEVELS, tuple(pictures), 1, (table,))


def _critic(seen: list[Any]) -> Section | None:
    """How a critic and what it judges kept step, where a loss had one."""
    x = _epochs(seen)
    found = {
        title: ({name: _series(seen, x, side, reading) for name, (side, reading) in lines.items()}, unit)
        for title, (lines, unit) in _CRITIC.items()
    }
    pictures = []
    for title, (lines, unit) in found.items():
        lines = {name: line for name, line in lines.items() if len(line[0]) > 1}
        if lines:
            alt = f"{title.lower()} over training, {', '.join(lines)}"
            pictures.append(Picture(alt, drawing.curves(title, lines, "epoch", unit)))
    return Section("The critic", captions.CRITIC, tuple(pictures), 2) if pictures else None


def _epochs(seen: list[Any]) -> list[float]:
    """Epochs at each measurement, those of the stages before it counted too."""
    x, start = [], 0.0
    for before, now in zip([*seen[:1], *seen], seen):
        start += before["epoch"] if now["stage"] != before["stage"] else 0.0
        x.append(start + now["epoch"])
    return x


def _series(seen: list[Any], x: list[float], side: str, reading: str) -> _Line:
    """The readings whose name matches, summed, over training."""
    line: _Line = ([], [])
    for at, validation in zip(x, seen):
        found = [value for name, value in validation[side].items() if re.fullmatch(reading, name)]
        if found and np.isfinite(sum(found)):
            line[0].append(at)
            line[1].append(sum(found))
    return line


def _images(gallery: Gallery, rates: list[float]) -> list[Section]:
    found = []
    if gallery.reconstructed is not None:
        picture = _sheet(gallery, gallery.reconstructed, "held-out images over their reconstructions")
        found.append(Section("Reconstructions", captions.RECONSTRUCTIONS, (picture,)))
    if gallery.sampled is not None and gallery.real is not None:
        made = _sheet(gallery, gallery.sampled, "images drawn from the model", "Drawn from the model")
        real = _sheet(gallery, gallery.real, "held-out images", "Real, held out")
        told = captions.BY_CLASS if any(gallery.sampled.labels) else ""
        found.append(Section("Samples", captions.SAMPLES + told, (made, real), 2))
    if gallery.nearest is not None:
        picture = _sheet(gallery, gallery.nearest, "drawn images over the training images nearest to them")
        found.append(Section("Nearest training images", captions.NEAREST, (picture,)))
    if gallery.paths is not None:
        picture = _sheet(gallery, gallery.paths, "interpolations between held-out images")
        found.append(Section("Interpolation", captions.INTERPOLATION, (picture,)))
    if gallery.moved is not None:
        rate_of = dict(zip(gallery.coordinates, rates))
        labels = tuple(f"{label}  {rate_of[label]:.2f} nats" if rates else label for label in gallery.moved.labels)
        picture = _sheet(gallery, Sheet(labels, gallery.moved.images), "images along each latent dimension")
        found.append(Section("Traversals", captions.TRAVERSALS, (picture,)))
    return found


def _sheet(gallery: Gallery, sheet: Sheet, alt: str, title: str = "") -> Picture:
    return pictured(sheet.images, gallery.limits, alt, title, sheet.labels if any(sheet.labels) else ())


def pictured(images: np.ndarray, limits: tuple[float, float], alt: str, title: str = "", labels: tuple[str, ...] = ()) -> Picture:
    """A sheet of images as a picture of the page.

    Arguments:
        images: `(rows, columns, height, width, channels)`, raw values.
        limits: the darkest and the brightest.
        alt: what it shows.
        title: above it.
        labels: beside its rows.
    """
    address, width = drawing.sheet(images, limits)
    return Picture(alt, address=address, width=round(1.5 * width), title=title, labels=labels)


def _map(gallery: Gallery) -> Section | None:
    shown = gallery.map
    if shown is None:
        return None
    label = shown.label if shown.label is not None and (shown.label >= 0).any() else None
    how = "the first two principal components (PCA) of the posterior means" if shown.projected else "the posterior means themselves"
    see = captions.MAP.format(how=how) + (captions.ISLANDS if label is None else captions.TOGETHER)
    picture = Picture("map of the latent space", drawing.scatter(shown.points, label, shown.classes, shown.axes))
    return Section("Map of the latent space", see, (picture,))


def _plane(gallery: Gallery) -> Section | None:
    if gallery.plane is None:
        return None
    address, width = drawing.sheet(gallery.plane, gallery.limits, gap=0)
    picture = Picture("decoded images on a grid of the latent plane", address=address, width=round(1.5 * width))
    return Section("The decoded plane", captions.PLANE, (picture,))


def _rates(rates: list[float], order: list[int], names: tuple[str, ...]) -> Section | None:
    if not rates:
        return None
    first = order[:_BARS]
    svg = drawing.bars([names[d] for d in first], [max(rates[d], 0.0) for d in first], "KL, nats a row")
    part = f" The first {_BARS} of {len(order)} are shown." if len(order) > _BARS else ""
    return Section("Rate by dimension", captions.RATES + part, (Picture("KL of each latent dimension", svg),))


def _codes(measured: Mapping[str, Any]) -> Section | None:
    shares, told = measured.get("shares"), measured.get("information")
    if not shares or not told:
        return None
    equal = 100 / len(shares)
    used = drawing.bars([str(i + 1) for i in range(len(shares))], [100 * share for share in shares], "% of all codes", equal)
    pictures = [Picture(f"share of each of {len(shares)} codes, largest first, with a line at an equal share", used)]
    if len(told) <= _PLACES:
        by_place = drawing.bars([str(i + 1) for i in range(len(told))], told, "nats a row", math.log(len(shares)))
        pictures.append(Picture("information at each position, with a line at the most that a code can say", by_place))
    return Section("Codes", captions.CODES, tuple(pictures))


def _prior(measured: Mapping[str, Any] | None, gallery: Gallery, order: list[int]) -> Section | None:
    """What it costs that the prior is not where the rows are, and how that looks in two dimensions."""
    if not measured:
        return None
    pictures, see = [], ""
    if gallery.posterior is not None and gallery.prior is not None and len(order) == 2:
        asked, n = gallery.asked, min(len(gallery.posterior), len(gallery.prior))
        panels = {"Encoded rows": gallery.posterior[:, order], "Draws from the prior, as many": gallery.prior[:n, order]}
        label = () if asked is None else (asked.posterior, asked.prior[:n])
        axes = (gallery.coordinates[order[0]], gallery.coordinates[order[1]])
        svg = drawing.overlap(panels, axes, label, () if asked is None else asked.names)
        pictures.append(Picture("encoded rows and draws from the prior in the two latent dimensions that matter most", svg))
        see = captions.PRIOR + (captions.PRIOR_BY_CLASS if asked is not None else "")
    rate, others = measured["rate"], measured["others"]
    about = ", about means that follow the condition" * measured["conditional"]
    rows = [("the model's own", f"{rate:.2f}", "")]
    for other in others:
        more = f"{other['more']:+.2f} ± {other['standard_error']:.2f}".replace("-", "−")
        rows.append((other["name"] + about, f"{rate + other['more']:.2f}", more))
    columns = ("prior", "rate, nats a row", "more than the model's own")
    table = Rows("What other priors, fitted to the latents afterwards, would cost", columns, tuple(rows), named=True)
    return Section("The prior's fit", f"{_paid(measured)} {see}".strip(), tuple(pictures), 1, (table,) if others else ())


def _paid(measured: Mapping[str, Any]) -> str:
    """The bounds on what the prior costs above the aggregate posterior, in words."""
    figures = {f["name"].rpartition(", ")[2]: f for f in measured["figures"]}
    most, least = figures["at most"], figures.get("at least")
    # Of few rows the upper bound is noisy too: below the lower one, or below 0, it says no more than that.
    highest = max(most["value"], 0.0)
    above = f"at most {highest:.2f} nats"
    if least is not None:
        lowest = f"{least['value']:.2f} ± {least['standard_error']:.2f}"
        above = f"at least {lowest} and at most {highest:.2f} nats" if highest > least["value"] else f"about {lowest} nats"
    which = f"the latent {measured['site']}" if measured["site"] else "the latent"
    within = ", compared within the same condition" if measured["conditional"] else ""
    return (
        f"Of the {measured['rate']:.2f} nats a row that {which} costs, {above} are paid because the prior lies elsewhere than held-out "
        f"rows do{within}; the rest is what the latent tells of its row.{_instead(measured['others'])}"
    )


def _instead(others: list[Any]) -> str:
    """What a normal would cost in the prior's place, and a mixture of normals, in words."""
    if not others:
        return ""
    # The normal that knows most of the latents, and the mixture where there is one.
    first = others[min(len(others), 2) - 1]
    told = [(o["name"], f"{abs(o['more']):.2f} nats {'more' if o['more'] > 0 else 'less'}") for o in (first, *others[2:])]
    return f" In its place {' and '.join(f'{name} would cost {cost}' for name, cost in told)}."


def _aggregate(gallery: Gallery, order: list[int]) -> Section | None:
    if gallery.posterior is None or gallery.prior is None or not order:
        return None
    pairs = {gallery.coordinates[d]: (gallery.posterior[:, d], gallery.prior[:, d]) for d in order}
    return Section("Aggregate posterior and prior", captions.AGGREGATE, _histograms(pairs, ("encoded", "prior")), 3)


def _histograms(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], names: tuple[str, str]) -> tuple[Picture, ...]:
    """Two distributions of each number over each other; the first picture names them."""
    pictures: list[Picture] = []
    for title, (first, second) in pairs.items():
        legend = None if pictures else names
        pictures.append(Picture(f"{title}, {names[0]} and {names[1]}", drawing.histogram(title, first, second, legend)))
    return tuple(pictures)


def _told(labels: Mapping[str, Any] | None) -> Section | None:
    """Which class is taken for which, where the model tells classes."""
    if not labels:
        return None
    counts = np.asarray(labels["confusion"], dtype=float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [str(name) for name in labels["classes"]]
    svg = drawing.heat("", share, names, names, (0.0, 1.0), wide=True)
    picture = Picture("share of each class's rows by the class that the model tells", svg)
    return Section("Classes, true and told", captions.TOLD, (picture,))


def _table(gallery: Gallery) -> list[Section | None]:
    found: list[Section | None] = []
    if gallery.table is not None and gallery.drawn is not None:
        real, drawn, columns = gallery.table, gallery.drawn, gallery.columns
        found += [_marginals(real, drawn, columns), _correlated(real, drawn, columns), _few(real, drawn, columns)]
    if gallery.movement is not None:
        m = gallery.movement
        kept = np.sort(np.argsort(np.abs(m.change).max(0))[::-1][:_CORRELATED])
        names = [m.columns[i] for i in kept]
        svg = drawing.heat("", m.change[:, kept], names, list(m.coordinates), (-3.0, 3.0), wide=True)
        picture = Picture("change of each column by latent dimension", svg)
        found.append(Section("What each dimension does", captions.EFFECTS, (picture,)))
    return found


def _marginals(real: np.ndarray, drawn: np.ndarray, columns: tuple[str, ...]) -> Section:
    order = np.argsort(differences(real, drawn))[::-1][:_HISTOGRAMS]
    pairs = {columns[i]: (real[:, i][~np.isnan(real[:, i])], drawn[:, i]) for i in order}
    which = "All columns" if len(columns) <= _HISTOGRAMS else f"The {_HISTOGRAMS} columns that differ most, of {len(columns)}"
    pictures = _histograms({name: pair for name, pair in pairs.items() if len(pair[0])}, ("real", "drawn"))
    return Section("Columns, real and drawn", captions.COLUMNS.format(which=which), pictures, 3)


def _correlated(real: np.ndarray, drawn: np.ndarray, columns: tuple[str, ...]) -> Section | None:
    if real.shape[1] < 2 or len(real) < 3:
        return None
    a, b = (correlations(values[:, :_CORRELATED]) for values in (real, drawn))
    shown = {"Real": a, "Drawn": b, "Drawn less real": b - a}
    names = columns[: len(a)] if len(a) <= _LETTERED else ()
    pictures = (Picture(f"correlations, {name.lower()}", drawing.heat(name, m, names, names, (-1.0, 1.0))) for name, m in shown.items())
    part = f" The first {_CORRELATED} columns are shown." if real.shape[1] > _CORRELATED else ""
    return Section("Correlations", captions.CORRELATIONS + part, tuple(pictures), 3)


def _few(real: np.ndarray, drawn: np.ndarray, columns: tuple[str, ...]) -> Section:
    names = columns[:_COLUMNS]
    tables = tuple(
        Rows(title, names, tuple(tuple(words(v) for v in row[: len(names)]) for row in values[:5]))
        for title, values in (("Real, held out", real), ("Drawn from the model", drawn))
    )
    more = f" The first {_COLUMNS} of {len(columns)} columns are shown." if len(columns) > _COLUMNS else ""
    return Section("A few rows", captions.FEW + more, (), 1, tables)
