r"""A classifier of real MNIST digits, by which benchmarks judge digits that were drawn.

It sees training images alone, shifted by up to two pixels, and is measured on test images: what it says of drawn images is worth as much
as its own accuracy there. Its features are the activations before the last layer. Images of bits are judged by one that was shown bits.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaekit.core.records import Records
from vaekit.training import Settings
from vaekit.training.hardware import precision_of

__all__ = ["Classifier", "trained_classifier"]

_BATCH, _EPOCHS, _RATE, _AT_ONCE = 256, 4, 2e-3, 2000


@dataclass(frozen=True)
class Classifier:
    """A trained classifier.

    Arguments:
        network: from images `(N, 1, 28, 28)` in [0, 1] to features.
        last: from features to the logits of ten classes.
        accuracy: on the test images.
    """

    network: nn.Module
    last: nn.Module
    accuracy: float

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Features `(N, width)` of images `(N, 28, 28)` or `(N, 28, 28, 1)`, bytes or in [0, 1]."""
        return torch.cat([self.network(part) for part in _units(images).split(_AT_ONCE)])

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Probabilities `(N, 10)` of images `(N, 28, 28)` or `(N, 28, 28, 1)`, bytes or in [0, 1]."""
        return self.last(self.features(images)).softmax(-1)

    @property
    def fingerprint(self) -> str:
        """The first digits of a SHA-256 of the weights: figures of different classifiers cannot be compared."""
        digest = hashlib.sha256()
        for value in (*self.network.state_dict().values(), *self.last.state_dict().values()):
            digest.update(value.contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]


def _as_they_are(images: Tensor) -> Tensor:
    return images


def trained_classifier(
    train: Records, test: Records, seed: int = 0, epochs: int = _EPOCHS, shown: Callable[[Tensor], Tensor] = _as_they_are
) -> Classifier:
    """Train a classifier on real digits.

    Arguments:
        train: images with labels, to learn from.
        test: images with labels, to measure its accuracy on.
        seed: of weights, order, shifts and what is drawn to be shown.
        epochs: passes over the training images.
        shown: what it sees of images in [0, 1], each time anew; `torch.bernoulli` = bits that are drawn by their brightness.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(),
        )
        last = nn.Linear(128, 10)
        images, labels = _units(torch.from_numpy(train.x)), torch.as_tensor(train.label, dtype=torch.long)
        weights = [*network.parameters(), *last.parameters()]
        optimiser = torch.optim.AdamW(weights, lr=_RATE)
        steps = epochs * (len(images) // _BATCH)
        # Where a processor has no instructions for it, bf16 takes fifty times as long.
        fast = precision_of(Settings(), "cpu") == "bf16-mixed"
        falling = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, max(steps, 1))
        for _ in range(epochs):
            for rows in torch.randperm(len(images)).split(_BATCH)[: len(images) // _BATCH]:
                down, across = torch.randint(-2, 3, (2,)).tolist()
                shifted = images[rows].roll((down, across), dims=(2, 3))
                with torch.autocast("cpu", torch.bfloat16, enabled=fast):
                    loss = functional.cross_entropy(last(network(shown(shifted))), labels[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                falling.step()
        found = Classifier(network.eval(), last.eval(), 0.0)
        right = found.probabilities(shown(_units(torch.from_numpy(test.x)))).argmax(-1) == torch.as_tensor(test.label)
    return Classifier(network, last, float(right.float().mean()))


def _units(images: Tensor) -> Tensor:
    """Images as `(N, 1, 28, 28)` in [0, 1]."""
    scaled = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    return scaled.reshape(len(images), 1, 28, 28)
