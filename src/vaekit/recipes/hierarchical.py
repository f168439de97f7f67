r"""Systems with latents above one another.

| recipe | minimises | paper |
| --- | --- | --- |
| `ladder_vae` | distortion + sum over levels of E_q KL(q(z_l|x, z_<l) || p(z_l|z_<l)) | Sonderby et al. 2016, arXiv:1602.02282 |
"""

from typing import Any

from vaekit.core.conditional import Neural
from vaekit.core.declared import Count, NonNegative, Share
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import Linear, NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import Ladder, Level
from vaekit.parts.objectives import KL, Reconstruction
from vaekit.parts.posteriors import Normal, displaced_posterior
from vaekit.parts.priors import Standard

__all__ = ["ladder_vae"]


def ladder_vae(
    modality: Modality, levels: Count = 3, latent: Count = 8, likelihood: Any = "auto", beta: NonNegativeWeight = 1.0,
    free_bits: NonNegative = 0.0, top_first: Share = 0.0, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The ladder VAE: latents decided from the top down, with posteriors that say how far they are from their priors.

    Arguments:
        modality: fitted to the data.
        levels: how many latents stand above one another; of images, spread over the grids of `channels`, from the coarsest on.
        latent: dimensions of each; of images under a convolution, at each position of its grid.
        likelihood: `auto` = the one that the data was prepared for.
        beta: weight of the rate, a number or a schedule; a warm-up is `{"recipe": "linear", "arguments": {"until": 0.1}}`.
        free_bits: nats a coordinate, or a channel of a grid, below which the rate costs nothing more.
        top_first: share of the training over which the weights of the levels' rates rise to 1, the top's from 0 and the lower a level the
            less: the lowest learns fastest, and what it says no other level has to; 0 = all are alike from the start.
        mean_spread: deviation over a batch to which each level's distances from its prior, in the prior's units, are normalised, against a
            collapse; of a channel of a grid, that of all its positions together; 0 = they are not.
        network: sizes of the networks.

    Source: Sonderby et al. 2016, arXiv:1602.02282; residual posteriors: Vahdat, Kautz 2020, arXiv:2007.03898.
    """
    built: Any = modality.pyramid(levels, latent, **network)
    families = [Normal(latent, grid) for grid in built.grids]
    priors = [Standard(latent, built.grids[0]), *map(Neural, built.ready, families[1:])]
    levelled = enumerate(zip(built.meet, built.grids), 1)
    posteriors = (displaced_posterior(meet, latent, mean_spread, f"level{i}", grid) for i, (meet, grid) in levelled)
    steps = map(Level, priors, posteriors, built.below)
    writer = modality.writer(built.width, built.positions, likelihood, **network)
    objective = Objective(Reconstruction(), KL(beta, free_bits, sites=_from_the_top(levels, top_first)))
    return System(Ladder(built.up, list(steps), writer), [Stage(objective)], modality)


def _from_the_top(levels: int, over: float) -> dict[str, Linear]:
    """Weights of the rates of all levels but the lowest, which rise to 1 over this share of a stage."""
    return {f"level{i + 1}": Linear(i / (levels - 1), 1.0, over) for i in range(levels - 1)} if over else {}
