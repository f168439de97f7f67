"""Every measure of a system, as the plain JSON that `metrics.json` holds.

| section | holds |
| --- | --- |
| verdict | `name`, `state`, `sentences`, `remedy` |
| likelihood | `figures`, `absent` |
| reconstruction | `kind`, `figures`, `columns` for columns of numbers |
| latent | `figures`, `dimensions`: a list for each measure by coordinate |
| representation | `figures` with `pca` and `floor`; null without labels |
| samples | `figures` with `floor` and `ceiling`, `space`, `absent` |
| baseline | `recipe`, `reconstruction` and `representation` of another system on the same rows; null without one |
| protocol | rows, seeds and particles |

`absent` is null, or says why a section has no figures.
"""

from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from vaekit.core.choose import centre
from vaekit.core.errors import InputError
from vaekit.core.system import System
from vaekit.evaluation.extractor import Extractor
from vaekit.evaluation.figure import finite
from vaekit.evaluation.latent import Latents, measure_latents
from vaekit.evaluation.likelihood import importance_nll
from vaekit.evaluation.reconstruction import measure_reconstruction
from vaekit.evaluation.remedy import Tried
from vaekit.evaluation.representation import measure_representation
from vaekit.evaluation.samples import measure_samples
from vaekit.evaluation.values import take
from vaekit.evaluation.verdict import verdict
from vaekit.tasks.walk import Progress, Rows, at_rest, count, has_density, silent

__all__ = ["affordable", "evaluate", "operations"]

_OPERATIONS, _FEWEST = 2 * 10**12, 50


def evaluate(
    system: System, train_rows: Rows, test_rows: Rows, baseline: System | None = None, seed: int = 0, particles: int = 100,
    rows: int = 1000, progress: Progress = silent, tried: Tried | None = None, extractor: Extractor | None = None,
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

    Raises:
        InputError: where fewer than two rows are held out.
    """
    if count(test_rows) < 2:
        raise InputError("one held-out row cannot show how rows differ: hold out at least 2")
    held = take(test_rows, rows, seed)
    latents = measure_latents(system, held, seed, progress)
    scored: dict[str, Any] = {"figures": [], "absent": None}
    samples: dict[str, Any] = {"figures": [], "space": None, "absent": None}
    if has_density(system):
        weighed = take(held, affordable(system, particles), seed)
        scored["figures"] = importance_nll(system, weighed, particles, seed, progress=progress).figures()
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
        "verdict": verdict(latents, tried).as_json(),
        "likelihood": scored,
        "reconstruction": own["reconstruction"],
        "latent": {"figures": latents.figures(), "dimensions": _by_dimension(latents)},
        "representation": own["representation"],
        "samples": samples,
        "baseline": other,
        "protocol": {
            "recipe": system.recipe, "likelihood": system.modality.likelihood, "because": system.modality.because,
            "latent": latents.width, "condition_width": system.modality.condition_width, "train_rows": count(train_rows),
            "held_out_rows": count(test_rows), "measured_rows": count(held), "particles": particles, "seed": seed,
        },
    }


def operations(system: System) -> int:
    """Floating-point operations of one row's way through a model, forward.

    Arguments:
        system: whose walk is counted.
    """
    with at_rest(system) as device, FlopCounterMode(display=False) as counter:
        _ = system.model(system.modality.example(1).to(device), centre()).likelihood
    return max(counter.get_total_flops(), 1)


def affordable(system: System, particles: int) -> int:
    """How many rows importance sampling can afford: a number that depends on the networks alone, not on the machine.

    Arguments:
        system: whose walk is counted.
        particles: a row.
    """
    return max(_OPERATIONS // (particles * operations(system)), _FEWEST)


def _quality(system: System, train_rows: Rows, held: Rows, seed: int) -> dict[str, Any]:
    """What any system has, with a density or without."""
    return {
        "reconstruction": measure_reconstruction(system, held, seed),
        "representation": measure_representation(system, train_rows, held, seed),
    }


def _by_dimension(found: Latents) -> dict[str, list[Any]]:
    """A list for each measure by coordinate."""
    names = ("kl", "variance_of_means", "aggregate_mean", "aggregate_spread")
    numbers = {name: [finite(float(v)) for v in getattr(found, name)] for name in names}
    return {**numbers, "active": [bool(v) for v in found.active]}
