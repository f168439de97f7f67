r"""From values to latents: the posterior q(z|x, c) by its centre, its standard deviation and one draw."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vaekit.core import dispatch
from vaekit.core.choose import centre, from_posterior
from vaekit.core.system import System
from vaekit.tasks.predict import SITE
from vaekit.tasks.walk import Rows, at_rest, batches, layout, noise_of

__all__ = ["Encoding", "encode", "latent_names"]


@dataclass(frozen=True)
class Encoding:
    """Where rows lie in the latent space.

    Arguments:
        mean: centre of each posterior, `(N, latent)`.
        spread: its standard deviation, `(N, latent)`; 0 where the code is a point.
        sample: one draw from it, `(N, latent)`.
        codes: where the latent is one of codes, the codes at the centre, `(N, codes)`, int64, from 0; else None.
    """

    mean: np.ndarray
    spread: np.ndarray
    sample: np.ndarray
    codes: np.ndarray | None = None


def encode(system: System, rows: Rows, seed: int = 0) -> Encoding:
    """The posterior of each row; the latents of several sites stand side by side.

    Where latents stand above one another, the mean and the spread of each are those under the means of the ones above it, so that
    decoding the means is reconstructing.

    A row's draw depends on the row and the seed alone, so rows may be given in any order and in any number of calls.

    Arguments:
        system: fitted.
        rows: stored by the system's modality.
        seed: of the draws.

    Raises:
        InputError: where there are no rows.
    """
    places = layout(system)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    coded: list[Tensor] = []
    with at_rest(system, seed):
        for batch in batches(system, rows, seed):
            drawn = system.model(batch, from_posterior(1, noise_of(batch, seed)))
            # One latent has one posterior, whatever is drawn from it.
            trace = drawn if len(drawn.sites) == 1 else system.model(batch, centre())
            means = {name: dispatch.centre(site.posterior) for name, site in trace.sites.items()}
            spreads = {name: site.posterior.stddev for name, site in trace.sites.items()}
            draws = {name: site.z for name, site in drawn.sites.items()}
            found.append(tuple(places.join(values).squeeze(0).cpu() for values in (means, spreads, draws)))  # type: ignore[arg-type]
            books = {name: dispatch.codebook(site.posterior) for name, site in trace.sites.items()}
            if all(book is not None for book in books.values()):
                coded.append(torch.cat([books[name].codes(mean)[0].flatten(1) for name, mean in means.items()], dim=1).cpu())
    codes = torch.cat(coded).numpy() if coded else None
    mean, spread, sample = (torch.cat(parts).numpy() for parts in zip(*found))
    return Encoding(mean, spread, sample, codes)


def latent_names(system: System) -> list[str]:
    """What each number of an encoding is called: its place, from 0, after its latent where there are several, `z_0`; a class, `y_rose`.

    Arguments:
        system: fitted.
    """
    shapes, classes = layout(system).shapes, system.modality.classes
    if len(shapes) == 1:
        return [str(d) for shape in shapes.values() for d in range(shape.numel())]
    return [f"{site}_{name}" for site, shape in shapes.items() for name in (classes if site == SITE else range(shape.numel()))]
