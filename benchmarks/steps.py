r"""What a recipe's step costs beside one written by hand for the same networks.

    ratio = seconds of a recipe's step / seconds of the hand-written one's

Both are loss, backward and a fused AdamW, in float32 on one thread, on the same rows of bits, with networks of equal layers. They take
turns in one process: blocks of steps, the first of each block left out, who begins changing from turn to turn; ratios are taken turn by
turn and the middle one is quoted, since a machine's speed wanders.
"""

import statistics
import time
from collections.abc import Callable
from inspect import signature
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from racers.steps_by_hand import BY_HAND, Layers
from record import Record, arguments, bar, figure, run
from torch import Tensor, nn

from vaekit.core.objective import Step
from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.training import Settings
from vaekit.training.optimisation import Optimisation

_RATIO = 1.2
_HIDDEN, _LATENT, _ROWS = 400, 20, 1024
_SIDE = 28


def images(seed: int) -> np.ndarray:
    """Blobs of bits, `(N, 28, 28)`: speed does not ask what they show."""
    draw = np.random.default_rng(seed)
    return (draw.random((_ROWS, _SIDE, _SIDE)) < draw.random((_ROWS, 1, 1))).astype(np.uint8)


def of_recipe(recipe: str, data: Records) -> System:
    """The recipe on plain layers."""
    modality = MODALITIES["image"]().fit(data)
    return build(Book(RECIPES, MODALITIES), recipe, modality, latent=_LATENT, network="mlp", hidden=[_HIDDEN])


def ours(system: System, rows: dict[str, Tensor], size: int) -> Callable[[], None]:
    """A step of the recipe, as the loop takes it."""
    system.stages[0].prepare(system.model)
    step = Step(system.model, system.stages[0].objective)
    optimisation = Optimisation(step, Settings(batch=size))
    batch = system.modality.batch({name: values[:size] for name, values in rows.items()})

    def take() -> None:
        loss, opponent, _, observed = step(batch)
        total = loss if opponent is None else loss + opponent
        total.backward()
        optimisation.step(0.5, optimisation.norm())
        for name, learner in step.learners.items():
            learner.after_step(observed[name])

    with torch.no_grad():
        for learner in step.learners.values():
            learner.start(step.walk(batch))
    return take


def by_hand(recipe: str, system: System, rows: dict[str, Tensor], size: int) -> Callable[[], None]:
    """A step written by hand, on layers of the same sizes."""

    def layers(*widths: int) -> nn.Sequential:
        made: list[nn.Module] = []
        for a, b in pairwise(widths):
            made += [nn.Linear(a, b), nn.SiLU()]
        return nn.Sequential(*made[:-1])

    pixels = _SIDE**2
    critic = None
    if recipe == "vae_gan":
        above = nn.Sequential(nn.Linear(_HIDDEN, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
        critic = (nn.Sequential(nn.Linear(pixels, _HIDDEN), nn.SiLU()), above)
    made, read, book = 2 * _LATENT, _LATENT, None
    if recipe == "vq_vae":
        made = read = _LATENT * _defaults(recipe)["width"]
        own = system.model.posterior.family.book
        book = (own.vectors.detach().clone(), torch.full((own.size,), size * _LATENT / own.size))
    parts = Layers(layers(pixels, _HIDDEN, made), layers(read, _HIDDEN, pixels), critic, _ROWS, book)
    sides = [[*parts.encoder.parameters(), *parts.decoder.parameters()], [p for part in critic or () for p in part.parameters()]]
    optimisers = [torch.optim.AdamW(side, lr=1e-3, weight_decay=0.0, fused=True) for side in sides if side]
    x = system.modality.batch({name: values[:size] for name, values in rows.items()}).x
    assert x is not None
    flat = x.flatten(1).float()
    asked: dict[str, Any] = {"location": 0.5, "scale": 0.5, **_defaults(recipe)}

    def take() -> None:
        BY_HAND[recipe](parts, flat, asked).backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()

    return take


def _defaults(recipe: str) -> dict[str, Any]:
    return {name: p.default for name, p in signature(RECIPES[recipe]).parameters.items() if p.default is not p.empty}


def seconds(take: Callable[[], None], steps: int) -> float:
    """Of a step: the mean of a block, the first of which is not counted."""
    take()
    began = time.perf_counter()
    for _ in range(steps):
        take()
    return (time.perf_counter() - began) / steps


def measure(options: Any, record: Record) -> None:
    """Let each recipe and its rival take their turns."""
    torch.set_num_threads(1)
    data = Records(images(options.seed))
    raced = [recipe for recipe in BY_HAND if recipe in RECIPES]
    with bar("turns", options.turns * len(raced)) as reach:
        for number, recipe in enumerate(raced):
            torch.manual_seed(options.seed)
            system = of_recipe(recipe, data)
            rows = system.modality.store(data)
            takes = {"recipe": ours(system, rows, options.batch), "by hand": by_hand(recipe, system, rows, options.batch)}
            taken: dict[str, list[float]] = {side: [] for side in takes}
            for turn in range(options.turns):
                for side in list(takes)[:: 1 if turn % 2 else -1]:
                    taken[side].append(seconds(takes[side], options.steps))
                reach(number * options.turns + turn + 1)
            _compare(record, options, recipe, taken)


def _compare(record: Record, options: Any, recipe: str, taken: dict[str, list[float]]) -> None:
    ratios = [a / b for a, b in zip(taken["recipe"], taken["by hand"])]
    how = f"784-{_HIDDEN}-{_LATENT}, batch {options.batch}, {options.steps} steps a turn, one thread, float32"
    turns = options.turns
    for side, found in taken.items():
        middle = 1000 * statistics.median(found)
        record.add(figure(f"{recipe}, {side}", middle, "ms a step", turns, f"median of turns; {how}", options.seed))
    spread = f"turn by turn, median; {min(ratios):.2f} to {max(ratios):.2f}"
    record.add(figure(f"{recipe}, ratio", statistics.median(ratios), "times", turns, spread, options.seed, at_most=_RATIO))


def main() -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--turns", type=int, default=9, metavar="N", help="turns of each side")
    parser.add_argument("--steps", type=int, default=40, metavar="N", help="steps a turn")
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="rows a step")
    parser.add_argument("--seed", type=int, default=0)
    return run(parser, "Steps beside hand-written ones", measure)


if __name__ == "__main__":
    raise SystemExit(main())
