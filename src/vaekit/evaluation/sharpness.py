r"""How sharp drawn images are beside real ones.

    L(i, j) = x(i-1, j) + x(i+1, j) + x(i, j-1) + x(i, j+1) - 4 x(i, j)          at every place that has four neighbours
    s(x) = mean over channels of the variance of L over an image's places
    sharpness = mean s(drawn) / mean s(real);   1 = as sharp as real images, below = blurred, above = rough

An edge answers the Laplacian and a slope does not, so that a blur takes s away (the variance of the Laplacian as a measure of focus:
Pech-Pacheco, Cristobal, Chamorro-Martinez, Fernandez-Valdivia 2000; of images from a VAE and a GAN: Tolstikhin et al. 2018,
arXiv:1711.01558). Noise answers it most of all: white noise of variance v has s = 20 v, whatever it lies on. So what is judged is the mean
of p(x|z) for draws of z, and never a draw of x, whose noise would count as sharpness; one that does not belong to an image still counts
where a mean itself is rough, and is why 1 is best and not more.

With n drawn and m real images, whose s have the means a, b and the deviations d, e, the standard error of a / b is, by the delta method,
(a / b) (d^2 / (n a^2) + e^2 / (m b^2))^(1/2).
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vaekit.evaluation.figure import Figure, figure

__all__ = ["blurred", "edges", "measure_sharpness", "sharpness"]

_ROWS = 4096


def edges(images: Tensor) -> np.ndarray:
    """The variance of each image's Laplacian, mean over channels, `(N,)`, in squared units of the images.

    Arguments:
        images: `(N, height, width, channels)`, 3 places or more in each direction.

    Raises:
        ValueError: where an image is smaller, or has other axes.
    """
    if images.dim() != 4 or min(images.shape[1:3]) < 3:
        raise ValueError(f"images must be (N, height, width, channels) with 3 places or more each way, not {tuple(images.shape)}")
    found = []
    for part in images.split(_ROWS):
        x = part.double()
        beside = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
        found.append((beside - 4 * x[:, 1:-1, 1:-1]).flatten(1, 2).var(1, correction=0).mean(-1))
    return torch.cat(found).numpy()


def blurred(images: Tensor) -> Tensor:
    """Images whose every value is the mean of itself and its neighbours, 3 x 3 where there are so many.

    Arguments:
        images: `(N, height, width, channels)`.
    """
    return avg_pool2d(images.movedim(-1, 1).float(), 3, stride=1, padding=1, count_include_pad=False).movedim(1, -1)


def sharpness(real: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """The ratio of two means and its standard error.

    Arguments:
        real: what `edges` finds of real images, `(M,)`, M >= 2.
        drawn: what it finds of drawn ones, `(N,)`, N >= 2.

    Returns:
        Both NaN where real images have no edge at all.

    Raises:
        ValueError: where one of them has fewer than two images.
    """
    if min(len(real), len(drawn)) < 2:
        raise ValueError(f"sharpness needs 2 images or more of each sort, not {len(real)} and {len(drawn)}")
    a, b = float(drawn.mean()), float(real.mean())
    if b == 0:
        return float("nan"), float("nan")
    # (a / b) times the root, with a taken inside, where it may be 0.
    error = np.sqrt(drawn.var(ddof=1) / len(drawn) + (a / b) ** 2 * real.var(ddof=1) / len(real)) / b
    return a / b, float(error)


def measure_sharpness(real: Tensor, means: Tensor, others: Tensor, seed: int = 0) -> list[Figure]:
    """The figure of a model's images, with that of training images and of the same, blurred, beside it; empty where images are too small.

    Arguments:
        real: held-out images in the model's space, `(N, height, width, channels)`.
        means: of p(x|z) for draws of z from the prior, likewise.
        others: training images, likewise.
        seed: by which all of them were chosen.
    """
    if min(real.shape[1:3]) < 3:
        return []
    held = edges(real)
    value, error = sharpness(held, edges(means))
    ceiling, floor = (sharpness(held, edges(images))[0] for images in (others, blurred(others)))
    how = (
        "variance of the Laplacian, means of p(x|z) for draws of z against held-out images, 1 = as sharp, below = blurred, above = rough; "
        f"blurred: training images after a mean over 3 x 3; {len(means)} images against {len(real)}"
    )
    return [figure("sharpness", value, "1", "one", how, len(means), seed, standard_error=error, floor=floor, ceiling=ceiling)]
