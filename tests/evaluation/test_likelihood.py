"""The likelihood's measures against closed forms and enumeration."""

from itertools import product

import numpy as np
import pytest
import torch
from known import LATENT, Map, bits, latent, linear_gaussian, system_of
from scipy import stats
from scipy.special import expit
from torch.distributions import Distribution, constraints

from vaekit.core.conditional import Conditional
from vaekit.core.dispatch import from_noise
from vaekit.core.system import System
from vaekit.evaluation import importance_nll
from vaekit.evaluation.likelihood import settled
from vaekit.models import VAE
from vaekit.parts.priors import Standard
from vaekit.tasks import score


def test_importance_sampling_finds_the_known_likelihood_of_a_linear_gaussian():
    system, rows, mean, covariance = linear_gaussian()
    raw = system.modality.to_raw(rows["x"])
    known = stats.multivariate_normal(mean, covariance).logpdf(raw)
    found = importance_nll(system, rows, particles=1000)
    assert abs(found.nll + known.mean()) < 0.02
    assert abs(found.nll + known.mean()) < 3 * found.standard_error
    each = score(system, rows, 1000)
    assert np.abs(each.nats - known).max() < 0.2


def test_the_standard_error_is_that_of_repeated_runs():
    system, rows, *_ = linear_gaussian(rows=20, widened=1.4)
    runs = [importance_nll(system, rows, particles=100, seed=s) for s in range(60)]
    spread = np.std([r.nll for r in runs], ddof=1)
    assert 0.7 < np.mean([r.standard_error for r in runs]) / spread < 1.4


def test_the_elbo_is_below_by_the_known_gap():
    widened = 1.3
    system, rows, mean, covariance = linear_gaussian(widened=widened)
    known = stats.multivariate_normal(mean, covariance).logpdf(system.modality.to_raw(rows["x"])).mean()
    found = importance_nll(system, rows, particles=2000)
    gap = LATENT * (0.5 * (widened**2 - 1) - np.log(widened))
    assert abs(known - found.elbo - gap) < 0.02
    assert np.isclose(found.elbo, -(found.distortion + found.rate))


def test_an_exact_posterior_has_all_its_particles():
    system, rows, *_ = linear_gaussian(widened=1.0)
    found = importance_nll(system, rows, particles=50)
    assert found.effective_sample_size == pytest.approx(50, rel=1e-4) and found.standard_error < 1e-3


def test_bounds_rise_with_their_particles():
    system, rows, *_ = linear_gaussian(widened=1.6)
    bounds = [np.mean([score(system, rows, k, seed).nats.mean() for seed in range(8)]) for k in (1, 2, 4, 8, 16)]
    assert importance_nll(system, rows, particles=500).elbo < bounds[1] and np.all(np.diff(bounds) > 0)


def tiny(scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All states of nine bits, and the weights of a decoder from two latents."""
    random = np.random.default_rng(1)
    return np.array(list(product((0, 1), repeat=9))), random.normal(size=(9, 2)) * scale, random.normal(size=9) * 0.5


def test_the_probabilities_of_all_states_sum_to_one():
    states, weight, bias = tiny(scale=0.8)
    system, rows = system_of(Map(np.zeros((2, 9)), np.zeros(2), latent(np.full(2, 1.2))), Map(weight, bias, bits), states)
    found = score(system, rows, particles=20_000).nats
    assert abs(np.exp(found).sum() - 1) < 1e-3
    points, masses = np.polynomial.hermite_e.hermegauss(40)
    z = np.array(list(product(points, repeat=2)))
    mass = np.outer(masses, masses).reshape(-1) / (2 * np.pi)
    p = expit(z @ weight.T + bias)
    exact = np.array([(mass * np.prod(np.where(s == 1, p, 1 - p), axis=1)).sum() for s in states])
    assert abs(exact.sum() - 1) < 1e-6
    assert np.abs(found - np.log(exact)).max() < 0.1 and np.abs(found - np.log(exact)).mean() < 0.02


def test_memory_s_bound_does_not_change_the_likelihood():
    system, rows, *_ = linear_gaussian()
    told = []
    small = importance_nll(system, rows, particles=120, values=1000, progress=lambda *words: told.append(words))
    assert small.nll == pytest.approx(importance_nll(system, rows, particles=120).nll, abs=1e-6)
    assert told[-1] == ("likelihood", 60, 60) and len(told) > 5


def test_figures_are_whole():
    system, rows, *_ = linear_gaussian()
    for f in importance_nll(system, rows, particles=10).figures():
        assert set(f) >= {"name", "value", "unit", "better", "protocol", "n", "seed"} and f["n"] == 60
        assert f["better"] in ("lower", "higher", "none") and isinstance(f["value"], float)


def test_gaps_are_left_out_of_the_likelihood():
    system, rows, mean, covariance = linear_gaussian(rows=10, widened=2.0)
    seen = torch.ones_like(rows["x"], dtype=torch.bool)
    seen[:, 3:] = False
    found = score(system, {"x": rows["x"], "observed": seen}, particles=20_000)
    known = stats.multivariate_normal(mean[:3], covariance[:3, :3]).logpdf(system.modality.to_raw(rows["x"])[:, :3])
    assert np.abs(found.nats - known).max() < 0.1
    assert np.allclose(found.bits_per_dimension, -found.nats / 3 / np.log(2))


class Picked(Conditional):
    """All mass on the nearer of two codes, as a quantiser has it: log q = 0."""

    def forward(self, *given):
        x = given[0]
        return PickedOne(torch.where(x[..., :1] > 0, 1.0, -1.0))


class PickedOne(Distribution):
    arg_constraints, support, has_rsample, mean, variance = {}, constraints.independent(constraints.real, 1), True, None, None

    def __init__(self, value):
        self.value = self.mean = value
        self.variance = torch.zeros_like(value)
        super().__init__(value.shape[:2], value.shape[2:], validate_args=False)

    def expand(self, shape, _instance=None):
        return PickedOne(self.value.expand(*shape, *self.event_shape))

    def rsample(self, shape=()):
        return self.value

    def log_prob(self, value):
        return torch.zeros(value.shape[:2])


def test_a_posterior_without_randomness_needs_one_draw_and_says_so(monkeypatch):
    monkeypatch.setitem(from_noise.rules, (PickedOne,), lambda d, u: d.value.expand(u.shape))
    x = np.random.default_rng(0).integers(0, 2, (30, 4))
    weight, bias = np.ones((4, 1)), np.zeros(4)
    random, rows = system_of(Map(np.zeros((1, 4)), np.zeros(1), latent(0.5)), Map(weight, bias, bits), x)
    system = System(VAE(Picked(), Standard(1), random.model.likelihood), [], random.modality)
    assert settled(system) and not settled(random)
    one, many = (importance_nll(system, rows, particles=k) for k in (1, 7))
    z = np.where(x[:, :1] > 0, 1.0, -1.0)
    wanted = stats.bernoulli(expit(z)).logpmf(x).sum(1) + stats.norm.logpdf(z[:, 0])
    assert one.nll == pytest.approx(many.nll) == pytest.approx(-wanted.mean(), abs=1e-5)
    assert one.elbo == pytest.approx(-one.nll) and one.standard_error == 0
    names = {f["name"]: f["protocol"] for f in one.figures()}
    assert "effective sample size" not in names and "picks one latent" in names["negative log-likelihood"]
