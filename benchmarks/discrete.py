r"""A latent of codes on MNIST: how many codes are used, what held-out digits cost, and whether what is drawn from the prior are digits.

    bound on -log p(x)  =  -log p(x|k) - log p(k),   exact for a quantiser; with a learned prior p(k) = prod_t p(k_t|k_<t)

Drawn digits are means E[x|k] for k ~ p(k), judged by a classifier that was trained on real training images and never saw a drawn one.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch
from bound import train
from classifier import trained_classifier
from record import Record, arguments, figure, mnist, out, run

from vaekit.core.system import Book, build
from vaekit.evaluation import importance_nll, measure_codes
from vaekit.evaluation.values import take
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.tasks.generate import draw
from vaekit.training import Settings

_USED, _SURE, _UNEVEN, _WATCHED = 0.9, 0.9, 0.2, 5000
_OPTIONS = {"batch": 256, "rate": 2e-3, "weight_decay": 0.01}
# A row of 12 codes is short enough for a transformer to learn on two cores in the time there is.
_NETWORK = {"codes": 128, "network": "residual", "hidden": [512, 512], "latent": 12, "share": 0.5}


def measure(options: Any, record: Record) -> None:
    """Train the model and the classifier, measure the codes and the bound, draw, and judge."""
    data, test = mnist()
    modality = MODALITIES["image"](binarise="dynamic").fit(data)
    torch.manual_seed(options.seed)
    chosen = json.loads(options.arguments)
    system = build(Book(RECIPES, MODALITIES), options.recipe, modality, **chosen)
    settings = Settings.checked(minutes=options.minutes, seed=options.seed, **_OPTIONS)
    stored = modality.store(data)
    learnt, watched = ({n: v[part] for n, v in stored.items()} for part in (slice(None, -_WATCHED), slice(-_WATCHED, None)))
    history = train(system, learnt, watched, settings, options.run, options.resume)
    how = (
        f"{options.recipe}, {' + '.join(f'{end.epoch:.0f}' for end in history.ends)} epochs in {settings.minutes:g} min; "
        f"{json.dumps({**chosen, **_OPTIONS})}"
    )
    rows = take(modality.store(test), options.rows, options.seed)
    found, bound = measure_codes(system, rows, options.seed), importance_nll(system, rows, 1, options.seed)
    record.add(
        figure("codes used", found.used / found.codes, "share", found.rows, f"of {found.codes}, test images; {how}", options.seed,
               at_least=_USED),
        figure("perplexity of the codes", found.perplexity, "codes", found.rows, how, options.seed),
        figure("-log p(x), upper bound", bound.nll, "nats", bound.rows, f"one draw, dynamic binarisation; {how}", options.seed),
        figure("distortion", bound.distortion, "nats", bound.rows, how, options.seed),
        figure("rate", bound.rate, "nats", bound.rows, f"-log p(k), or log q(k|x) - log p(k); {how}", options.seed),
    )
    began = time.monotonic()
    judge = trained_classifier(data, test, options.seed)
    out.print(f"classifier: {judge.accuracy:.2%} of the test images right, {time.monotonic() - began:.0f} s", markup=False)
    chances = judge.probabilities(draw(system, options.drawn, None, 1.0, options.seed, True))
    real = judge.probabilities(torch.from_numpy(test.x))
    shares, usual = (torch.bincount(p.argmax(-1), minlength=10) / len(p) for p in (chances, real))
    uneven, told = (shares / usual - 1).abs(), f"classifier {judge.fingerprint} with {judge.accuracy:.2%} of test images right; {how}"
    record.add(
        figure("confidence in drawn digits", float(chances.amax(1).mean()), "share", len(chances), told, options.seed, at_least=_SURE),
        figure("confidence in test digits", float(real.amax(1).mean()), "share", len(real), told, options.seed),
        figure("farthest class from its share", float(uneven.max()), "share", len(chances),
               f"class {int(uneven.argmax())}, against its share of test images; {told}", options.seed, at_most=_UNEVEN),
    )


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--recipe", default="vq_vae", choices=("vq_vae", "fsq_vae", "gumbel_vae"))
    parser.add_argument("--arguments", default=json.dumps(_NETWORK), metavar="JSON", help="of the recipe")
    parser.add_argument("--minutes", type=float, default=45.0, help="wall-clock budget of training, both stages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --run")
    parser.add_argument("--rows", type=int, default=10_000, metavar="N", help="test images that codes and bound are measured on")
    parser.add_argument("--drawn", type=int, default=10_000, metavar="N", help="digits drawn from the prior")
    return run(parser, "Latents of codes", measure)


if __name__ == "__main__":
    raise SystemExit(main())
