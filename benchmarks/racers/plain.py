"""A plain loop's turn: the same network in torch alone, as short and as fast as an uncompiled loop gets, and nothing around it.

Fused AdamW at a constant rate and bf16 where the machine has it; no clipping, no averaged weights, no measurement, no progress, no
checkpoint. What it reaches is about what any uncompiled trainer could reach on the machine.
"""

import sys

import torch
from judge import Images, negative_elbo, report, timed
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


class _Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
        self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.encoder(x).float().chunk(2, -1)
        return mean, log_scale.exp()

    def forward(self, x: Tensor) -> Tensor:
        mean, scale = self.encode(x)
        logits = self.decoder(mean + scale * torch.randn_like(mean)).float()
        distortion = binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        rate = 0.5 * (mean.square() + scale.square() - 1 - 2 * scale.log()).sum(-1)
        return (distortion + rate).mean()


def _train(model: _Plain, images: Tensor, epochs: int, size: int, half: bool) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for start in range(0, len(images) - size + 1, size):
            x = images.index_select(0, order[start : start + size]).float()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = model(x)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()


def main(path: str, epochs: int, size: int, seed: int) -> None:
    """Train on the file's images and report."""
    images = Images.read(path)
    torch.manual_seed(seed)
    model, rows = _Plain(), images.train.flatten(1)
    half = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    seconds = timed(lambda: _train(model, rows, epochs, size, half))
    bound = negative_elbo(lambda x: model.encode(x.flatten(1)), lambda z: model.decoder(z).sigmoid(), images.test)
    report(epochs * (len(rows) // size) * size, seconds, bound, f"torch {torch.__version__}, {'bf16 autocast' if half else 'float32'}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
