r"""Systems whose latents lie on a curved space.

| recipe | minimises | paper |
| --- | --- | --- |
| `sphere_vae` | distortion + rate, q(z|x) von Mises-Fisher and p(z) uniform on the sphere | Davidson et al. 2018, arXiv:1804.00891 |
"""

from typing import Any

from torch import nn

from vaekit.core.conditional import Neural
from vaekit.core.declared import NonNegative, Several
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts import posteriors, priors
from vaekit.parts.objectives import KL, Reconstruction

__all__ = ["sphere_vae"]


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
        reader: a person's own encoder.
        writer: a person's own decoder.
        network: sizes of the networks.

    Source: Davidson, Falorsi, De Cao, Kipf, Tomczak 2018, arXiv:1804.00891.
    """
    posterior = Neural(modality.reader(own=reader, **network), posteriors.Sphere(latent))
    model = VAE(posterior, priors.Sphere(latent), modality.writer(latent, likelihood=likelihood, own=writer, **network))
    return System(model, [Stage(Objective(Reconstruction(), KL(beta, free_bits)))], modality)
