"""A trained system measured on rows it never saw, beside a plain autoencoder that was trained in the same way.

The autoencoder has the same networks, latent, likelihood, settings and seed, and as many epochs: what it reconstructs better is
what the rate costs, and what its codes tell less of the labels is what the prior gives.
"""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from inspect import signature
from math import ceil, prod
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vaekit.core.declared import Count, Several, conform
from vaekit.core.errors import InputError
from vaekit.core.files import folders_above, whole_file
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.system import System
from vaekit.evaluation import Annealing, Tried, evaluate, needs_moving_latents
from vaekit.evaluation.report import Gallery, carried, gather, page
from vaekit.faces.extractors import Judges
from vaekit.faces.options import BOOK, of_recipe
from vaekit.faces.origin import held_out
from vaekit.faces.preparing import Arguments, Parts, seeded
from vaekit.faces.progress import Progress, measuring, silent
from vaekit.operations.store import write_json
from vaekit.tasks.walk import coordinates_together, has_density
from vaekit.training import History, Settings
from vaekit.training import fit as run_training

__all__ = ["measured", "reported", "tried"]

_PLAIN = "autoencoder"
# The baseline is a comparison, not the work: of a longer run it gets the share that takes so many seconds at the run's own pace. It is
# counted in epochs, since a clock would make no two reports alike.
_SECONDS = 180.0
_AT_ONCE = 4096


class Trained(Protocol):
    """What is measured: a system with its history, what it remembers of its data, and its rows where they are at hand."""

    system: System
    history: History
    data: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Tensor]] | None

    def store(self, data: Any, condition: Any = None) -> dict[str, Tensor]:
        """A person's values as the tensors that measures read."""
        ...


def measured(
    fitted: Trained, data: Any = None, particles: int = 100, baseline: bool = True, seed: int = 0,
    progress: Progress | None = None, temperatures: int = 0, judges: Judges | None = None,
) -> tuple[dict[str, Any], Gallery]:
    """Everything that is measured, as JSON values, and everything that is shown.

    Arguments:
        fitted: trained.
        data: rows to measure on; None = the test rows that were held out.
        particles: importance samples a row.
        baseline: also train a plain autoencoder in the same way.
        seed: of the draws.
        progress: called with a word and a fraction.
        temperatures: also bound the likelihood of some rows by annealed importance sampling over so many, which takes minutes; 0 = do not.
        judges: what samples are judged by, of models that were measured before; None = it is trained for this one.

    Raises:
        InputError: where there are no particles, the latents cannot be annealed, or the data cannot be opened, has changed, or has fewer
            than two rows.
    """
    conform("particles", particles, Count)
    tell = silent if progress is None else progress
    annealing = Annealing(temperatures) if temperatures else None
    if annealing is not None:
        needs_moving_latents(fitted.system)
    parts = held_out(fitted.system.modality, fitted.data, fitted.parts)
    if data is None and not len(parts.test["x"]):
        raise InputError("no rows were held out to measure on (test=0): give data, or train with a share above 0")
    test = parts.test if data is None else fitted.store(data)
    plain, words = _baseline(fitted, parts, tell) if baseline else (None, "left out, as asked")

    judge = (judges or Judges()).of(fitted.system, parts.train, tell) if has_density(fitted.system) else None
    metrics = evaluate(
        fitted.system, parts.train, test, plain, seed, particles, progress=measuring(tell), tried=tried(fitted), extractor=judge,
        annealing=annealing,
    )
    metrics["protocol"]["baseline"] = words
    if data is not None:
        by_chance = _share_in(parts.test["x"], parts.train["x"])
        metrics["protocol"]["trained_on"] = max(_share_in(test["x"], parts.train["x"]) - by_chance, 0.0)
    metrics["about"] = _about(fitted, test, data, words)
    return metrics, gather(fitted.system, test, carried(metrics["latent"]["dimensions"]), seed, parts.train)


def reported(
    fitted: Trained, path: Path, data: Any = None, particles: int = 100, seed: int = 0, progress: Progress | None = None,
    temperatures: int = 0,
) -> dict[str, Any]:
    """Measure, and write the page with `metrics.json` beside it, each whole or not at all.

    Arguments:
        fitted: trained.
        path: of the page.
        data: rows to measure on; None = the test rows that were held out.
        particles: importance samples a row.
        seed: of the draws.
        progress: called with a word and a fraction.
        temperatures: also bound the likelihood of some rows by annealed importance sampling over so many, which takes minutes; 0 = do not.

    Raises:
        InputError: as `measured`, or where the files cannot be written.
    """
    # A place that cannot be written is refused before anything is measured.
    with folders_above(path):
        metrics, gallery = measured(fitted, data, particles, True, seed, progress, temperatures)
        text = page(metrics, gallery, fitted.history.to_json())
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        write_json(path.with_name("metrics.json"), metrics)
    return metrics


def tried(fitted: Trained) -> Tried:
    """What a system was trained with: the arguments that its recipe takes, and how its training ended.

    Arguments:
        fitted: trained.
    """
    system, seen = fitted.system, fitted.history.validations
    options = of_recipe(BOOK.recipe(system.recipe)) if system.recipe else {}
    decoder = next((part for name, part in system.model.named_children() if name == "likelihood"), system.model)
    convolves = any(isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) for module in decoder.modules())
    # Sizes that the decoder does not have would change nothing.
    idle = {"hidden", "channels"} if "writer" in system.handed else {"hidden"} if convolves else {"channels"}
    if "beta" in options and options["beta"].declared is not NonNegativeWeight:
        # It weighs a part of the rate alone.
        idle.add("beta")
    taken = {name: system.arguments.get(name, option.default) for name, option in options.items() if name not in idle}
    parts = {part for name, _ in system.model.named_modules() for part in name.split(".")}
    if has_density(system) and parts & set(system.model.encoder):
        taken["encoder_steps"] = fitted.data.get("settings", {}).get("encoder_steps", 0)
    last = [v.held_out.get(system.stages[-1].watch, float("nan")) for v in seen if v.stage == seen[-1].stage]
    epochs, steps, minutes = fitted.history.epochs, fitted.history.steps, fitted.data.get("settings", {}).get("minutes")
    # Twice as long, and long enough to be judged; of a system without its history, nothing can be said.
    times = max(2.0, 2000 / max(steps, 1))
    longer = (f"minutes={times * minutes:.2g}" if minutes else f"epochs={ceil(times * epochs)}") if steps else ""
    fewest = 2 if "latent" in options and options["latent"].declared is Several else 1
    # A prior that waits for a stage of its own is another one before, whose KL falls apart: free bits are told a coordinate.
    together = coordinates_together(system) if len(system.stages) == 1 else 1
    return Tried(taken, epochs, steps, longer, fewest, len(last) > 1 and last[-1] <= min(last), together)


def _baseline(fitted: Trained, parts: Parts, tell: Progress) -> tuple[System | None, str]:
    """The plain autoencoder, trained in the same way, and how it was trained; or None and why there is none."""
    system = fitted.system
    if system.recipe == _PLAIN:
        return None, "left out: the model is the plain autoencoder itself"
    if not system.recipe:
        return None, "left out: the model was composed by hand, so there is no recipe to take the networks from"
    if system.handed:
        return None, f"left out: the model has networks of its own ({', '.join(system.handed)}), which cannot be trained twice"
    settings = _settings(fitted)
    plain = seeded(_PLAIN, system.modality, Arguments({}, _arguments(system), settings))
    watch = _Watch(tell)
    tell(watch.doing, 0.0)
    history = run_training(plain, parts.feed(system.modality, settings), settings, hooks=[watch])
    plain.model.to("cpu")
    took, whole = history.epochs, fitted.history.epochs
    short = f" of the model's {whole:.0f}" if round(took) < round(whole) else ""
    latent = "latent, " if "latent" in _arguments(system) else ""
    return plain, f"{_PLAIN} with the same networks, {latent}settings and seed, {took:.0f} epochs{short}"


def _share_in(rows: Tensor, others: Tensor) -> float:
    """Of rows, the share that is to the bit one of the others; of no rows, 0."""
    draw, keys = torch.Generator().manual_seed(0), []
    odd = torch.randint(2**62, (prod(rows.shape[1:]),), generator=draw) * 2 + 1
    for values in (rows, others):
        words = (part.float().flatten(1).view(torch.int32).long() for part in values.split(_AT_ONCE))
        keys.append(torch.cat([(part * odd).sum(1) for part in words]))
    return float(torch.isin(*keys).float().mean().nan_to_num(0.0))


def _settings(fitted: Trained) -> Settings:
    """The run's own settings, for as many epochs as it took."""
    given = Settings.checked(**dict(fitted.data.get("settings") or {}))
    seen = fitted.history.validations
    if not seen:
        return given.model_copy(update={"device": "auto", "devices": 1, "encoder_steps": 0})
    share = min(_SECONDS / max(seen[-1].seconds, 1.0), 1.0)
    # A run that stopped early chose its epochs by its own bound: the baseline is given as many, not the same rule.
    epochs = max(round(share * fitted.history.epochs), 1)
    return given.model_copy(update={"epochs": epochs, "minutes": None, "patience": 0, "encoder_steps": 0, "device": "auto", "devices": 1})


def _arguments(system: System) -> dict[str, Any]:
    """What the recipes share: the latent, the likelihood and the sizes of the networks."""
    own = set(signature(BOOK.recipe(system.recipe)).parameters) | set(signature(BOOK.recipe("vae")).parameters)
    shared = set(signature(BOOK.recipe(_PLAIN)).parameters)
    return {name: value for name, value in system.arguments.items() if name in shared or name not in own}


class _Watch:
    """Tells how far the baseline is."""

    doing = "training the plain autoencoder"

    def __init__(self, tell: Progress):
        self.tell = tell

    def moment(self, moment: Any) -> None:
        """Called a few times a second."""
        self.tell(self.doing, moment.progress)

    def validation(self, validation: Any) -> None:
        """Nothing to say."""

    def note(self, text: str) -> None:
        """Nothing to say: the baseline's troubles are not the person's."""


def _about(fitted: Trained, test: Mapping[str, Tensor], data: Any, baseline: str) -> dict[str, Any]:
    """What the page is about, in words."""
    system, facts = fitted.system, fitted.data
    modality, versions = system.modality, f"vaekit {_version()}, torch {torch.__version__}, Python {platform.python_version()}"
    source = facts.get("source")
    shape = " × ".join(map(str, modality.event))
    names, fingerprint = facts.get("condition_columns"), facts.get("fingerprint")
    told = [
        f"{facts.get('rows', modality.rows):,} rows of {shape}",
        *([f"told {', '.join(names)} of each row"] if names else []),
        f"{len(test['x']):,} {'held out' if data is None else 'measured on'}",
        f"likelihood {modality.likelihood.replace('_', ' ')}",
        *([f"fingerprint {fingerprint[:12]}"] if fingerprint else []),
        datetime.now(UTC).strftime("%Y-%m-%d"),
    ]
    return {
        "data": Path(str(source)).name if source else "values in memory", "recipe": system.recipe or "composed by hand",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "versions": versions, "facts": told,
        "baseline": f"Baseline: {baseline}.",
    }


def _version() -> str:
    from vaekit import __version__

    return __version__
