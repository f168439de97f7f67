r"""Systems whose prior is learned from the data.

| recipe | minimises | paper |
| --- | --- | --- |
| `vamp_vae` | -ELBO with p(z) = (1/K) sum_k q(z|u_k), u_k learned | Tomczak, Welling 2018, arXiv:1705.07120 |
"""

from typing import Any

import torch
from torch import nn

from vaekit.core.declared import Count, NonNegative
from vaekit.core.modality import Modality
from vaekit.core.objective import Objective
from vaekit.core.schedule import NonNegativeWeight
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.models import VAE
from vaekit.parts.objectives import KL, Reconstruction
from vaekit.parts.posteriors import normal_posterior, read_as_data
from vaekit.parts.priors import Vamp

__all__ = ["vamp_vae"]


def vamp_vae(
    modality: Modality, latent: Count = 16, pseudo_inputs: Count = 500, beta: NonNegativeWeight = 1.0, free_bits: NonNegative = 0.0,
    likelihood: Any = "auto", writer: nn.Module | None = None, mean_spread: NonNegative = 0.0, **network: Any,
) -> System:
    """The VAE with a VampPrior: -log p(x|z) + beta KL(q(z|x) || (1/K) sum_k q(z|u_k)), with K learned pseudo-inputs u.

    Arguments:
        modality: fitted to the data.
        latent: dimensions of z.
        pseudo_inputs: K, how many.
        beta: weight of the rate, a number or a schedule.
        free_bits: nats of the whole latent below which the rate costs nothing more: a mixture's does not fall apart into coordinates.
        likelihood: `auto` = the one that the data was prepared for.
        writer: a person's own decoder; what is frozen of it stays so.
        mean_spread: deviation over a batch to which the posterior's means are normalised, against a collapse; 0 = they are not. A prior of
            posteriors widens with them, so that the rate has no floor here, as it has in `vae`.
        network: sizes of the networks.

    Source: Tomczak, Welling 2018, arXiv:1705.07120.
    """
    reader = modality.reader(**network)
    embedded = reader.embed(torch.zeros(1, 1, *modality.event), None).shape[2:]  # type: ignore[operator]
    posterior = normal_posterior(reader, latent, mean_spread)
    prior = Vamp(read_as_data(posterior), embedded, pseudo_inputs)
    model = VAE(posterior, prior, modality.writer(latent, likelihood=likelihood, own=writer, **network))
    return System(model, [Stage(Objective(Reconstruction(), KL(beta, free_bits)))], modality)
