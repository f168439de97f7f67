r"""Systems whose prior is learned from the data.

| recipe | minimises | paper |
| --- | --- | --- |
| `vamp_vae` | -ELBO with p(z) = (1/K) sum_k q(z|u_k), u_k learned | Tomczak, Welling 2018, arXiv:1705.07120 |
"""

from typing import Any

import torch
from torch import nn

from vaekit.core.conditional import Neural
from vaekit.core.declared import Count
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts.objectives import KL, Reconstruction
from vaekit.parts.posteriors import Normal
from vaekit.parts.priors import Vamp

__all__ = ["vamp_vae"]


def vamp_vae(
    modality: Modality, latent: Count = 16, pseudo_inputs: Count = 500, beta: NonNegativeWeight = 1.0, likelihood: Any = "auto",
    writer: nn.Module | None = None, **network: Any,
) -> System:
    """The VAE with a VampPrior: -log p(x|z) + beta KL(q(z|x) || (1/K) sum_k q(z|u_k)), with K learned pseudo-inputs u.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        pseudo_inputs: K, how many.
        beta: weight of the rate, a number or a schedule.
        likelihood: `auto` = the one that the data was prepared for.
        writer: a person's own decoder.
        network: sizes of the networks.

    Source: Tomczak, Welling 2018, arXiv:1705.07120.
    """
    reader = modality.reader(**network)
    embedded = reader.embed(torch.zeros(1, 1, *modality.event), None).shape[2:]  # type: ignore[operator]
    posterior = Neural(reader, Normal(latent))
    model = VAE(posterior, Vamp(posterior, embedded, pseudo_inputs), modality.writer(latent, likelihood=likelihood, own=writer, **network))
    return System(model, [Stage(Objective(Reconstruction(), KL(beta)))], modality)
