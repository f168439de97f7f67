r"""What kind of values a system speaks of, and rows of them as points of a space with distances.

| kind | support of p(x|z) | as features |
| --- | --- | --- |
| binary | {0, 1} | themselves |
| classes | 0 .. K - 1 | one-hot |
| counts | 0, 1, 2, ... | log(1 + x) |
| pixels | numbers on a grid of positions and channels | themselves |
| numbers | all else | themselves |
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from vaekit.core import dispatch
from vaekit.core.choose import centre
from vaekit.core.system import System
from vaekit.tasks.walk import Rows, at_rest, batches

__all__ = ["Kind", "Rebuilt", "features", "filled", "kind_of", "of_others", "rebuilt", "take"]

_INTEGERS = type(constraints.integer_interval(0, 1))


@dataclass(frozen=True)
class Kind:
    """A kind of values.

    Arguments:
        name: `binary`, `classes`, `counts`, `pixels` or `numbers`.
        classes: how many there are, of `classes`; else 0.
        grid: whether a row has positions in two directions, channels last.
        real: whether any number may stand there, so that the modality standardises.
    """

    name: str
    classes: int = 0
    grid: bool = False
    real: bool = False


def kind_of(system: System) -> Kind:
    """What kind of values a system speaks of, by the support of its likelihood."""
    with at_rest(system) as device:
        likelihood: Distribution = system.model(system.modality.example(1).to(device), centre()).likelihood
    support, grid = likelihood.support, len(system.modality.event) == 3
    if support is constraints.boolean:
        return Kind("binary", grid=grid)
    if isinstance(support, _INTEGERS):
        return Kind("classes", classes=int(support.upper_bound) + 1, grid=grid)
    if support is constraints.nonnegative_integer:
        return Kind("counts", grid=grid)
    return Kind("pixels" if grid else "numbers", grid=grid, real=support is constraints.real)


def take(rows: Rows, most: int, seed: int) -> dict[str, Tensor]:
    """At most so many rows, drawn without replacement and kept in order."""
    n = len(rows["x"])
    if n <= most:
        return dict(rows)
    chosen = np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
    index = torch.from_numpy(chosen)
    return {name: values[index.to(values.device)] for name, values in rows.items()}


def of_others(z: Tensor, seed: int) -> Tensor:
    """Each row's latent in the place of another's, drawn by chance: of rows that are kept in an order, neighbours are alike.

    Arguments:
        z: latents, `(N, ...)`.
        seed: of the draw.
    """
    places = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed)).to(z.device)
    others = torch.empty_like(z)
    others[places] = z[places.roll(1)]
    return others


@dataclass(frozen=True)
class Rebuilt:
    """Rows beside their reconstructions, in the model's space, on the processor.

    Arguments:
        x: what was seen, `(N, *event)`.
        observed: bool like x; None = everything.
        centre: of the likelihood, at the centre of the posterior, `(N, *event)`.
    """

    x: Tensor
    observed: Tensor | None
    centre: Tensor


def rebuilt(system: System, rows: Rows, seed: int = 0) -> Rebuilt:
    """Each row with its reconstruction.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        seed: of what is redrawn each time a row is seen.
    """
    parts: list[tuple[Tensor, Tensor | None, Tensor]] = []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            made = dispatch.centre(system.model(batch, centre()).likelihood)[0]
            parts.append((batch.x.cpu(), None if batch.observed is None else batch.observed.cpu(), made.cpu()))  # type: ignore[union-attr]
    x, observed, made = zip(*parts)
    return Rebuilt(torch.cat(x), None if observed[0] is None else torch.cat(observed), torch.cat(made))


def _seen(system: System, rows: Rows, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            x = batch.x.cpu()  # type: ignore[union-attr]
            yield x, torch.ones_like(x, dtype=torch.bool) if batch.observed is None else batch.observed.cpu()


def filled(system: System, rows: Rows, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows in the model's space and which cells were seen, each `(N, *event)`, on the processor; redraws are made.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        seed: of what is redrawn each time a row is seen.
    """
    x, observed = zip(*_seen(system, rows, seed))
    return torch.cat(x), torch.cat(observed)


def features(x: Tensor, kind: Kind) -> np.ndarray:
    """Rows `(N, *event)` of the model's space as points `(N, features)`, float32."""
    if kind.name == "classes":
        x = torch.nn.functional.one_hot(x.long(), kind.classes)
    elif kind.name == "counts":
        x = x.log1p()
    return x.flatten(1).float().numpy()
