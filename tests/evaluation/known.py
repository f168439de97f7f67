"""Systems whose likelihood is known in closed form: affine maps between z and x, under a bare modality."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from vaekit.core.conditional import Conditional
from vaekit.core.records import Records
from vaekit.core.system import System
from vaekit.modalities import Vector
from vaekit.models import VAE
from vaekit.parts.priors import Standard

LATENT, COLUMNS, NOISE = 2, 5, 0.7
WEIGHT = np.linalg.qr(np.random.default_rng(1).normal(size=(COLUMNS, LATENT)))[0] * [1.5, 0.8]


class Map(Conditional):
    """A distribution around an affine map of its first given."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray, around: Callable[[Tensor], Distribution]):
        super().__init__()
        self.register_buffer("weight", torch.as_tensor(weight, dtype=torch.float32))
        self.register_buffer("bias", torch.as_tensor(bias, dtype=torch.float32))
        self.around = around

    def forward(self, *given: Tensor | None) -> Distribution:
        return self.around(given[0] @ self.weight.T + self.bias)


def normal(scale: float | np.ndarray) -> Callable[[Tensor], Distribution]:
    spread = torch.as_tensor(scale, dtype=torch.float32)
    return lambda centre: Normal(centre, spread.expand_as(centre))


def latent(scale: float | np.ndarray) -> Callable[[Tensor], Distribution]:
    return lambda centre: Independent(normal(scale)(centre), 1)


def bits(logits: Tensor) -> Distribution:
    return Bernoulli(logits=logits)


def system_of(posterior: Conditional, likelihood: Conditional, raw: np.ndarray) -> tuple[System, dict[str, Tensor]]:
    """A system on these rows, which the modality keeps as they are but for its own scale."""
    modality = Vector().fit(Records(raw))
    return System(VAE(posterior, Standard(posterior.weight.shape[0]), likelihood), [], modality), modality.store(Records(raw))


SHIFT, SCALE = np.arange(5.0), np.array([0.1, 0.5, 1.0, 3.0, 20.0])


def linear_gaussian(rows: int = 60, widened: float = 1.1) -> tuple[System, dict[str, Tensor], np.ndarray, np.ndarray]:
    """x = W z + b + NOISE e, raw = SCALE x + SHIFT, with columns of W orthogonal, so that the true posterior is diagonal.

    Arguments:
        rows: how many, drawn from the model.
        widened: how much wider the posterior is than the true one.

    Returns:
        The system, its rows, the mean and the covariance of p(raw).
    """
    random = np.random.default_rng(0)
    bias = random.normal(size=COLUMNS) * 0.1
    x = random.normal(size=(rows, LATENT)) @ WEIGHT.T + bias + NOISE * random.normal(size=(rows, COLUMNS))
    inverse = np.linalg.inv(np.eye(LATENT) + WEIGHT.T @ WEIGHT / NOISE**2)
    back = inverse @ WEIGHT.T / NOISE**2
    posterior = Map(back, -back @ bias, latent(np.sqrt(np.diag(inverse)) * widened))
    modality = Vector().fit(Records(x * SCALE + SHIFT))
    # The scale of the model is the one that is known, not the one that these rows happen to have.
    modality.adapter.state = {**modality.adapter.state, "location": SHIFT.tolist(), "scale": SCALE.tolist()}
    system = System(VAE(posterior, Standard(LATENT), Map(WEIGHT, bias, normal(NOISE))), [], modality)
    mean, covariance = bias * SCALE + SHIFT, (WEIGHT @ WEIGHT.T + NOISE**2 * np.eye(COLUMNS)) * np.outer(SCALE, SCALE)
    return system, modality.store(Records(x * SCALE + SHIFT)), mean, covariance
