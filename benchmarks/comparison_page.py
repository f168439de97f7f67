"""The page that the comparison of seven recipes and a GAN is shown on: three tables, a strip of images a model, and how it was measured."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["page"]

Lines = Sequence[Mapping[str, Any]]

_FID, _KID = "Frechet distance (FID)", "kernel distance (KID)"
_LIKELIHOOD = {"negative log-likelihood": "NLL, nats ↓", "bits per dimension": "bits per dimension ↓", "rate": "rate, nats"}
_IMAGES = {
    _FID: "FID ↓", _KID: "KID ↓", "precision": "precision ↑", "recall": "recall ↑", "density": "density ↑", "coverage": "coverage ↑",
}
_ERROR, _NONE = "mean squared error", "none"


def page(
    models: Iterable[str], lines: Lines, diverged: Mapping[str, Sequence[int]], images: Mapping[str, str], machine: Mapping[str, Any]
) -> str:
    """The page as Markdown.

    Arguments:
        models: in the order of the tables.
        lines: the finished runs.
        diverged: of each model, the seeds that did.
        images: of each model and of held-out rows, where a strip of images lies.
        machine: what measured.
    """
    runs = {model: [line for line in lines if line["model"] == model] for model in models}
    runs = {model: found for model, found in runs.items() if found}
    return "\n".join([
        "# Seven recipes and a GAN on the same images", "",
        "Made by `python benchmarks/comparison.py --page` from `benchmarks/results/comparison.jsonl`, a line a run.", "",
        *_protocol(lines, machine), "", "## Likelihood, sharpness and stability", "",
        "Sharpness is that of means of p(x|z): 1 = as sharp as held-out images, below = blurred. A run has diverged where a number of it",
        "was not finite, where the FID of its means is above twice the median of the model's seeds, or where its means lie near fewer than",
        "one held-out image in twenty (coverage below 0.05): it draws a few images again and again.", "",
        *_first(runs, diverged), *_lost(runs, diverged), "", "## Means of p(x|z)", "",
        "What a decoder says an image is, without a pixel's noise.", "", *_judged(runs, "means"), "", "## Draws of p(x|z)", "",
        "What the likelihood says a row is, noise and all: what `vae compare` measures.", "", *_judged(runs, "drawn"), "",
        "## Images", "", "Means of p(x|z) for the first draws of z, seed 0; of the CVAE, each class in turn. None was chosen.", "",
        *_strips(images, runs), "", "## The same by the command", "", *_command(lines[0]["told"]), "",
    ])


def _values(lines: Lines, section: str, name: str, part: str = "value") -> list[float]:
    found = [line.get(section, {}).get(name, {}).get(part) for line in lines]
    return [value for value in found if value is not None]


def _spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over seeds."""
    if not values:
        return _NONE
    mean = statistics.fmean(values)
    return f"{mean:.4g} ± {statistics.stdev(values):.2g}" if len(values) > 1 else f"{mean:.4g}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]


def _first(runs: Mapping[str, Lines], diverged: Mapping[str, Sequence[int]]) -> list[str]:
    heads = ["model", "runs", "diverged", *_LIKELIHOOD.values(), "squared error ↓", "sharpness → 1", "steps", "minutes", "parameters"]
    rows = []
    for model, lines in runs.items():
        whole = [line for line in lines if not line["failed"]]
        costs = [_spread([line[name] for line in whole]) for name in ("steps", "minutes")]
        size = f"{statistics.fmean(line['parameters'] for line in whole) / 1e6:.2f} M" if whole else _NONE
        rows.append([
            model, str(len(lines)), str(len(diverged[model])), *(_spread(_values(lines, "likelihood", name)) for name in _LIKELIHOOD),
            _spread(_values(lines, "reconstruction", _ERROR)), _spread(_values(lines, "means", "sharpness")), *costs, size,
        ])
    for words, part in (("training images", "ceiling"), ("the same, blurred", "floor")):
        known = [value for lines in runs.values() for value in _values(lines, "means", "sharpness", part)]
        rows.append([words, *[""] * (len(heads) - 5), f"{known[0]:.3g}" if known else "", "", "", ""])
    return _table(heads, rows)


def _lost(runs: Mapping[str, Lines], diverged: Mapping[str, Sequence[int]]) -> list[str]:
    """A sentence for each model of which a seed diverged."""
    told = []
    for model, lines in runs.items():
        if diverged[model]:
            gone = [line for line in lines if line["seed"] in diverged[model] and not line["failed"]]
            steps, share = _spread([line["steps"] for line in gone]), _spread(_values(gone, "means", "coverage"))
            told += ["", f"**{model}** diverged from {len(diverged[model])} of {len(lines)} seeds: after {steps} steps, coverage {share}."]
    return told


def _judged(runs: Mapping[str, Lines], section: str) -> list[str]:
    rows = [[model, *(_spread(_values(lines, section, name)) for name in _IMAGES)] for model, lines in runs.items()]
    for words, part in (("training images", "ceiling"), ("the same, shuffled", "floor")):
        known = [[value for lines in runs.values() for value in _values(lines, section, name, part)] for name in _IMAGES]
        rows.append([words, *(f"{values[0]:.3g}" if values else "" for values in known)])
    return _table(["model", *_IMAGES.values()], rows)


def _strips(images: Mapping[str, str], runs: Mapping[str, Lines]) -> list[str]:
    shown = [(name, f"![{name}]({images[name]})") for name in ("held out", *runs) if name in images]
    absent = [(name, "no prior to draw from") for name in runs if name not in images]
    return _table(["model", "images"], [*shown, *absent])


def _protocol(lines: Lines, machine: Mapping[str, Any]) -> list[str]:
    told = lines[0]["told"]
    own = {name: value for name, value in told["gan"].items() if name != "times"}
    seeds = sorted({line["seed"] for line in lines})
    counts = {n for line in lines for n in _values([line], "likelihood", "negative log-likelihood", "n")}
    drawn = {n for line in lines for n in _values([line], "means", "sharpness", "n")}
    judges = _named(lines, "judge")
    apart = " Figures of different judges do not compare." if "; " in judges else ""
    rows = max(line.get("held_out", 0) for line in lines)
    return [
        f"**Data.** {told['data']} in bytes, the catalogue's training images: a tenth held out to choose weights by, and a tenth, {rows:,}",
        "images, to measure on, the same for all runs. Bytes, since a critic can judge grey images as they are, where bits would give",
        "every grey pixel of a decoder away; all recipes have one likelihood, a logistic rounded to the levels, so that their nats",
        "compare.", "",
        f"**Training.** Minutes of wall-clock a run: {told['minutes']:g}; seeds {', '.join(map(str, seeds))}. The same networks, settings",
        "and latent of 16 numbers for all (16 codes of the VQ-VAE, two latents of 8 of the ladder), and each recipe's own defaults:",
        f"`{json.dumps(told['network'])}`, `{json.dumps(told['training'])}`.",
        f"The GAN, which no encoder helps, has {told['gan']['times']:g} times the minutes, and `{json.dumps(own)}`,",
        "a critic of its own and other initial weights: with those of the recipes it drew a few images again and again, from each of five",
        "seeds.",
        f"{_named(lines, 'processor')}; threads: {machine['threads']}, cores: {machine['cores']}, torch {machine['torch']};",
        "other work shared the cores. Runs are short and networks small: the numbers compare models with one another, and with no",
        "published table.", "",
        f"**Measures.** Those of `vae compare`, on the same held-out images: {told['particles']} importance samples a row on",
        f"{_listed(counts)} images; FID and KID in the features of a network of this data, one for all runs of a machine",
        f"({judges or 'none'}).{apart} Precision, recall, density and coverage in the principal components, of",
        f"{_listed(drawn)} images drawn against as many held out. An image that is the mean of many lies between all of them, so that a",
        "blur has high precision and density: read them with coverage and sharpness.",
        "The CVAE is told the held-out rows' classes; its lines are of before a mixture followed its normal prior.",
        "A cell is mean ± standard deviation over seeds. An autoencoder has no prior to draw",
        "from; it and the GAN have no likelihood: none is written.",
    ]


def _named(lines: Lines, fact: str) -> str:
    """Each processor or judge, with the models that it had to do with where there are several."""
    models: dict[str, dict[str, None]] = {}
    for line in lines:
        if line.get(fact):
            models.setdefault(line[fact], {})[line["model"]] = None
    return "".join(models) if len(models) < 2 else "; ".join(f"{name}: {', '.join(ran)}" for name, ran in models.items())


def _listed(counts: Iterable[float]) -> str:
    return " to ".join(f"{n:,.0f}" for n in dict.fromkeys((min(counts, default=0), max(counts, default=0))))


def _command(told: Mapping[str, Any]) -> list[str]:
    shared = {**told["network"], **told["training"]}
    values = {name: ",".join(map(str, v)) if isinstance(v, list) else str(v).lower() for name, v in shared.items()}
    options = " ".join(f"--set {name}={value}" for name, value in values.items())
    common = f"--minutes {told['minutes']:g} --seed 0"
    return [
        "Seed 0 of the table's recipes; the CVAE apart, since the others are told no condition:", "", "```",
        f"vae compare --recipes autoencoder,vae,beta_vae,vq_vae,vae_gan,ladder_vae {told['data']} --out runs/seven {common} \\",
        f"    {options} \\", "    --set latent=16 --set ladder_vae.levels=2 --set ladder_vae.latent=8",
        f"vae fit {told['data']} --recipe cvae --condition label --run runs/seven/cvae {common} \\",
        f"    {options} --set latent=16",
        "vae compare runs/seven/autoencoder runs/seven/vae runs/seven/beta_vae runs/seven/cvae runs/seven/vq_vae runs/seven/vae_gan \\",
        "    runs/seven/ladder_vae", "```", "",
        "`vae compare` measures draws. The GAN is no recipe: `benchmarks/outsider.py` composes it of the same decoder.",
    ]
