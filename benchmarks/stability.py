r"""Whether what a critic takes part in ends alike from every seed: five trainings of each recipe, at its defaults.

    every figure: `vaekit.faces.measuring.measured`, the code behind `vae evaluate`, on the same held-out rows by the same judge

The scikit-learn digits, 8 x 8, with no argument and no setting named but the seed. Of MNIST the recipes' own 50 passes take three hours
of a core for one VAE-GAN: there `--epochs` shortens them, and nothing else is named. A seed has diverged by the rules of `comparison`: a
number of it was not finite, the FID of its draws is above twice the median over seeds, or its draws lie near fewer than one held-out row in
twenty. The VAE, which has no critic, is trained beside them for scale.

A finished training is one line of a file and is not made again. Two processes with the same command share the work.
"""

import statistics
from pathlib import Path
from typing import Any

from comparison import diverged
from record import Record, arguments, figure, finished, out, root, run
from sharing import made_once

from vaekit.core.errors import WorkFailed
from vaekit.faces import api
from vaekit.faces.extractors import Judges
from vaekit.faces.measuring import measured

_RECIPES = ("vae", "vae_gan", "aae")
_SPLIT = 0
_RESULTS = root / "benchmarks" / "results" / "stability.jsonl"
_FIGURES = {"Frechet distance (FID)": "1", "coverage": "share", "precision": "share", "recall": "share"}


def told(options: Any) -> dict[str, Any]:
    """How every training is made and measured; those of another table differ in it."""
    return {"data": options.data, "epochs": options.epochs, "particles": options.particles}


def ended(recipe: str, seed: int, options: Any, judges: Judges) -> dict[str, Any]:
    """How a training ended: what broke it, what it noted, and its draws' figures.

    Arguments:
        recipe: a name in the book.
        seed: of the weights, the order of rows and every draw of the training.
        options: of the command line.
        judges: of samples, the same for all runs.
    """
    length = {} if options.epochs is None else {"epochs": options.epochs}
    line: dict[str, Any] = {
        "recipe": recipe, "seed": seed, "told": told(options), "failed": "", "notes": [], "drawn": {}, "epochs": 0.0
    }
    try:
        fitted = api.fit(options.data, recipe, seed=seed, split_seed=_SPLIT, progress=False, **length)
    except WorkFailed as error:
        return {**line, "failed": str(error)}
    metrics, _ = measured(fitted, None, options.particles, baseline=False, judges=judges)
    found = {f["name"]: f for f in metrics["samples"]["figures"] if f["name"] in _FIGURES}
    return {**line, "notes": fitted.history.notes, "drawn": found, "epochs": fitted.history.epochs}


def measure(options: Any, record: Record) -> None:
    """Make the trainings that are missing and that no other process has in hand, then set the ends of all that there are side by side."""
    judges, wanted = Judges(), told(options)
    asked = [(recipe, seed) for seed in range(options.seeds) for recipe in _RECIPES]
    made = made_once(asked, "recipe", options.results, wanted, options.locks, lambda recipe, seed: ended(recipe, seed, options, judges))
    for line in made:
        out.print(f"{line['recipe']} seed {line['seed']}: {line['failed'] or 'trained'}", markup=False)
    lines = finished(options.results, wanted)
    for recipe in _RECIPES:
        runs = [line for line in lines if line["recipe"] == recipe]
        if not runs:
            continue
        how = f"{options.data}, {max(line['epochs'] for line in runs):.0f} epochs, the recipe's defaults, {len(runs)} seeds"
        for name, unit in _FIGURES.items():
            values = [line["drawn"][name]["value"] for line in runs if name in line["drawn"]]
            if values:
                spread = f"mean over seeds, {min(values):.3g} to {max(values):.3g}; {how}"
                record.add(figure(f"{recipe}, {name}", statistics.mean(values), unit, len(values), spread))
        rules = f"see the head of the script; {how}"
        record.add(figure(f"{recipe}, seeds that diverged", len(diverged(runs, "drawn")), "", len(runs), rules, at_most=0))


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--data", default="digits", help="another known set of images")
    parser.add_argument("--epochs", type=int, help="passes over the rows, told beside every figure; default the recipe's own")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="file of finished trainings, a line each")
    parser.add_argument("--locks", type=Path, default=root / "runs" / "stability", help="folder that tells what is in hand")
    parser.add_argument("--particles", type=int, default=16, metavar="K", help="importance samples a row")
    return run(parser, "Critics from five seeds", measure)


if __name__ == "__main__":
    raise SystemExit(main())
