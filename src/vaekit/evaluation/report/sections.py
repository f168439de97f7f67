"""The pictures of the report in the order they are read, each with a word on what one should see; what does not arise has no section."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vaekit.evaluation.report import drawing
from vaekit.evaluation.report.gallery import Gallery, Sheet, correlations, differences, words

__all__ = ["Picture", "Rows", "Section", "sections"]

_COLUMNS, _HISTOGRAMS, _CORRELATED = 8, 9, 60


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
    """A few rows of a table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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
    rates = (metrics["latent"].get("dimensions") or {}).get("kl")
    made = [
        _training(history), *_images(gallery, metrics, rates), _map(gallery), _plane(gallery), _rates(rates), _aggregate(gallery, rates),
        *_table(gallery),
    ]
    return [section for section in made if section is not None]


def _training(history: Mapping[str, Any]) -> Section | None:
    seen = history.get("validations") or []
    if len(seen) < 2:
        return None
    x, start = [], 0.0
    for before, now in zip([None, *seen], seen):
        if before is not None and now["stage"] != before["stage"]:
            start += before["epoch"]
        x.append(start + now["epoch"])
    panels = [
        ("Loss", {"training": _series(seen, x, "train", "loss"), "held out": _series(seen, x, "held_out", "loss")}),
        ("Importance bound, negative", {"training": _series(seen, x, "train", "bound"), "held out": _series(seen, x, "held_out", "bound")}),
        ("Distortion", {"training": _series(seen, x, "train", "distortion"), "held out": _series(seen, x, "held_out", "distortion")}),
        ("Rate", {"training": _rate(seen, x, "train"), "held out": _rate(seen, x, "held_out")}),
    ]
    pictures = []
    for title, lines in panels:
        drawn = {name: line for name, line in lines.items() if len(line[0]) > 1}
        if drawn:
            pictures.append(Picture(f"{title} over training: {' and '.join(drawn)}", drawing.curves(title, drawn, "epoch", "nats a row")))
    units = max(v["latent_units"] for v in seen)
    if units:
        active = {"in use": (x, [v["active_units"] for v in seen])}
        pictures.append(Picture("Active latent dimensions over training", drawing.curves(f"Active units of {units}", active, "epoch", "units")))
    sentence = (
        "You should see falling curves that have levelled out, and the held-out one close to the training one; a held-out curve that rises "
        "again means that training rows are learnt by heart. Distortion is what a reconstruction lacks, rate what its latent costs."
    )
    return Section("Training", sentence, tuple(pictures), 2) if pictures else None


def _series(seen: list[Any], x: list[float], side: str, name: str) -> tuple[list[float], list[float]]:
    points = [(at, v[side][name]) for at, v in zip(x, seen) if name in v[side] and np.isfinite(v[side][name])]
    return [p[0] for p in points], [p[1] for p in points]


def _rate(seen: list[Any], x: list[float], side: str) -> tuple[list[float], list[float]]:
    """The KL of all sites together."""
    points = [(at, sum(value for name, value in v[side].items() if name.startswith("kl."))) for at, v in zip(x, seen) if any(n.startswith("kl.") for n in v[side])]
    points = [p for p in points if np.isfinite(p[1])]
    return [p[0] for p in points], [p[1] for p in points]


def _images(gallery: Gallery, metrics: Mapping[str, Any], rates: list[float] | None) -> list[Section | None]:
    found: list[Section | None] = []
    if gallery.reconstructed is not None:
        sentence = "Held-out images above, what the model rebuilds from their latents below: the same things should be there, somewhat smoother."
        found.append(Section("Reconstructions", sentence, (_sheet(gallery, gallery.reconstructed, "held-out images over their reconstructions"),)))
    if gallery.sampled is not None and gallery.real is not None:
        made, real = (_sheet(gallery, s, alt, title) for s, alt, title in (
            (gallery.sampled, "images drawn from the model", "Drawn from the model"), (gallery.real, "held-out images", "Real, held out"),
        ))
        told = " Each row was asked for by its class." if any(gallery.sampled.labels) else ""
        sentence = f"New images, the mean of p(x|z) for draws of z from the prior, beside real ones: you should need a second look to tell them apart.{told}"
        found.append(Section("Samples", sentence, (made, real), 2))
    if gallery.paths is not None:
        sentence = "From one held-out image to another along a straight line in the latent space: every step should look like an image of its own."
        found.append(Section("Interpolation", sentence, (_sheet(gallery, gallery.paths, "interpolations between held-out images"),)))
    if gallery.moved is not None and rates is not None:
        labels = tuple(f"{label}  {rates[int(label[1:]) - 1]:.2f} nats" for label in gallery.moved.labels)
        sheet = Sheet(labels, gallery.moved.images)
        sentence = (
            "One latent dimension moves from -3 to 3 deviations of the prior while the others stay with one held-out image; the dimension that carries "
            "most comes first. Each row should change one thing; a row that changes nothing belongs to an unused dimension."
        )
        found.append(Section("Traversals", sentence, (_sheet(gallery, sheet, "images along each latent dimension"),)))
    return found


def _sheet(gallery: Gallery, sheet: Sheet, alt: str, title: str = "") -> Picture:
    address, width = drawing.sheet(sheet.images, gallery.limits)
    return Picture(alt, address=address, width=width // 2, title=title, labels=sheet.labels if any(sheet.labels) else ())


def _map(gallery: Gallery) -> Section | None:
    shown = gallery.map
    if shown is None:
        return None
    labelled = shown.label is not None and bool((shown.label >= 0).any())
    how = "the first two principal components (PCA) of the posterior means" if shown.projected else "the posterior means themselves"
    see = "Rows of one class should lie together." if labelled else "Islands are groups of similar rows."
    svg = drawing.scatter(shown.points, shown.label if labelled else None, shown.classes, shown.axes)
    return Section("Map of the latent space", f"Each point is a held-out row, placed by {how}. {see}", (Picture("map of the latent space", svg),))


def _plane(gallery: Gallery) -> Section | None:
    if gallery.plane is None:
        return None
    address, width = drawing.sheet(gallery.plane, gallery.limits, gap=0)
    sentence = "The two latent dimensions decoded on a grid, z1 to the right and z2 upwards: one kind of image should go over into the next without a tear."
    return Section("The decoded plane", sentence, (Picture("decoded images on a grid of the latent plane", address=address, width=width // 2),))


def _rates(rates: list[float] | None) -> Section | None:
    if not rates:
        return None
    order = np.argsort(rates)[::-1]
    names, values = [f"z{d + 1}" for d in order], [max(rates[int(d)], 0.0) for d in order]
    sentence = "What each latent dimension carries, largest first. Dimensions at zero are unused: they cost nothing and say nothing."
    return Section("Rate by dimension", sentence, (Picture("KL of each latent dimension", drawing.bars(names, values, "KL, nats a row")),))


def _aggregate(gallery: Gallery, rates: list[float] | None) -> Section | None:
    if gallery.posterior is None or gallery.prior is None or rates is None:
        return None
    order = np.argsort(rates)[::-1][:6]
    pictures = []
    for place, d in enumerate(order):
        svg = drawing.histogram(f"z{d + 1}", gallery.posterior[:, d], gallery.prior[:, d], ("encoded", "prior") if place == 0 else None)
        pictures.append(Picture(f"aggregate posterior and prior of z{d + 1}", svg))
    sentence = "Where all held-out rows together lie (filled) against where the model draws from (line). They should cover each other: a gap is a place that is drawn from but never trained."
    return Section("Aggregate posterior and prior", sentence, tuple(pictures), 3)


def _table(gallery: Gallery) -> list[Section | None]:
    found: list[Section | None] = []
    if gallery.table is not None and gallery.drawn is not None:
        found += [_marginals(gallery.table, gallery.drawn, gallery.columns), _correlated(gallery.table, gallery.drawn), _few(gallery)]
    if gallery.movement is not None:
        m = gallery.movement
        kept = np.sort(np.argsort(np.abs(m.change).max(0))[::-1][:_CORRELATED])
        svg = drawing.heat("", m.change[:, kept], [m.columns[i] for i in kept], [f"z{d + 1}" for d in m.dimensions], 3.0, wide=True)
        sentence = (
            "How far each column goes, in its own deviations, when one latent dimension moves from -2 to 2 deviations of the prior; the dimension that "
            "carries most comes first. Columns that change together are explained by one dimension."
        )
        found.append(Section("What each dimension does", sentence, (Picture("change of each column by latent dimension", svg),)))
    return found


def _marginals(real: np.ndarray, drawn: np.ndarray, columns: tuple[str, ...]) -> Section:
    order = np.argsort(differences(real, drawn))[::-1][:_HISTOGRAMS]
    pictures = []
    for place, i in enumerate(order):
        seen = real[:, i][~np.isnan(real[:, i])]
        svg = drawing.histogram(columns[i], seen, drawn[:, i], ("real", "drawn") if place == 0 else None)
        pictures.append(Picture(f"{columns[i]}: real and drawn", svg))
    which = "All columns" if len(columns) <= _HISTOGRAMS else f"The {_HISTOGRAMS} columns that differ most, of {len(columns)}"
    sentence = f"{which}, the most different first: held-out rows filled, rows drawn from the model as a line. The two should cover each other."
    return Section("Columns, real and drawn", sentence, tuple(pictures), 3)


def _correlated(real: np.ndarray, drawn: np.ndarray) -> Section | None:
    if real.shape[1] < 2 or len(real) < 3:
        return None
    a, b = (correlations(values[:, :_CORRELATED]) for values in (real, drawn))
    pictures = [Picture(f"correlations, {name.lower()}", drawing.heat(name, m, (), (), 1.0)) for name, m in (("Real", a), ("Drawn", b), ("Drawn less real", b - a))]
    part = f" The first {_CORRELATED} columns are shown." if real.shape[1] > _CORRELATED else ""
    sentence = f"Which columns rise and fall together, in held-out rows, in rows drawn from the model, and the difference, which should be pale.{part}"
    return Section("Correlations", sentence, tuple(pictures), 3)


def _few(gallery: Gallery) -> Section:
    assert gallery.table is not None and gallery.drawn is not None
    names = gallery.columns[:_COLUMNS]
    tables = tuple(
        Rows(title, names, tuple(tuple(words(v) for v in row[: len(names)]) for row in values[:5]))
        for title, values in (("Real, held out", gallery.table), ("Drawn from the model", gallery.drawn))
    )
    more = f" The first {_COLUMNS} of {len(gallery.columns)} columns are shown." if len(gallery.columns) > _COLUMNS else ""
    return Section("A few rows", f"Rows as they came and as the model makes them, in the data's own units.{more}", (), 1, tables)
