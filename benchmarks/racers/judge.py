r"""One judge for both programs: the same estimator of the same bound on the same images.

    -ELBO(x) = -(1/K) sum_k log p(x|z_k) + KL(N(m, s^2) || N(0, 1)),   z_k ~ N(m, s^2),   pixels Bernoulli

Imports torch and numpy alone, so that it runs in either program's environment.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

__all__ = ["Images", "negative_elbo", "report", "timed"]


@dataclass(frozen=True)
class Images:
    """Binarised images as bytes 0/1, `(N, 28, 28)`: to learn from, to watch while training, to be judged on."""

    train: Tensor
    watched: Tensor
    test: Tensor

    @classmethod
    def read(cls, path: str) -> "Images":
        """From the npz file that the benchmark wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(*(torch.from_numpy(file[part]) for part in ("train", "watched", "test")))


@torch.no_grad()
def negative_elbo(
    encode: Callable[[Tensor], tuple[Tensor, Tensor]], decode: Callable[[Tensor], Tensor], x: Tensor, draws: int = 10, seed: int = 0
) -> tuple[float, float]:
    """The bound's negative mean over images, and its standard error, nats.

    Arguments:
        encode: images `(B, 28, 28)` in {0, 1} to mean and deviation of z, `(B, latent)` each.
        decode: z `(B, latent)` to probabilities `(B, 784)`.
        x: images as bytes, `(N, 28, 28)`.
        draws: K.
        seed: of the draws.
    """
    noise = torch.Generator().manual_seed(seed)
    bounds = []
    for images in x.float().split(1000):
        mean, deviation = encode(images)
        rate = 0.5 * (mean.square() + deviation.square() - 1 - 2 * deviation.log()).sum(-1)
        distortion = torch.zeros(len(images))
        for _ in range(draws):
            z = mean + deviation * torch.randn(mean.shape, generator=noise)
            distortion += binary_cross_entropy(decode(z), images.flatten(1), reduction="none").sum(-1) / draws
        bounds.append(rate + distortion)
    bound = torch.cat(bounds).double()
    return float(bound.mean()), float(bound.std() / len(bound) ** 0.5)


def timed(work: Callable[[], object]) -> float:
    """Wall-clock seconds of the work, in a process that has made an optimiser before."""
    # The first one imports torch's compiler: a second or two that are no training, which a library may have spent before or not.
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def report(images: int, seconds: float, bound: tuple[float, float], facts: str) -> None:
    """One line of JSON, the last that a program prints: how many images it trained on in how long, and the bound that it reached."""
    print(json.dumps({"images": images, "seconds": seconds, "bound": bound[0], "error": bound[1], "facts": facts}))
