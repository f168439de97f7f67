r"""Features that samples are judged by: a network that was trained elsewhere, on a person's own data.

    f(x) = a network's last hidden layer,   digest = the first 12 hexadecimal digits of SHA-256(its weights)

A distance between features has the units of the network that made them, so that figures of different networks cannot be compared:
the digest stands beside every one.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

__all__ = ["Extractor", "digest_of"]


@dataclass(frozen=True)
class Extractor:
    """A network as a measure sees it.

    Arguments:
        features: from rows of the model's space, `(N, *event)`, to `(N, features)`.
        digest: of its weights, see `digest_of`.
        about: what it is and what it was trained on, in words.
        seen: positions of the training rows that it was trained on, `(rows,)`: others are the fairer ones to compare with; empty = none.
    """

    features: Callable[[Tensor], np.ndarray]
    digest: str
    about: str
    seen: np.ndarray


def digest_of(weights: Iterable[np.ndarray]) -> str:
    """Twelve hexadecimal digits that two networks share only where their weights are equal.

    Arguments:
        weights: in a fixed order.
    """
    digest = hashlib.sha256()
    for values in weights:
        digest.update(f"{values.shape} {values.dtype}".encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:12]
