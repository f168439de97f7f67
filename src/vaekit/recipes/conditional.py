r"""Systems whose prior knows the condition.

| recipe | minimises | paper |
| --- | --- | --- |
| `cvae` | distortion + KL(q(z|x, c) || p(z|c)), p a normal that learns; then the KL alone, p a mixture | Sohn et al. 2015 |

A condition is taken by every recipe; here the prior learns where the latents of each condition lie, instead of being the same for all.
"""

from typing import Any

from torch import nn

from vaekit.core.declared import Count, NonNegative, Part
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts import priors
from vaekit.parts.objectives import KL, Reconstruction
from vaekit.parts.posteriors import residual_posterior

__all__ = ["cvae"]


def cvae(
    modality: Modality, latent: Count = 16, beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0,
    prior: tuple[Count, ...] = (64,), correlated: bool | None = None, components: Count = 20, share: Part = 0.1,
    likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0,
    **network: Any,
) -> System:
    """The conditional VAE: -log p(x|z, c) + beta KL(q(z|x, c) || p(z|c)), with a prior that is learned; needs a condition.

    First the prior is a normal with a diagonal, as in the paper, and learns with the rest; then a mixture in its place learns alone, from
    latents that stand still. Of the normal's draws for a class many are of none.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        beta: weight of the rate, a number or a schedule, of the time before the mixture.
        free_bits: nats a coordinate below which that rate costs nothing more.
        prior: widths of the networks from the condition to p(z|c), the normal's and the mixture's.
        correlated: whether the coordinates may be correlated within a component of the mixture; False = diagonals; None = up to 32
            dimensions, since each row has latent^2 / 2 correlations a component.
        components: normals of the mixture.
        share: of the budget in which the mixture learns, in (0, 1); the learning rate begins anew there.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the means' distances from the normal's, in its deviations, are normalised, against a
            collapse; 0 = they are not, and the posterior does not look at its prior.
        network: sizes of the networks.

    Source: Sohn, Lee, Yan 2015, Learning structured output representation using deep conditional generative models.
    """
    normal = priors.conditional_normal(latent, modality.condition_width, prior)
    posterior = residual_posterior(modality.reader(own=reader, **network), latent, normal, mean_spread)
    mixed = priors.Waiting(normal, priors.Mixture(normal, latent, modality.condition_width, prior, components, correlated))
    model = VAE(posterior, mixed, modality.writer(latent, likelihood=likelihood, own=writer, **network))
    first = Stage(Objective(Reconstruction(), KL(beta, free_bits)), ("posterior", "likelihood", "prior.until"), 1 - share)
    return System(model, [first, Stage(Objective(KL()), ("prior.then",), share)], modality)
