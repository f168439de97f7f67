r"""Systems whose latents lie on a curved space.

| recipe | minimises | paper |
| --- | --- | --- |
| `sphere_vae` | distortion + rate, q(z|x) von Mises-Fisher and p(z) uniform on the sphere | Davidson et al. 2018, arXiv:1804.00891 |
| `poincare_vae` | distortion + rate, q(z|x) a normal of hyperbolic space, p(z) at its origin | Mathieu et al. 2019, arXiv:1901.06033 |
"""

from typing import Any

from torch import nn

from vaekit.core.conditional import Neural
from vaekit.core.declared import Count, NonNegative, Positive, Several
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts import posteriors, priors
from vaekit.parts.likelihoods import Seen
from vaekit.parts.networks import Gyroplanes
from vaekit.parts.objectives import KL, Reconstruction

__all__ = ["poincare_vae", "sphere_vae"]


def sphere_vae(
    modality: Modality, latent: Several = 16, beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0, likelihood: Any = "auto",
    reader: nn.Module | None = None, writer: nn.Module | None = None, **network: Any,
) -> System:
    """The hyperspherical VAE: -log p(x|z) + beta KL(vMF(m(x), k(x)) || uniform), with z on the unit sphere.

    Arguments:
        modality: fitted to the data.
        latent: coordinates of z, a direction.
        beta: weight of the rate, a number or a schedule.
        free_bits: nats of the whole latent below which the rate costs nothing more: a direction does not fall apart into coordinates.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder; what is frozen of it stays so.
        network: sizes of the networks.

    Source: Davidson, Falorsi, De Cao, Kipf, Tomczak 2018, arXiv:1804.00891.
    """
    posterior = Neural(modality.reader(own=reader, **network), posteriors.Sphere(latent))
    model = VAE(posterior, priors.Sphere(latent), modality.writer(latent, likelihood=likelihood, own=writer, **network))
    return System(model, [Stage(Objective(Reconstruction(), KL(beta, free_bits)))], modality)


def poincare_vae(
    modality: Modality, latent: Count = 16, curvature: Positive = 1.0, planes: Count = 64, beta: NonNegativeWeight = 1.0,
    free_bits: NonNegative = 0.0, likelihood: Any = "auto", reader: nn.Module | None = None, writer: nn.Module | None = None,
    **network: Any,
) -> System:
    """The Poincare VAE: -log p(x|g(z)) + beta [log q(z|x) - log p(z)], with z in hyperbolic space, g its distances to planes.

    Space that grows exponentially with the distance from its origin holds a tree with little distortion. Latents are told in normal
    coordinates, z = log_0: every vector is a place, lines through the origin are geodesics, and the prior is N(0, I). In the Poincare
    ball the place is z tanh(a / 2) / a, a = c^(1/2) |z|.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        curvature: c, minus the curvature of space, at most 100 / latent; near 0 the posterior is that of `vae`.
        planes: how many planes the decoder is told the distance to.
        beta: weight of the rate, a number or a schedule.
        free_bits: nats of the whole latent below which the rate costs nothing more: a wrapped normal does not fall apart into coordinates.
        likelihood: `auto` = the one that the data was prepared for.
        reader: a person's own encoder; what is frozen of it stays so.
        writer: a person's own decoder, from the distances to the planes.
        network: sizes of the networks.

    Source: Mathieu, Le Lan, Maddison, Tomioka, Teh 2019, arXiv:1901.06033.
    """
    posterior = Neural(modality.reader(own=reader, **network), posteriors.Hyperbolic(latent, curvature))
    decoder = modality.writer(planes, likelihood=likelihood, own=writer, **network)
    model = VAE(posterior, priors.Standard(latent), Seen(Gyroplanes(latent, planes, curvature), decoder))
    return System(model, [Stage(Objective(Reconstruction(), KL(beta, free_bits)))], modality)
