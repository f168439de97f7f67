"""Sharpness: closed forms of a checkerboard, a step and noise, an independent convolution, and what a blur and a model's means come to."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from sklearn.datasets import load_digits

from vaekit.core.records import Records
from vaekit.core.system import build
from vaekit.evaluation import measure_samples
from vaekit.evaluation.sharpness import blurred, edges, measure_sharpness, sharpness
from vaekit.faces.preparing import BOOK
from vaekit.tasks.generate import draw

DIGITS = torch.from_numpy(load_digits().images / 16)[..., None].float()


def image(values: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64).reshape(1, *values.shape[:2], -1)


def test_a_checkerboard_a_step_and_a_slope_are_known():
    down, across = np.indices((10, 10))
    # 0 beside four ones, 1 beside four zeros: the Laplacian is 4 and -4 alike often.
    assert edges(image((down + across) % 2)) == pytest.approx(16)
    # Two of eight columns of places answer, with 1 and -1.
    assert edges(image(across >= 5)) == pytest.approx(2 / 8)
    assert edges(image(0.3 * across - 0.1 * down + 7)) == pytest.approx(0, abs=1e-20)
    # The mean over channels, and the square of the contrast.
    assert edges(image(np.stack([across >= 5, 3 * (across >= 5), 0 * across], -1))) == pytest.approx((0.25 + 9 * 0.25) / 3)


def test_noise_of_variance_v_answers_with_twenty_v():
    noise = 0.3 * torch.randn(400, 20, 20, 1, generator=torch.Generator().manual_seed(0))
    assert edges(noise).mean() == pytest.approx(20 * 0.09, rel=0.02)


def test_it_is_the_variance_of_an_independent_convolution():
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    wanted = [convolve(x.numpy()[..., 0].astype(np.float64), kernel)[1:-1, 1:-1].var() for x in DIGITS[:50]]
    assert edges(DIGITS[:50]) == pytest.approx(wanted)
    means = [convolve(x.numpy()[..., 0], np.ones((3, 3)) / 9)[1:-1, 1:-1] for x in DIGITS[:50]]
    assert blurred(DIGITS[:50])[:, 1:-1, 1:-1, 0].numpy() == pytest.approx(np.stack(means), abs=1e-6)


def test_a_blur_lies_below_one_noise_above_and_other_real_images_at_it():
    real, others = DIGITS[:800], DIGITS[800:1600]
    noisy = others + 0.2 * torch.randn(others.shape, generator=torch.Generator().manual_seed(0))
    (same,), (blur,), (rough,) = (measure_sharpness(real, made, others) for made in (others, blurred(others), noisy))
    assert abs(same["value"] - 1) < 3 * same["standard_error"] < 0.1 and same["value"] == same["ceiling"]
    assert blur["value"] == blur["floor"] < 0.3 and rough["value"] > 1.2
    assert blur["n"] == 800 and blur["better"] == "one"
    # Half the contrast, a quarter of the response.
    assert measure_sharpness(real, real / 2, others)[0]["value"] == pytest.approx(0.25)


def test_the_standard_error_is_the_spread_of_repeats():
    random = np.random.default_rng(0)
    found = np.array([sharpness(random.gamma(4, 1, 60), random.gamma(2, 1, 90)) for _ in range(400)])
    assert found[:, 0].mean() == pytest.approx(0.5, abs=0.01) and found[:, 1].mean() / found[:, 0].std() == pytest.approx(1, abs=0.12)
    assert sharpness(random.gamma(4, 1, 60), np.zeros(60)) == (0.0, 0.0)


def test_what_has_no_edges_is_said():
    assert np.isnan(sharpness(np.zeros(3), np.ones(3))).all()
    small = torch.zeros(5, 2, 8, 1)
    assert measure_sharpness(small, small, small) == []
    with pytest.raises(ValueError, match="3 places or more"):
        edges(small)
    with pytest.raises(ValueError, match="2 images or more"):
        sharpness(np.ones(1), np.ones(4))


def test_a_model_s_means_are_judged_and_not_its_draws():
    raw = np.round(DIGITS[:600, ..., 0].numpy() * 16).astype(np.uint8)
    modality = BOOK.modality("image")().fit(Records(raw))
    torch.manual_seed(0)
    system, rows = build(BOOK, "vae", modality, latent=2, hidden=(8,)), modality.store(Records(raw))
    found = {f["name"]: f for f in measure_samples(system, rows, rows)["figures"]}
    real = DIGITS[:600]
    means, drawn = (sharpness(edges(real), edges(draw(system, 600, mean=mean)))[0] for mean in (True, False))
    assert found["sharpness"]["value"] == pytest.approx(means, rel=1e-5)
    # An untrained decoder's draws are noise: they would pass for sharp.
    assert drawn > 1.5 > 1 > 2 * means and abs(found["sharpness"]["ceiling"] - 1) < 0.1
