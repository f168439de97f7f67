r"""Seven recipes and a GAN under one budget: likelihood, sharpness, coverage and stability over five seeds.

    every figure: `vaekit.faces.measuring.measured`, the code behind `vae compare`, on the same held-out rows

MNIST in bytes: a critic can judge grey images as they are, where bits would give every grey pixel of a decoder away, and all recipes have
one likelihood, a logistic rounded to the levels, so that their nats compare. The networks at the ends, the latent's 16 numbers (16 codes of
the VQ-VAE, two latents of 8 of the ladder), the settings and the minutes are the same for all. Images are judged twice: as they are drawn,
x ~ p(x|z), which is what a likelihood says a row is, and as means of p(x|z), without a pixel's noise. The GAN has no such noise and one
figure for both. It is the outsider: the same decoder, a critic of the same sizes, neither an encoder nor a likelihood, so no bound is
written beside it. It learns by settings of its own, for longer: after the minutes of the others its digits are not yet digits.

The rows that are held out, those that all are judged by, the judge and the draws are the same for all seeds; weights, order of rows and
noise of training are the seed's own. A run has diverged where a number of it was not finite, where the FID of its means is above twice the
median over the model's seeds, or where its means lie near fewer than one held-out image in twenty: it draws a few images again and again.

A finished run is one line of a file, and a run that the file holds is not made again. One that was stopped goes on from its checkpoint. Two
processes with the same command share the work: each takes runs that no other process has in hand.
"""

import math
import shutil
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from comparison_page import page
from outsider import TRAINING as OUTSIDER_TRAINING
from outsider import Noiseless, gan
from record import Record, arguments, figure, finished, mnist, out, processor, root, run
from sharing import made_once

from vaekit.core.errors import InputError, WorkFailed
from vaekit.core.files import whole_file
from vaekit.core.system import System
from vaekit.data import open_records
from vaekit.evaluation import measure_samples
from vaekit.evaluation.values import take
from vaekit.faces import api
from vaekit.faces.extractors import Judges
from vaekit.faces.fitted import FittedVAE
from vaekit.faces.measuring import measured
from vaekit.faces.origin import held_out, remembered
from vaekit.faces.preparing import Parts, divide, kind_of, prepare
from vaekit.tasks.generate import draw
from vaekit.tasks.walk import has_density
from vaekit.training import History, Settings, fit

_SHARED: dict[str, Any] = {"network": "mlp", "hidden": [256, 256]}
MODELS: dict[str, dict[str, Any]] = {
    "autoencoder": {"latent": 16}, "vae": {"latent": 16}, "beta_vae": {"latent": 16, "beta": 4.0},
    "cvae": {"latent": 16}, "vq_vae": {"latent": 16}, "vae_gan": {"latent": 16},
    "ladder_vae": {"levels": 2, "latent": 8}, "gan": {"latent": 16},
}
"""Each model's own arguments; all but the GAN are recipes."""

TRAINING: dict[str, Any] = {"batch": 128, "rate": 1e-3, "precision": "32", "compile": False, "validations": 10, "device": "cpu"}
OWN: dict[str, Any] = {**OUTSIDER_TRAINING, "times": 8}
"""What the GAN has in place of the recipes' settings, and how many times their minutes."""

_AWAY, _COVERED, _ROWS, _SHOWN, _SPLIT = 2.0, 0.05, 1000, 16, 0
_DISTANCE = "Frechet distance (FID)"
_RESULTS, _PAGE = root / "benchmarks" / "results" / "comparison.jsonl", root / "docs" / "comparison.md"


def network(options: Any) -> dict[str, Any]:
    """The sizes of the networks at the two ends."""
    return {**_SHARED, "hidden": [options.hidden] * 2}


def told(options: Any) -> dict[str, Any]:
    """How every run of a table is made and measured; runs of another table differ in it."""
    return {
        "data": options.data, "minutes": options.minutes, "particles": options.particles, "network": network(options),
        "training": TRAINING, "gan": OWN,
    }


def trained(model: str, seed: int, options: Any, folder: Path) -> FittedVAE:
    """A model trained from a seed, or gone on with where the folder holds a checkpoint of it.

    Raises:
        WorkFailed: where its numbers stay non-finite.
    """
    settings = {**TRAINING, "minutes": options.minutes, "seed": seed}
    if model == "gan":
        own = {**settings, **OUTSIDER_TRAINING, "minutes": OWN["times"] * options.minutes}
        return _outsider(seed, options, Settings.checked(**own), folder)
    if (folder / "history.json").is_file():
        return api.load(folder)
    if (folder / "run.json").is_file():
        return api.resume(folder, progress=False)
    condition = "label" if model == "cvae" else None
    return api.fit(
        options.data, model, condition=condition, split_seed=_SPLIT, run=folder, progress=False, **network(options), **MODELS[model],
        **settings,
    )


def _outsider(seed: int, options: Any, settings: Settings, folder: Path) -> FittedVAE:
    """The GAN on the rows that the recipes learn from."""
    folder.mkdir(parents=True, exist_ok=True)
    records = open_records(options.data)
    facts = remembered(options.data, records, None, None, 0.1, 0.1, _SPLIT)
    divided = divide(records, facts["validation"], facts["test"], _SPLIT)
    modality = prepare(divided[0], kind_of(records), {}, records)
    parts = Parts.stored(modality, divided, facts)
    torch.manual_seed(seed)
    system = gan(modality, **MODELS["gan"], **network(options))
    history = fit(system, parts.feed(modality, settings), settings, folder, True)
    at_hand = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    return FittedVAE(system, history, facts, at_hand, folder)


def _by_name(section: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    kept = ("value", "standard_error", "sampling_error", "floor", "ceiling", "n")
    return {
        f["name"]: {name: round(f[name], 6) if isinstance(f[name], float) else f[name] for name in kept if name in f}
        for f in section["figures"]
    }


def figures(model: str, fitted: FittedVAE, judges: Judges, options: Any, strip: Path) -> dict[str, Any]:
    """Everything that is kept of what was measured, and a strip of images.

    Arguments:
        model: one of `MODELS`.
        fitted: trained.
        judges: of samples, the same for all runs.
        options: of the command line.
        strip: where images are written.
    """
    system, parts = fitted.system, held_out(fitted.system.modality, fitted.data, fitted.parts)
    found: dict[str, Any] = {
        "held_out": len(parts.test["x"]), "likelihood": {}, "reconstruction": {}, "drawn": {}, "means": {}, "judge": "",
    }
    if model != "gan":
        metrics, _ = measured(fitted, None, options.particles, baseline=False, judges=judges)
        found |= {name: _by_name(metrics[name]) for name in ("likelihood", "reconstruction")}
        found |= {"drawn": _by_name(metrics["samples"]), "verdict": metrics["verdict"]["name"]}
    if not has_density(system):
        return found
    judge = judges.of(system, parts.train, lambda doing, share: None)
    found["judge"] = "" if judge is None else f"{judge.about}, {judge.digest}"
    system.model.likelihood = Noiseless(system.model.likelihood)  # type: ignore[assignment]
    held = take(parts.test, _ROWS, 0)
    found["means"] = _by_name(measure_samples(system, parts.train, held, 0, _ROWS, judge))
    if model == "gan":
        found["drawn"] = found["means"]
    _strip(_images(system, parts), strip)
    _strip(system.modality.batch(take(parts.test, _SHOWN, 0)).x, strip.with_name("held-out.png"))
    return found


def _images(system: System, parts: Parts) -> torch.Tensor:
    """Means for the first draws of z; of a model with a condition, each class in turn."""
    condition = None
    if system.modality.condition_width:
        names = [str(number) for number in range(10)]
        condition = system.modality.condition([names[i % 10] for i in range(_SHOWN)], _SHOWN)
    return draw(system, _SHOWN, condition, seed=0, mean=True)


def _strip(images: Any, path: Path) -> None:
    """Images beside one another, twice as large."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    grey = (255 * images[..., 0].clamp(0, 1)).round().byte().numpy()
    line = grey.repeat(2, 1).repeat(2, 2).transpose(1, 0, 2).reshape(2 * grey.shape[1], -1)
    with whole_file(path) as temporary:
        Image.fromarray(line).save(temporary, format="PNG")


def result(model: str, seed: int, options: Any, judges: Judges) -> dict[str, Any]:
    """A line of the file: how a run went and what it came to."""
    folder = options.runs / f"{model}-{seed}"
    line: dict[str, Any] = {"model": model, "seed": seed, "told": told(options), "processor": processor(), "failed": ""}
    try:
        fitted = trained(model, seed, options, folder)
    except WorkFailed as error:
        return {**line, "failed": str(error)}
    history: History = fitted.history
    last = history.validations[-1]
    line |= {
        "minutes": round(last.seconds / 60, 3), "steps": history.steps, "notes": history.notes,
        "parameters": sum(p.numel() for p in fitted.system.model.parameters()),
    }
    return {**line, **figures(model, fitted, judges, options, options.runs / f"{model}-{seed}.png")}


def diverged(runs: Sequence[Mapping[str, Any]], section: str = "means") -> list[int]:
    """The seeds of one model that diverged, see the head of the script.

    Arguments:
        runs: a line of each, with `seed`, `failed`, `notes` and the section.
        section: the figures that are judged by, `means` or `drawn`.
    """
    distances = {line["seed"]: _value(line, section, _DISTANCE) for line in runs}
    usual = statistics.median(known) if (known := [d for d in distances.values() if math.isfinite(d)]) else math.inf
    return [
        line["seed"] for line in runs
        if line["failed"] or any("was not finite" in note for note in line["notes"])
        # No measure, no judgement: NaN is above nothing and below nothing.
        or distances[line["seed"]] > _AWAY * usual or _value(line, section, "coverage") < _COVERED
    ]


def _by_model(lines: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    return {model: diverged([line for line in lines if line["model"] == model]) for model in MODELS}


def _value(line: Mapping[str, Any], section: str, name: str) -> float:
    value = line.get(section, {}).get(name, {}).get("value")
    return math.nan if value is None else float(value)


def measure(options: Any, record: Record) -> None:
    """Make the runs that are missing and that no other process has in hand, then the table of all that there are."""
    models = list(MODELS) if options.models is None else options.models.split(",")
    if unknown := set(models) - set(MODELS):
        raise InputError(f"model {min(unknown)!r} is none of {', '.join(MODELS)}")
    if options.data == "mnist":
        # Absent, it is said before anything is trained.
        mnist()
    judges, wanted = Judges(), told(options)
    asked = [(model, seed) for seed in range(options.seeds) for model in models]
    for line in made_once(asked, "model", options.results, wanted, options.runs, lambda model, seed: result(model, seed, options, judges)):
        shutil.rmtree(options.runs / f"{line['model']}-{line['seed']}", ignore_errors=True)
        apart = _value(line, "means", _DISTANCE)
        came = f"failed: {line['failed']}" if line["failed"] else f"{line['steps']} steps, FID of means {apart:.3g}"
        out.print(f"{line['model']} seed {line['seed']}: {came}", markup=False)
    lines = finished(options.results, wanted)
    _record(record, lines)
    if options.page and lines:
        _write(options, lines, record)


def _write(options: Any, lines: Sequence[dict[str, Any]], record: Record) -> None:
    """The page and its images: of each model the first seed's."""
    folder = options.page.parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    strips = {name: options.runs / f"{name}-0.png" for name in MODELS} | {"held out": options.runs / "held-out.png"}
    shown = {}
    for name, strip in strips.items():
        image = f"images/comparison-{name.replace(' ', '-')}.png"
        if strip.is_file():
            shutil.copyfile(strip, options.page.parent / image)
        # A line that was kept may be older than the folder of runs: its strip is the page's.
        if (options.page.parent / image).is_file():
            shown[name] = image
    with whole_file(options.page) as temporary:
        temporary.write_text(page(MODELS, lines, _by_model(lines), shown, record.machine), "utf-8")
    out.print(f"page in {options.page}", markup=False)


def _record(record: Record, lines: Sequence[dict[str, Any]]) -> None:
    """Each model's mean figures, and how many of its seeds diverged."""
    lost = _by_model(lines)
    for model in MODELS:
        runs = [line for line in lines if line["model"] == model]
        for section, name, unit in (
            ("likelihood", "negative log-likelihood", "nats"), ("means", _DISTANCE, "1"), ("means", "coverage", "share"),
            ("means", "sharpness", "1"),
        ):
            values = [line[section][name]["value"] for line in runs if name in line.get(section, {})]
            values = [value for value in values if value is not None]
            if values:
                how = f"mean over {len(values)} seeds, deviation {statistics.pstdev(values):.3g}"
                record.add(figure(f"{model}, {name}", statistics.mean(values), unit, len(values), how))
        if runs:
            record.add(figure(f"{model}, seeds that diverged", len(lost[model]), "", len(runs), "see the head of the script"))


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="wall-clock budget of each training run")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--models", metavar="NAME,NAME", help=f"of {', '.join(MODELS)}; default all")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="file of finished runs, a line each")
    parser.add_argument("--runs", type=Path, default=root / "runs" / "comparison", metavar="DIR", help="folder of checkpoints and images")
    parser.add_argument("--page", type=Path, nargs="?", const=_PAGE, help="write the tables into this page; default docs/comparison.md")
    parser.add_argument("--data", default="mnist", help="another known set of grey images: a quick check, no figure")
    parser.add_argument("--hidden", type=int, default=256, help="width of the layers: a quick check, no figure")
    parser.add_argument("--particles", type=int, default=100, metavar="K", help="importance samples a row")
    return run(parser, "Seven recipes and a GAN", measure)


if __name__ == "__main__":
    raise SystemExit(main())
