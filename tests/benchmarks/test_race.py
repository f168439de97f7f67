"""The race is fair: one judge that is right, and operations that are counted right."""

import math

import numpy as np
import torch
from judge import Images, negative_elbo
from throughput import operations
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def test_the_judge_agrees_with_the_closed_form():
    x = torch.randint(0, 2, (30, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, deviation, p = 0.7, 0.4, 0.3
    bound, error = negative_elbo(
        lambda images: (torch.full((len(images), 5), mean), torch.full((len(images), 5), deviation)),
        lambda z: torch.full((len(z), 784), p), x,
    )
    ones = x.flatten(1).double().sum(1)
    rate = 5 * (mean**2 + deviation**2 - 1 - 2 * math.log(deviation)) / 2
    each = rate - ones * math.log(p) - (784 - ones) * math.log(1 - p)
    assert math.isclose(bound, float(each.mean()), rel_tol=1e-6)
    assert math.isclose(error, float(each.std() / 30**0.5), rel_tol=1e-4)


def test_the_judge_draws_from_the_posterior():
    """With log p(x|z) = -log(1 + e^-z) for a pixel of one, the mean over z is a one-dimensional integral."""
    x = torch.ones(200, 28, 28, dtype=torch.uint8)
    bound, _ = negative_elbo(
        lambda images: (torch.full((len(images), 1), 0.5), torch.full((len(images), 1), 1.5)),
        lambda z: torch.sigmoid(z).expand(-1, 784), x, draws=200,
    )
    z = np.linspace(-12, 13, 20_001)
    density = np.exp(-0.5 * ((z - 0.5) / 1.5) ** 2) / (1.5 * math.sqrt(2 * math.pi))
    distortion = 784 * np.trapezoid(density * np.log1p(np.exp(-z)), z)
    rate = 0.5 * (0.25 + 2.25 - 1 - 2 * math.log(1.5))
    assert abs(bound - distortion - rate) < 0.02 * distortion


def test_both_read_the_same_images(tmp_path):
    parts = {name: np.full((2, 28, 28), value, np.uint8) for value, name in enumerate(("train", "watched", "test"))}
    np.savez(tmp_path / "images.npz", **parts)
    images = Images.read(str(tmp_path / "images.npz"))
    assert [int(part.max()) for part in (images.train, images.watched, images.test)] == [0, 1, 2]


def test_operations_are_those_that_torch_counts():
    encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))
    with FlopCounterMode(display=False) as counter:
        mean, log_scale = encoder(torch.zeros(1, 784)).chunk(2, -1)
        decoder(mean + log_scale).sum().backward()
    assert operations() == counter.get_total_flops()
