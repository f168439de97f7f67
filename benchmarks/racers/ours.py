"""vaekit's turn: its `vae` recipe on a plain fully connected network, trained by its own loop with its own defaults."""

import sys

import torch
from judge import Images, negative_elbo, report, timed
from torch import Tensor

from vaekit.core.batch import Batch
from vaekit.core.choose import centre, fixed, from_prior
from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.data.loading import Loader
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.training import Settings, fit


class _Feed:
    def __init__(self, system: System, images: Images, size: int):
        parts = ((images.train, size), (images.watched, 500))
        self.train, self.validation = (
            Loader(system.modality.store(Records(part.numpy())), system.modality, rows) for part, rows in parts
        )


def main(path: str, epochs: int, size: int, seed: int) -> None:
    """Train on the file's images and report."""
    images = Images.read(path)
    torch.manual_seed(seed)
    modality = MODALITIES["image"]().fit(Records(images.train.numpy()))
    system = build(Book(RECIPES, MODALITIES), "vae", modality, latent=20, network="mlp", hidden=[400], activation="relu")
    feed = _Feed(system, images, size)
    # Along half a cosine the mean rate is half the peak: 1e-3, the other's constant rate.
    settings = Settings.checked(epochs=epochs, batch=size, rate=2e-3, seed=seed, validations=1)
    machine: dict[str, object] = {}
    seconds = timed(lambda: machine.update(fit(system, feed, settings).machine))

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        posterior = system.model(Batch(x.unsqueeze(-1)), centre()).sites["z"].posterior
        return posterior.mean[0], posterior.stddev[0]  # type: ignore[union-attr]

    def decode(z: Tensor) -> Tensor:
        trace = system.model(Batch(size=len(z)), fixed({"z": z.unsqueeze(0)}, from_prior()))
        return trace.likelihood.mean.reshape(len(z), -1)

    bound = negative_elbo(encode, decode, images.test)
    report(epochs * feed.train.steps() * size, seconds, bound, f"{machine['precision']}, compiled: {machine['compiled']}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
