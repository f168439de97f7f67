r"""Systems with flows: in the posterior, in the prior, or in a latent space that is finished.

| recipe | minimises | paper |
| --- | --- | --- |
| `flow_vae` | -ELBO, q(z|x) = the law of m + s T(e; h), T autoregressive, splines or the row's own | Kingma et al. 2016, arXiv:1606.04934 |
| `flow_prior_vae` | -ELBO with p(z) = N(0, I); then the law of T(e), T a spline flow that learns | Durkan et al. 2019, arXiv:1906.04032 |
| `latent_diffusion` | -ELBO; then the squared error of a velocity field in the latent space | Lipman et al. 2023, arXiv:2210.02747 |
"""

from typing import Any

from torch import nn

from vaekit.core.conditional import Neural
from vaekit.core.declared import Count, NonNegative, Part
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight, ends
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts import posteriors, priors
from vaekit.parts.objectives import KL, FlowMatching, Reconstruction
from vaekit.parts.posteriors.flow import Bend
from vaekit.parts.priors.flow import Order

__all__ = ["flow_prior_vae", "flow_vae", "latent_diffusion"]


def flow_vae(
    modality: Modality, latent: Count = 16, flow: Bend = "iaf", steps: Count = 4, flow_hidden: tuple[Count, ...] = (256,),
    context: Count = 64, beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, **network: Any,
) -> System:
    """The VAE with a flow for a posterior: -log p(x|z) + beta [log q(z|x) - log p(z)]; all but `sylvester` need the `flows` extra.

    It takes no `mean_spread`: the maps move a posterior's mean by what they are told of the row, so that numbers which the encoder gives
    have no mean to normalise.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        flow: `iaf`, affine maps of each number by those before it, `spline`, couplings, or `sylvester`, maps that are each row's own.
        steps: maps one after another.
        flow_hidden: widths of each map's network; of `sylvester`, of the network that gives a row's maps.
        context: numbers that the maps are told of a row.
        beta: weight of the rate, a number or a schedule.
        free_bits: nats of the whole latent below which the rate costs nothing more: a flow's does not fall apart into coordinates.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        network: sizes of the networks.

    Source: Kingma et al. 2016, arXiv:1606.04934; splines: Durkan et al. 2019, arXiv:1906.04032; `sylvester`: van den Berg et al. 2018,
        arXiv:1803.05649.
    """
    family = posteriors.flow_posterior(latent, flow, steps, flow_hidden, context)
    posterior = Neural(modality.reader(own=reader, **network), family)
    model = VAE(posterior, priors.Standard(latent), modality.writer(latent, likelihood=likelihood, own=writer, **network))
    return System(model, [Stage(Objective(Reconstruction(), KL(beta, free_bits)))], modality)


def flow_prior_vae(
    modality: Modality, latent: Count = 16, flow: Order = "coupling", steps: Count = 4, flow_hidden: tuple[Count, ...] = (128,),
    share: Part = 0.5, beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The VAE with a flow for a prior: -log p(x|z) + beta [log q(z|x) - log p(z|c)], p learned; needs the `flows` extra.

    First it is `vae`, with N(0, I) for a prior, whose rate is exact and takes no time; then the prior learns with the rest.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        flow: `coupling`, quick to draw from, or `autoregressive`, whose draws take up to as many passes as dimensions.
        steps: maps one after another.
        flow_hidden: widths of each map's network.
        share: of the budget in which the prior learns, in (0, 1); the learning rate begins anew there.
        beta: weight of the rate, a number or a schedule of the time before; afterwards it stays where that ended.
        free_bits: nats a coordinate below which the rate costs nothing more; once the prior learns, of all coordinates together, since the
            rate under a flow does not fall apart into them.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not. Until the
            prior learns, the rate has the floor that it has in `vae`; then it has none, since the prior can widen with its posteriors.
        network: sizes of the networks.

    Source: Durkan et al. 2019, arXiv:1906.04032; a flow as the prior: Chen et al. 2017, arXiv:1611.02731.
    """
    prior = priors.Waiting(priors.Standard(latent), priors.Flow(latent, flow, modality.condition_width, steps, flow_hidden))
    posterior = posteriors.normal_posterior(modality.reader(own=reader, **network), latent, mean_spread)
    model = VAE(posterior, prior, modality.writer(latent, likelihood=likelihood, own=writer, **network))
    first = Stage(Objective(Reconstruction(), KL(beta, free_bits)), ("posterior", "likelihood"), 1 - share)
    joint = Stage(Objective(Reconstruction(), KL(ends(beta)[1], latent * free_bits)), share=share)
    return System(model, [first, joint], modality)


def latent_diffusion(
    modality: Modality, latent: Count = 16, width: Count = 256, steps: Count = 24, share: Part = 0.3, beta: NonNegativeWeight = 1.0,
    free_bits: NonNegative = 0.0, likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None,
    mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The latent diffusion: a VAE, then a velocity field that carries noise to its latents, 1/2 |v(u_t, t) - (u - e)|^2.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        width: of the velocity field's two hidden layers.
        steps: of the integration that draws and judges, two looks at the field each.
        share: of the budget that the field is given, in (0, 1).
        beta: weight of the rate in the first stage, a number or a schedule.
        free_bits: nats a coordinate below which that rate costs nothing more.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Lipman et al. 2023, arXiv:2210.02747; in a latent space: Rombach et al. 2022, arXiv:2112.10752.
    """
    posterior = posteriors.normal_posterior(modality.reader(own=reader, **network), latent, mean_spread)
    carried = priors.LatentDiffusion(latent, modality.condition_width, width, steps)
    prior = priors.Waiting(priors.Standard(latent), carried)
    model = VAE(posterior, prior, modality.writer(latent, likelihood=likelihood, own=writer, **network))
    first = Stage(Objective(Reconstruction(), KL(beta, free_bits)), ("posterior", "likelihood"), 1 - share)
    return System(model, [first, Stage(Objective(FlowMatching(carried)), ("prior",), share, "matching")], modality)
