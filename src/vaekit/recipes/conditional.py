r"""Systems whose prior knows the condition.

| recipe | minimises | paper |
| --- | --- | --- |
| `cvae` | distortion + KL(q(z|x, c) || p(z|c)) with a learned p(z|c) | Sohn et al. 2015 |

A condition is taken by every recipe; here the prior learns where the latents of each condition lie, instead of being the same for all.
"""

from typing import Any

from torch import nn

from vaekit.core.declared import Count, NonNegative
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts.objectives import KL, Reconstruction
from vaekit.parts.posteriors import residual_posterior
from vaekit.parts.priors import conditional_normal

__all__ = ["cvae"]


def cvae(
    modality: Modality, latent: Count = 16, beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0,
    prior: tuple[Count, ...] = (64,), correlated: bool | None = None, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The conditional VAE: -log p(x|z, c) + beta KL(q(z|x, c) || p(z|c)), with a prior that is learned; needs a condition.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        beta: weight of the rate, a number or a schedule.
        free_bits: nats a coordinate below which the rate costs nothing more, given the coordinates before it.
        prior: widths of the network from the condition to p(z|c).
        correlated: whether the latent's coordinates may be correlated within a condition; False = a diagonal, as in the paper, under which
            many rows that are drawn for a class are of none; None = up to 128 dimensions, since each row has latent^2 / 2 correlations.
            With a `mean_spread` it is the diagonal, or there would be no floor of the rate.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the means' distances from the prior's, in its deviations, are normalised, against a
            collapse; 0 = they are not, and the posterior does not look at its prior.
        network: sizes of the networks.

    Source: Sohn, Lee, Yan 2015, Learning structured output representation using deep conditional generative models.
    """
    learned = conditional_normal(latent, modality.condition_width, prior, correlated, bool(mean_spread))
    posterior = residual_posterior(modality.reader(own=reader, **network), latent, learned, mean_spread)
    decoder = modality.writer(latent, likelihood=likelihood, own=writer, **network)
    model = VAE(posterior, learned, decoder)
    return System(model, [Stage(Objective(Reconstruction(), KL(beta, free_bits)))], modality)
