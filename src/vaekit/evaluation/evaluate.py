"""Every measure of a system, as the plain JSON that `metrics.json` holds.

| section | holds |
| --- | --- |
| verdict | `name`, `state`, `sentences`, `remedy` |
| likelihood | `figures`, `absent` |
| reconstruction | `kind`, `figures`, `columns` for columns of numbers |
| latent | `figures`, `dimensions`: a list for each measure by coordinate, or code, or position; `levels`: each of several latents' rate |
| prior | `figures` with `alike`; `rate`, `others`: what other densities in its place would pay; null without a density, and of codes |
| representation | `figures` with `pca` and `floor`; null without labels |
| labels | `figures`, `classes` and `confusion` of the classes that the model tells; null where it tells none |
| samples | `figures` with `floor` and `ceiling`, `space`, `absent` |
| baseline | `recipe`, `reconstruction` and `representation` of another system on the same rows; null without one |
| protocol | rows, seeds and particles |

`absent` is null, or says why a section has no figures.
"""

from dataclasses import asdict
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from vaekit.core.choose import centre
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.evaluation.annealing import Annealing, needs_moving_latents
from vaekit.evaluation.bidirectional import annealed_nll
from vaekit.evaluation.codes import CodeUse, measure_codes
from vaekit.evaluation.extractor import Extractor
from vaekit.evaluation.figure import Figure, finite
from vaekit.evaluation.latent import Latents, measure_latents
from vaekit.evaluation.likelihood import importance_nll, settled
from vaekit.evaluation.prior import measure_prior
from vaekit.evaluation.reconstruction import measure_reconstruction
from vaekit.evaluation.remedy import Tried
from vaekit.evaluation.representation import measure_representation
from vaekit.evaluation.samples import measure_samples
from vaekit.evaluation.semisupervised import measure_labels
from vaekit.evaluation.values import take
from vaekit.evaluation.verdict import verdict
from vaekit.evaluation.verdict_of_codes import verdict_of_codes
from vaekit.tasks.walk import Progress, Rows, at_rest, codes_a_row, count, has_density, silent

__all__ = ["affordable", "evaluate", "operations"]

_OPERATIONS, _FEWEST, _FEWEST_ANNEALED = 2 * 10**12, 50, 10


def evaluate(
    system: System, train_rows: Rows, test_rows: Rows, baseline: System | None = None, seed: int = 0, particles: int = 100,
    rows: int = 1000, progress: Progress = silent, tried: Tried | None = None, extractor: Extractor | None = None,
    annealing: Annealing | None = None,
) -> dict[str, Any]:
    """Measure a fitted system on held-out rows.

    Arguments:
        system: fitted.
        train_rows: what it was fitted to; probes are fitted to them too.
        test_rows: held out, 2 or more.
        baseline: another fitted system, the plain autoencoder say, to set beside it.
        seed: of subsamples, draws and classifiers.
        particles: a row, of the importance sampling.
        rows: at most so many held-out rows a measure, and fewer for the likelihood of a large network; each figure says how many.
        progress: told what is being measured, and how much of it is done.
        tried: what the system was trained with, for a remedy that fits it; None = unknown.
        extractor: a network, trained on other tasks of the same data, whose features samples are compared by; None = values themselves.
        annealing: also bound the likelihood by chains, of as many rows as they afford; None = leave it out.

    Raises:
        InputError: where a latent cannot be annealed and `annealing` is asked for, or where fewer than two rows are held out.
    """
    if count(test_rows) < 2:
        raise InputError("one held-out row cannot show how rows differ: hold out at least 2")
    if annealing is not None:
        needs_moving_latents(system)
    held = take(test_rows, rows, seed)
    coded = codes_a_row(system) > 0
    latents = measure_codes(system, held, seed, progress) if coded else measure_latents(system, held, seed, progress)
    fit = measure_prior(system, train_rows, held, latents, seed).as_json() if isinstance(latents, Latents) and latents.dense else None
    scored: dict[str, Any] = {"figures": [], "absent": None}
    particles = 1 if settled(system) else particles
    samples: dict[str, Any] = {"figures": [], "space": None, "absent": None}
    if has_density(system):
        scored["figures"] = _bounds(system, held, particles, annealing, seed, progress)
        progress("samples", 0, 1)
        samples = measure_samples(system, train_rows, held, seed, rows, extractor)
    else:
        scored["absent"] = "the code is a point without a density: there is no bound on the likelihood"
        samples["absent"] = "the code is a point without a density: there is no prior to draw samples from"
    progress("representation", 0, 1)
    own = _quality(system, train_rows, held, seed)
    progress("baseline", 0, 1)
    other = None if baseline is None else {"recipe": baseline.recipe, **_quality(baseline, train_rows, held, seed)}
    progress("baseline", 1, 1)
    return {
        "verdict": (verdict(latents, tried) if isinstance(latents, Latents) else verdict_of_codes(latents, tried)).as_json(),
        "likelihood": scored,
        "reconstruction": own["reconstruction"],
        "latent": {"figures": latents.figures(), **_parts(latents)},
        "prior": fit, "representation": own["representation"], "labels": measure_labels(system, test_rows, seed),
        "samples": samples,
        "baseline": other,
        "protocol": {
            "recipe": system.recipe, "likelihood": system.modality.likelihood, "because": system.modality.because,
            "latent": latents.width, "condition_width": system.modality.condition_width, "train_rows": count(train_rows),
            "held_out_rows": count(test_rows), "measured_rows": count(held), "particles": particles, "seed": seed,
        },
    }


def _bounds(
    system: System, held: Rows, particles: int, annealing: Annealing | None, seed: int, progress: Progress
) -> list[Figure]:
    """Bounds on the likelihood of as many rows as each way can afford."""
    weighed = take(held, affordable(system, particles), seed)
    found = importance_nll(system, weighed, particles, seed, progress=progress).figures()
    if annealing is not None:
        few = take(weighed, affordable(system, annealing.evaluations, _FEWEST_ANNEALED), seed)
        found += annealed_nll(system, few, annealing, seed, progress=progress).figures()
    return found


def operations(system: System) -> int:
    """Floating-point operations of one row's way through a model, forward.

    Arguments:
        system: whose walk is counted.
    """
    with at_rest(system) as device, FlopCounterMode(display=False) as counter:
        _ = system.model(system.modality.example(1).to(device), centre()).likelihood
    return max(counter.get_total_flops(), 1)


def affordable(system: System, particles: int, fewest: int = _FEWEST) -> int:
    """How many rows a measure that decodes so many particles a row affords: by the networks alone, not by the machine.

    Arguments:
        system: whose walk is counted.
        particles: a row.
        fewest: rows, however dear they are.
    """
    return max(_OPERATIONS // (particles * operations(system)), fewest)


def _quality(system: System, train_rows: Rows, held: Rows, seed: int) -> dict[str, Any]:
    """What any system has, with a density or without."""
    return {
        "reconstruction": measure_reconstruction(system, held, seed),
        "representation": measure_representation(system, train_rows, held, seed),
    }


def _parts(found: Latents | CodeUse) -> dict[str, Any]:
    """A list for each measure by coordinate, and the rate of each of several latents; of codes, lists by code and by position."""
    if isinstance(found, CodeUse):
        return {"dimensions": {name: [finite(v) for v in values] for name, values in found.by_dimension().items()}, "levels": []}
    names = ("kl", "variance_of_means", "aggregate_mean", "aggregate_spread")
    numbers: dict[str, list[Any]] = {name: [finite(float(v)) for v in getattr(found, name)] for name in names}
    levels = [asdict(level) for level in found.levels]
    return {"dimensions": {**numbers, "active": [bool(v) for v in found.active]}, "levels": levels}
