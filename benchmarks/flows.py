r"""What a flow in the posterior or in the prior gains on MNIST: the NLL of three recipes after the same minutes of training.

    gain = NLL(vae) - NLL(recipe),   same networks, same data, same budget, same test images, same seed

The networks are convolutions, which do not learn the training images by heart in that time as dense ones do: what holds a model back is its
posterior and its prior. Each recipe is trained and measured by `mnist_likelihood`; the protocol of every figure is that one's. Run with
one thread a recipe has one core; with more, the measuring is shared out among as many processes.
"""

import argparse
import json
from pathlib import Path

from mnist_likelihood import measure
from record import Figure, Record, arguments, figure, run

_PLAIN, _WITH_FLOWS = "vae", ("flow_vae", "flow_prior_vae")
_GAIN = 1.0
# Over a twentieth of so few epochs, a diagonal posterior gives half of its dimensions up: 19 of 32 were left.
_WARM_UP = json.dumps({"recipe": "linear", "arguments": {"until": 0.2}})
_NETWORK = ("network=convolution", "channels=16,64,64", "blocks=0", "latent=40")
_COMMON = (*_NETWORK, f"beta={_WARM_UP}", "batch=128", "weight_decay=0.05", "compile=false")
# Of the posterior: beside these convolutions, four wide maps make a step a seventh longer.
# Of the prior: one autoregressive map fitted the latents of validation images as well as four couplings, in half of their time.
_OWN = {
    "flow_vae": ("steps=4", "flow_hidden=[512]", "context=256"),
    "flow_prior_vae": ("flow=autoregressive", "steps=1", "share=0.7"),
}


def compare(options: argparse.Namespace, record: Record) -> None:
    """Train each recipe in turn, and set each against the first."""
    found: dict[str, Figure] = {}
    for recipe in (_PLAIN, *options.recipes):
        own = [word for name, _, word in (pair.partition(":") for pair in options.own) if name == recipe]
        asked = {
            **vars(options), "recipe": recipe, "particles": None, "set": [*_COMMON, *_OWN.get(recipe, ()), *options.set, *own],
            "run": None if options.run is None else options.run / recipe,
        }
        alone = Record(recipe)
        measure(argparse.Namespace(**asked), alone)
        alone.show()
        for value in alone.figures:
            record.add(figure(f"{recipe}: {value.name}", value.value, value.unit, value.n, value.protocol, value.seed))
        found[recipe] = next(value for value in alone.figures if value.name == "test NLL")
    first = found[_PLAIN]
    for recipe in options.recipes:
        how = f"{_PLAIN} less {recipe}, {options.minutes:g} min of training each, the same test images and pixels"
        record.add(figure(f"gain of {recipe}", first.value - found[recipe].value, "nats", first.n, how, options.seed, at_least=_GAIN))


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--recipes", nargs="+", default=_WITH_FLOWS, choices=_WITH_FLOWS, help="which are set against the first")
    parser.add_argument("--minutes", type=float, default=50.0, help="wall-clock budget of each recipe's training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of checkpoints, one within it for each recipe")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --run")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an argument of all recipes or a training setting")
    parser.add_argument("--own", action="append", default=[], metavar="RECIPE:KEY=VALUE", help="an argument of one recipe")
    parser.add_argument("--test-rows", type=int, metavar="N", help="the first N test images only: a quick check, no figure")
    parser.add_argument("--importance", type=int, default=1_000, metavar="K", help="importance samples a test image")
    return run(parser, "flows on MNIST", compare)


if __name__ == "__main__":
    raise SystemExit(main())
