"""pythae's turn, as its documentation shows it: `VAE` with a `VAEConfig`, own networks where the default ones are wider, `BaseTrainer`.

Runs in an environment of its own, which holds pythae and torch.
"""

import sys
import tempfile
from importlib.metadata import version

import torch
from judge import Images, negative_elbo, report, timed
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn


class _Encoder(BaseEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
        self.embedding, self.log_variance = nn.Linear(400, 20), nn.Linear(400, 20)

    def forward(self, x: Tensor) -> ModelOutput:
        h = self.layers(x.reshape(-1, 784))
        return ModelOutput(embedding=self.embedding(h), log_covariance=self.log_variance(h))


class _Decoder(BaseDecoder):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z).reshape(-1, 1, 28, 28))


def main(path: str, epochs: int, size: int, seed: int) -> None:
    """Train on the file's images and report."""
    images = Images.read(path)
    torch.manual_seed(seed)
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    model = VAE(config, encoder=_Encoder(), decoder=_Decoder())
    pixels = images.train.float().unsqueeze(1)
    data = BaseDataset(pixels, torch.ones(len(pixels)))
    with tempfile.TemporaryDirectory() as folder:
        training = BaseTrainerConfig(
            output_dir=folder, num_epochs=epochs, learning_rate=1e-3, per_device_train_batch_size=size, optimizer_cls="Adam",
            steps_saving=None, no_cuda=True, seed=seed,
        )
        seconds = timed(BaseTrainer(model=model, train_dataset=data, training_config=training).train)
    model.eval()

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        out = model.encoder(x)
        return out.embedding, (0.5 * out.log_covariance).exp()

    def decode(z: Tensor) -> Tensor:
        return model.decoder(z).reconstruction.flatten(1)

    bound = negative_elbo(encode, decode, images.test)
    report(epochs * len(pixels), seconds, bound, f"pythae {version('pythae')}, float32")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
