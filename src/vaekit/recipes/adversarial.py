r"""Systems that a critic takes part in.

| recipe | minimises | paper |
| --- | --- | --- |
| `vae_gan` | beta rate + distance of a critic's features + (1 / gamma) what the critic finds false | Larsen et al. 2016, arXiv:1512.09300 |
| `aae` | distortion + strength what a critic of latents finds false | Makhzani et al. 2015, arXiv:1511.05644 |
"""

from typing import Any

from torch import nn

from vaekit.core.declared import Count, NonNegative, Positive
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.parts.objectives import KL, Adversary, FeatureReconstruction, LatentAdversary, Reconstruction
from vaekit.recipes.gaussian import gaussian_vae

__all__ = ["aae", "vae_gan"]


def vae_gan(
    modality: Modality, latent: Count = 16, gamma: Positive = 0.2, distortion: NonNegativeWeight = 0.01, beta: NonNegativeWeight = 1.0,
    free_bits: NonNegative = 0.0, penalty: NonNegative = 0.05, critic: tuple[Count, ...] = (), likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The VAE-GAN: beta rate + |f(x) - f(x~)|^2 / 2 + (1 / gamma) adversary + distortion's small share.

    The encoder pays the rate and the distance of the critic's features f, the decoder the same distance and the critic's verdict on its
    reconstructions and on rows drawn from the prior. Both pay a share of the ordinary distortion: features do not see a likelihood's
    scale, which would stay where it began, and the bound would mean nothing. With it, the bound is that of the data's own likelihood, as
    it is for `vae`, and is lower than there: sharp rows are paid for with it.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        gamma: how much the decoder weighs features against the critic's verdict.
        distortion: weight of -log p(x|z), a number or a schedule.
        beta: weight of the rate, a number or a schedule.
        free_bits: nats a coordinate below which the rate costs nothing more.
        penalty: of the critic's slope at real rows, for each number of a row; more is steadier and slower.
        critic: widths of the critic's layers, or channels of its convolution's levels, finest first; empty = those of the encoder.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Larsen, Soenderby, Larochelle, Winther 2016, arXiv:1512.09300.
    """
    # The paper multiplies the decoder's features by gamma; divided by it, all terms have one loss, and Adam takes the same steps.
    adversary = Adversary(modality.critic(critic, **network), penalty, 1 / gamma)
    model = gaussian_vae(modality, latent, likelihood, reader, writer, mean_spread, **network)
    objective = Objective(FeatureReconstruction(adversary), KL(beta, free_bits), adversary, Reconstruction(distortion))
    # What a critic has part in moves with it: two measurements of it cannot be compared. The distortion's can, but a sharp row may have
    # more of it than a blurred one.
    return System(model, [Stage(objective, watch="distortion", keep="last")], modality)


def aae(
    modality: Modality, latent: Count = 16, strength: NonNegativeWeight = 10.0, penalty: NonNegative = 0.05,
    critic: tuple[Count, ...] = (256, 256), likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None,
    mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The adversarial autoencoder: distortion + strength * adversary, with a critic that tells latents from draws of the prior; no rate.

    The encoder is the paper's Gaussian one, so that rows have a bound, are scored, and are generated from the prior that latents match.
    Nothing holds the posterior of a row near the prior, only that of all rows together: the bound is lower than that of `vae`.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        strength: weight of what the encoder pays the critic, a number or a schedule.
        penalty: of the critic's slope at draws of the prior, for each dimension; more is steadier and slower.
        critic: widths of the critic's layers.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not.
        network: sizes of the networks.

    Source: Makhzani, Shlens, Jaitly, Goodfellow, Frey 2015, arXiv:1511.05644.
    """
    model = gaussian_vae(modality, latent, likelihood, reader, writer, mean_spread, **network)
    adversary = LatentAdversary(latent, modality.condition_width, critic, penalty, strength)
    # What a critic has part in moves with it, and the bound has a rate that nothing here lowers: the distortion alone can be watched.
    return System(model, [Stage(Objective(Reconstruction(), adversary), watch="distortion", keep="last")], modality)
