r"""Whether a critic makes samples better: the VAE-GAN against the VAE with the same encoder and decoder, over several seeds.

    ratio = FID(vae_gan) / FID(vae),   FID in the features of a classifier of real digits          (Heusel et al. 2017, arXiv:1706.08500)

MNIST in bytes. Both train for the same minutes with the same settings. The figure of each is the lower of two, that of rows drawn from
p(x|z) and that of their means. A seed has diverged where a step had to be taken back, since a number was not finite, or where the VAE-GAN's
FID is above twice the VAE's. The test images, as many as are drawn, are what samples are compared with; as many training images against
them tell what is left where nothing is wrong.
"""

import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bound import Watching, sorted_options
from classifier import Classifier, trained_classifier
from record import Record, arguments, figure, mnist, out, run

from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.data.loading import Loader
from vaekit.evaluation.distance import frechet_distance
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.tasks.generate import draw
from vaekit.training import History, Settings, fit

_RATIO, _AWAY = 0.7, 2.0
_VALIDATION = 1_000
# Where a step of the recipes' own convolutions takes half a second, a critic learns nothing within minutes.
_NETWORK: dict[str, Any] = {"latent": 16, "network": "mlp", "hidden": [256, 256]}
_OPTIONS: dict[str, Any] = {"batch": 128, "rate": 1e-3, "momentum": 0.5}
_SHOWN = (8, 16)


def distances(system: System, found: Classifier, real: np.ndarray, seed: int, folder: Path | None) -> dict[str, float]:
    """FID of means and of draws, from as many as there are real images; a sheet of each where there is a folder."""
    measured = {}
    for name, mean in (("means", True), ("draws", False)):
        images = draw(system, len(real), seed=seed, mean=mean)
        measured[name] = frechet_distance(found.features(images).numpy(), real)
        if folder is not None:
            _sheet(images, folder / f"{system.recipe}-{seed}-{name}.png")
    return measured


def _sheet(images: torch.Tensor, path: Path) -> None:
    from PIL import Image

    rows, columns = _SHOWN
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = images[torch.arange(rows * columns) % len(images)]
    grid = shown.reshape(rows, columns, 28, 28).permute(0, 2, 1, 3).reshape(28 * rows, 28 * columns)
    Image.fromarray((255 * grid.clamp(0, 1)).byte().numpy()).save(path)


def chosen(options: Any, recipe: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A recipe's arguments and the training settings: the defaults, then what was asked for.

    Arguments:
        options: `set`, for both recipes, and `adversarial`, for the VAE-GAN alone: `key=value` each.
        recipe: which.
    """
    own = options.adversarial if recipe == "vae_gan" else []
    return sorted_options([*options.set, *own], {**_NETWORK, **_OPTIONS})


@dataclass(frozen=True)
class _Feed:
    train: Loader
    validation: Loader


def trained(recipe: str, data: Records, options: Any, seed: int) -> tuple[System, History]:
    """A recipe trained from a seed; its checkpoints have a folder of their own."""
    own, training = chosen(options, recipe)
    modality = MODALITIES["image"]().fit(data)
    torch.manual_seed(seed)
    system = build(Book(RECIPES, MODALITIES), recipe, modality, **own)
    settings = Settings.checked(**{"minutes": options.minutes, "seed": seed, **training})
    folder = None if options.run is None else options.run / f"{recipe}-{seed}"
    rows = modality.store(data)
    parts = ({n: v[part] for n, v in rows.items()} for part in (slice(-_VALIDATION), slice(-_VALIDATION, None)))
    feed = _Feed(*(Loader(part, modality, settings.batch, seed) for part in parts))
    return system, fit(system, feed, settings, folder, options.resume, [Watching()])


def measure(options: Any, record: Record) -> None:
    """Train both from every seed, then compare their samples."""
    data, test = mnist()
    test = test.take(slice(options.test_rows))
    found = trained_classifier(data, test, epochs=options.judge_epochs)
    features = found.features(torch.from_numpy(test.x)).numpy()
    floor = frechet_distance(found.features(torch.from_numpy(data.take(slice(test.rows)).x)).numpy(), features)
    unlabelled = replace(data, label=None, classes=())
    lowest: dict[str, list[float]] = {"vae": [], "vae_gan": []}
    diverged, epochs = 0, []
    for seed in range(options.seeds):
        for recipe in lowest:
            system, history = trained(recipe, unlabelled, options, seed)
            figures = distances(system, found, features, seed, options.sheets)
            lowest[recipe].append(min(figures.values()))
            last = history.validations[-1]
            epochs.append(last.epoch)
            failed = recipe == "vae_gan" and (bool(history.notes) or lowest["vae_gan"][-1] > _AWAY * lowest["vae"][-1])
            diverged += failed
            words = ", ".join(f"{name} {distance:.2f}" for name, distance in figures.items())
            out.print(f"seed {seed}   {recipe:<8} FID of {words}   {last.epoch:.0f} epochs{'   DIVERGED' if failed else ''}", markup=False)
    _compare(record, options, found, floor, lowest, diverged, epochs, test.rows)


def _compare(
    record: Record, options: Any, found: Classifier, floor: float, lowest: dict[str, list[float]], diverged: int, epochs: list[float],
    rows: int,
) -> None:
    seeds = options.seeds
    how = (
        f"MNIST in bytes, {options.minutes:g} min a run ({min(epochs):.0f} to {max(epochs):.0f} epochs), {rows:,} images drawn and as many "
        f"test images; judge {found.fingerprint} with {found.accuracy:.2%} of test images right; "
        f"{json.dumps(dict(zip(('arguments', 'training'), chosen(options, 'vae_gan'))))}"
    )
    ratios = [b / a for a, b in zip(lowest["vae"], lowest["vae_gan"])]
    for recipe, values in lowest.items():
        spread = statistics.stdev(values) if seeds > 1 else 0.0
        record.add(
            figure(f"FID, {recipe}", statistics.mean(values), "", seeds, f"mean over seeds; {how}"),
            figure(f"FID, {recipe}, spread", spread, "", seeds, "standard deviation over seeds"),
        )
    record.add(
        figure("FID, training images", floor, "", rows, "as many of them against the test images: what is left where nothing is wrong"),
        figure("FID, vae_gan over vae", statistics.mean(ratios), "times", seeds, "mean over seeds", at_most=_RATIO),
        figure("FID, vae_gan over vae, worst seed", max(ratios), "times", seeds, "the largest of the seeds"),
        figure("seeds that diverged", diverged, "", seeds, "see the head of the script", at_most=0),
    )


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=6.0, help="wall-clock budget of each training run")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an argument or a setting of both recipes")
    parser.add_argument("--adversarial", action="append", default=[], metavar="KEY=VALUE", help="an argument of the VAE-GAN alone")
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --run")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="folder for sheets of samples, as PNG")
    parser.add_argument("--test-rows", type=int, metavar="N", help="the first N test images only: a quick check, no figure")
    parser.add_argument("--judge-epochs", type=int, default=4, metavar="N", help="passes of the classifier")
    return run(parser, "Samples with a critic", measure)


if __name__ == "__main__":
    raise SystemExit(main())
