r"""What a flow in the posterior or in the prior gains on MNIST: the NLL of three recipes after the same minutes of training.

    gain = NLL(vae) - NLL(recipe),   same networks, same data, same budget, same test images, same seed

The networks are convolutions, or dense: two gated layers of 300. Each recipe is trained and measured by `mnist_likelihood`; the protocol of
every figure is that one's. Run with one thread a recipe has one core; with more, the measuring is shared out among as many processes.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mnist_likelihood import measure
from record import Figure, Record, arguments, figure, run

_PLAIN, _WITH_FLOWS = "vae", ("flow_vae", "flow_prior_vae")
_GAIN = 1.0


@dataclass(frozen=True)
class _Race:
    """What the recipes have in common, and what some have of their own."""

    warm_up: float
    common: tuple[str, ...]
    own: Mapping[str, tuple[str, ...]]

    def of(self, recipe: str) -> tuple[str, ...]:
        """Arguments and settings of one recipe."""
        beta = json.dumps({"recipe": "linear", "arguments": {"until": self.warm_up}})
        return (*self.common, f"beta={beta}", "latent=40", "weight_decay=0.05", *self.own.get(recipe, ()))


# Of the prior: one autoregressive map fitted the latents of validation images as well as four couplings, in half of their time.
_PRIOR = {"flow_prior_vae": ("flow=autoregressive", "steps=1", "share=0.7")}
_RACES = {
    # Over a twentieth of so few epochs, a diagonal posterior gave half of its dimensions up. Beside these convolutions, four wide maps make
    # a step a seventh longer.
    "convolution": _Race(
        0.2, ("network=convolution", "channels=16,64,64", "blocks=0", "batch=128", "compile=false"),
        {**_PRIOR, "flow_vae": ("steps=4", "flow_hidden=[512]", "context=256")},
    ),
    # Held-out images tell no difference between this weight decay and none: -ELBO 89.77 and 89.79 of the first recipe after about an hour.
    # Two maps make a step a quarter longer, four by half; on validation images two were ahead in all of 20 minutes.
    "dense": _Race(
        0.05, ("network=mlp", "hidden=300,300", "gated=true"), {**_PRIOR, "flow_vae": ("steps=2", "flow_hidden=[512]")},
    ),
}


def compare(options: argparse.Namespace, record: Record) -> None:
    """Train each recipe in turn, and set each against the first."""
    found: dict[str, Figure] = {}
    for recipe in (_PLAIN, *options.recipes):
        own = [word for name, _, word in (pair.partition(":") for pair in options.own) if name == recipe]
        asked = {
            **vars(options), "recipe": recipe, "particles": None, "set": [*_RACES[options.networks].of(recipe), *options.set, *own],
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
    parser.add_argument("--networks", default="convolution", choices=sorted(_RACES), help="of all recipes")
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
