r"""What the report shows of a model: rows, reconstructions, samples, ways through the latent space; arrays only, nothing drawn yet.

The map of a wide latent is its first two principal components: with centred means M = U S V', the first two columns of U S.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import from_prior
from vaekit.core.system import System
from vaekit.evaluation.memorisation import nearest_two
from vaekit.evaluation.values import filled, take
from vaekit.tasks.decode import write
from vaekit.tasks.encode import encode, latent_names
from vaekit.tasks.generate import draw
from vaekit.tasks.interpolate import interpolate
from vaekit.tasks.reconstruct import reconstruct
from vaekit.tasks.redraw import redraw
from vaekit.tasks.traverse import traverse, traverse_scaled
from vaekit.tasks.walk import Rows, at_rest, codes_a_row, count, has_density, layout

__all__ = ["Asked", "Gallery", "Map", "Movement", "Sheet", "carried", "correlations", "differences", "gather", "words"]

_SHOWN, _MAPPED, _COMPARED, _MOVED, _STEPS, _TILES, _LEVELS = 10, 1200, 2000, 8, 9, 15, 8
# Numbers of training rows that repeats are looked for among, and draws that they are looked for in.
_KNOWN, _DRAWN = 1 << 23, 500


@dataclass(frozen=True)
class Sheet:
    """Rows of images with a word for each row.

    Arguments:
        labels: a word a row; empty = nothing to say.
        images: `(rows, columns, height, width, channels)`, raw values.
    """

    labels: tuple[str, ...]
    images: np.ndarray


@dataclass(frozen=True)
class Map:
    """Where held-out rows lie in the latent space.

    Arguments:
        points: `(N, 2)`, posterior means or their first two principal components.
        axes: names of the two axes.
        label: class of each row, `(N,)`, -1 = unlabelled; None = no labels.
        classes: names of the classes.
        projected: the points are principal components.
    """

    points: np.ndarray
    axes: tuple[str, str]
    label: np.ndarray | None
    classes: tuple[str, ...]
    projected: bool


@dataclass(frozen=True)
class Movement:
    """What a step in each latent coordinate does to each column of a table, in the columns' own deviations.

    Arguments:
        coordinates: names.
        columns: names.
        change: `(coordinates, columns)`, value at +2 deviations of the prior less that at -2.
    """

    coordinates: tuple[str, ...]
    columns: tuple[str, ...]
    change: np.ndarray


@dataclass(frozen=True)
class Asked:
    """Which class each latent stands under, where the model is told the class.

    Arguments:
        names: of the classes.
        posterior: class of each row of the posterior's draws, `(N,)`.
        prior: of each of the prior's.
    """

    names: tuple[str, ...]
    posterior: np.ndarray
    prior: np.ndarray


@dataclass(frozen=True)
class Gallery:
    """All that is shown. What does not arise for a model is None or empty.

    Arguments:
        limits: the darkest and the brightest raw value, for images.
        reconstructed: held-out rows over their reconstructions.
        sampled: draws from the model beside held-out rows.
        real: held-out rows to set beside the draws.
        nearest: the draws that lie closest to one training row, over that row.
        paths: from one row to another.
        moved: one latent coordinate moved at a time, most informative first.
        kept: held-out rows, and the same with their lower latents drawn anew, where there are several.
        plane: the decoded plane of a latent of two dimensions, `(tiles, tiles, height, width, channels)`.
        map: where rows lie.
        posterior: one draw of each row's posterior, `(N, latent)`.
        prior: draws of the prior.
        asked: their classes, where the model is told the class.
        columns: names of a table's columns.
        table: held-out rows of a table, gaps as NaN.
        drawn: rows drawn from the model.
        movement: what each coordinate does to a table.
        coordinates: names of the latent's coordinates.
    """

    limits: tuple[float, float] = (0.0, 1.0)
    reconstructed: Sheet | None = None
    sampled: Sheet | None = None
    real: Sheet | None = None
    nearest: Sheet | None = None
    paths: Sheet | None = None
    moved: Sheet | None = None
    kept: Sheet | None = None
    plane: np.ndarray | None = None
    map: Map | None = None
    posterior: np.ndarray | None = None
    prior: np.ndarray | None = None
    asked: Asked | None = None
    columns: tuple[str, ...] = field(default=())
    table: np.ndarray | None = None
    drawn: np.ndarray | None = None
    movement: Movement | None = None
    coordinates: tuple[str, ...] = field(default=())


def carried(dimensions: Mapping[str, Any] | None) -> list[float] | None:
    """What each latent coordinate carries, to sort them by: its KL, or where that does not fall apart, what rows differ by in it.

    Arguments:
        dimensions: of the latent's measures, a list for each; None where the latent is of codes.
    """
    found = dimensions or {}
    lists = [found.get(name) or [None] for name in ("kl", "variance_of_means")]
    return next((list(values) for values in lists if None not in values), None)


def gather(system: System, rows: Rows, rates: list[float] | None, seed: int = 0, train_rows: Rows | None = None) -> Gallery:
    """What there is to show of a model.

    Arguments:
        system: trained.
        rows: held-out rows, stored by the system's modality.
        rates: what each latent coordinate carries, by which traversals are sorted; None = there are no coordinates to move.
        seed: of all draws and of which rows are shown.
        train_rows: what it was trained on, to look for repeats among; None = do not.
    """
    chosen = torch.randperm(count(rows), generator=torch.Generator().manual_seed(seed))
    rows = {name: values[chosen] for name, values in rows.items()}
    dense = has_density(system)
    order = [] if rates is None or not dense else [int(d) for d in np.argsort(rates)[::-1][:_MOVED]]
    gallery = _latents(system, rows, dense, seed)
    if len(system.modality.event) == 3:
        gallery = _images(gallery, system, rows, order, dense, seed)
        return gallery if train_rows is None or not dense else replace(gallery, nearest=_nearest(system, rows, train_rows, seed))
    if len(system.modality.event) == 1:
        return _table(gallery, system, rows, order, dense, seed)
    return gallery


def _first(rows: Rows, number: int) -> dict[str, Tensor]:
    return {name: values[:number] for name, values in rows.items()}


def _raw(system: System, rows: Rows) -> np.ndarray:
    """Stored rows in the person's own units, gaps as NaN."""
    batch = system.modality.batch(rows)
    assert batch.x is not None
    raw = system.modality.to_raw(batch.x)
    if batch.observed is None:
        return raw
    return np.where(batch.observed.numpy().reshape(raw.shape), raw, np.nan)


def _latents(system: System, rows: Rows, dense: bool, seed: int) -> Gallery:
    """Where rows lie, and how that compares with where the prior does."""
    kept = _first(rows, _MAPPED)
    code = encode(system, kept, seed)
    # A class that was not there in training has no name to be shown by.
    means, known = code.mean, len(system.modality.classes)
    names = tuple(f"z{name}" if name.isdigit() else name for name in latent_names(system))
    label = torch.where(kept["label"] < known, kept["label"], -1).numpy() if "label" in kept else None
    projected = means.shape[1] > 2
    if projected:
        u, s, _ = np.linalg.svd(means - means.mean(0), full_matrices=False)
        points = u[:, :2] * s[:2]
        axes = ("first principal component", "second principal component")
    else:
        points = means if means.shape[1] == 2 else np.concatenate([means, code.sample - means], axis=1)
        axes = (names[0], names[1] if means.shape[1] == 2 else f"posterior noise of {names[0]}")
    shown = None if len(points) < 3 or points.shape[1] < 2 else Map(points, axes, label, system.modality.classes, projected)
    if not dense:
        return Gallery(map=shown, coordinates=names)
    places = layout(system)
    with at_rest(system, seed):
        trace = system.model(Batch(condition=_again(kept.get("condition")), size=_COMPARED), from_prior())
        prior = places.join({name: site.z for name, site in trace.sites.items()}).squeeze(0).numpy()
    steering = _steering(system)
    told = None if steering is None else kept["condition"].argmax(1)
    asked = None if steering is None or told is None else Asked(steering[1], told.numpy(), _again(told).numpy())
    return Gallery(map=shown, posterior=code.sample, prior=prior, asked=asked, coordinates=names)


@overload
def _again(condition: None) -> None: ...
@overload
def _again(condition: Tensor) -> Tensor: ...
def _again(condition: Tensor | None) -> Tensor | None:
    """Conditions of held-out rows, again and again until there are as many as draws that are compared."""
    return None if condition is None else condition[torch.arange(_COMPARED) % len(condition)]


def _images(gallery: Gallery, system: System, rows: Rows, order: list[int], dense: bool, seed: int) -> Gallery:
    few = _first(rows, _SHOWN)
    originals = _raw(system, few)
    limits = (float(np.nanmin(originals)), float(np.nanmax(originals)))
    # A gap is shown as the darkest value: a picture has no word for it.
    originals = np.nan_to_num(originals, nan=limits[0])
    pair = np.stack([_colours(originals), _colours(reconstruct(system, few, seed))])
    gallery = replace(gallery, limits=limits, reconstructed=Sheet(("held out", "rebuilt"), pair))
    gallery = replace(gallery, plane=_plane(system, rows, dense))
    if count(rows) >= 6:
        start, end = ({name: values[i : i + 3] for name, values in rows.items()} for i in (0, 3))
        gallery = replace(gallery, paths=Sheet(("",) * 3, _colours(interpolate(system, start, end, _STEPS, seed=seed), 2)))
    sites = len(layout(system).shapes)
    if dense and sites > 1:
        anew = [_colours(redraw(system, few, keep, seed=seed)[:, 0]) for keep in range(1, min(sites, _LEVELS + 1))]
        told = ("held out", *(f"top {keep} kept" for keep in range(1, len(anew) + 1)))
        gallery = replace(gallery, kept=Sheet(told, np.stack([pair[0], *anew])))
    if order:
        walked = traverse(system, _first(rows, 1), dimensions=order, steps=_STEPS, seed=seed)[0]
        gallery = replace(gallery, moved=Sheet(tuple(gallery.coordinates[d] for d in order), _colours(walked, 2)))
    return replace(gallery, sampled=_samples(system, rows, seed), real=_beside(system, rows, limits[0])) if dense else gallery


def _beside(system: System, rows: Rows, darkest: float) -> Sheet:
    """Held-out images to set beside samples: a row a class where the model is told the class."""
    steering = _steering(system)
    if steering is not None:
        told = rows["condition"].argmax(1)
        by_class = [torch.nonzero(told == i).flatten() for i in range(len(steering[1][:_SHOWN]))]
        each = min(_SHOWN, *(len(found) for found in by_class))
        if each:
            values = _raw(system, {name: v[torch.cat([found[:each] for found in by_class])] for name, v in rows.items()})
            images = _colours(np.nan_to_num(values, nan=darkest))
            return Sheet(steering[1][:_SHOWN], images.reshape(len(by_class), each, *images.shape[1:]))
    number, lines = _oblong(count(rows))
    images = _colours(np.nan_to_num(_raw(system, _first(rows, number)), nan=darkest))
    return Sheet(("",) * lines, images.reshape(lines, number // lines, *images.shape[1:]))


def _nearest(system: System, rows: Rows, train_rows: Rows, seed: int) -> Sheet | None:
    """Means of draws over the training images that they repeat, if any: those that are closest to one image and to no other."""
    known = take(train_rows, _KNOWN // prod(system.modality.event), seed)
    x = filled(system, known, seed)[0]
    points, first = np.unique(x.flatten(1).numpy(), axis=0, return_index=True)
    if len(points) < _SHOWN:
        return None
    number = min(count(rows), _DRAWN)
    condition = None if "condition" not in rows else rows["condition"][:number]
    drawn = draw(system, number, condition, seed=seed, mean=True)
    _, lone, which = nearest_two(points, drawn.flatten(1).float().numpy())
    order = np.argsort(lone)[:_SHOWN]
    pairs = drawn[order].to(x.dtype), x[first[which[order]]]
    return Sheet(("drawn", "training"), np.stack([_colours(system.modality.to_raw(values)) for values in pairs]))


def _oblong(most: int) -> tuple[int, int]:
    """How many images fill whole lines of a sheet, and how many lines."""
    lines = 3 if most >= 3 else 1
    return min(lines * _SHOWN, most // lines * lines), lines


def _colours(images: np.ndarray, lead: int = 1) -> np.ndarray:
    """Images with an axis of channels after `lead` axes in front."""
    return images if images.ndim == lead + 3 else images[..., None]


def _steering(system: System) -> tuple[str, tuple[str, ...]] | None:
    """The name and the classes of the condition, where it is one fact with classes."""
    facts = system.modality.state.get("conditions") or []
    return (facts[0]["name"], tuple(facts[0]["names"])) if len(facts) == 1 and facts[0]["names"] else None


def _samples(system: System, rows: Rows, seed: int) -> Sheet:
    """Means of p(x|z) for draws of z: a row of pictures a class where the model is told the class."""
    steering = _steering(system)
    if steering is None:
        given = rows.get("condition")
        number, lines = _oblong(3 * _SHOWN if given is None else len(given))
        made = draw(system, number, None if given is None else given[:number], seed=seed, mean=True)
        values = _colours(system.modality.to_raw(made))
        return Sheet(("",) * lines, values.reshape(lines, number // lines, *values.shape[1:]))
    names = steering[1][:_SHOWN]
    told = system.modality.condition(np.repeat(np.asarray(names, dtype=object), _SHOWN), len(names) * _SHOWN)
    values = _colours(system.modality.to_raw(draw(system, len(names) * _SHOWN, told, seed=seed, mean=True)))
    return Sheet(names, values.reshape(len(names), _SHOWN, *values.shape[1:]))


def _plane(system: System, rows: Rows, dense: bool) -> np.ndarray | None:
    """A latent of two dimensions decoded on a grid, z0 to the right, z1 upwards."""
    if layout(system).width != 2 or codes_a_row(system):
        return None
    middle, reach = np.zeros(2), np.full(2, 2.5)
    if not dense:
        means = encode(system, rows).mean
        middle, reach = means.mean(0), 2 * means.std(0)
    across, up = (np.linspace(middle[i] - reach[i], middle[i] + reach[i], _TILES) for i in (0, 1))
    z = np.stack(np.meshgrid(across, up[::-1]), axis=-1).reshape(-1, 2)
    given = rows["condition"][:1].expand(len(z), -1) if "condition" in rows else None
    values = _colours(system.modality.to_raw(write(system, torch.as_tensor(z, dtype=torch.float32), given)))
    return values.reshape(_TILES, _TILES, *values.shape[1:])


def _table(gallery: Gallery, system: System, rows: Rows, order: list[int], dense: bool, seed: int) -> Gallery:
    kept = _first(rows, _COMPARED)
    real = _raw(system, kept).astype(float)
    named = system.modality.state.get("columns") or [f"column {i + 1}" for i in range(real.shape[1])]
    names: tuple[str, ...] = tuple(named)
    gallery = replace(gallery, columns=names, table=real)
    if order:
        # Not of rounded values: a whole number that moves by a third would stand still.
        ends = traverse_scaled(system, _first(rows, 1), dimensions=order, span=(-2.0, 2.0), steps=2, seed=seed)[0]
        scale = np.nanstd(real, axis=0)
        change = system.modality.to_raw_spread(ends[:, 1] - ends[:, 0]) / np.where(scale > 0, scale, 1.0)
        gallery = replace(gallery, movement=Movement(tuple(gallery.coordinates[d] for d in order), names, change))
    if not dense:
        return gallery
    made = system.modality.to_raw(draw(system, _COMPARED, _again(kept.get("condition")), seed=seed)).astype(float)
    return replace(gallery, drawn=made)


def differences(real: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """How far apart each column's two distributions are, in [0, 1]: the largest distance between their cumulated shares."""
    return np.array([_distance(real[:, i][~np.isnan(real[:, i])], drawn[:, i]) for i in range(real.shape[1])])


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    if not len(a) or not len(b):
        return 0.0
    places = np.concatenate([a, b])
    shares = [np.searchsorted(np.sort(values), places, side="right") / len(values) for values in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


def correlations(values: np.ndarray) -> np.ndarray:
    """Correlations between columns, gaps at the column's mean; 0 where a column does not vary."""
    centred = np.nan_to_num(values - np.nanmean(values, axis=0))
    deviation = centred.std(axis=0)
    scaled = centred / np.where(deviation > 0, deviation, 1.0)
    return np.asarray(scaled.T @ scaled / len(values))


def words(value: Any) -> str:
    """A number of a table as a person writes it."""
    return "gap" if value is None or np.isnan(value) else f"{value:.4g}"
