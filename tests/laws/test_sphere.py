"""Laws of directions: against scipy's Bessel functions and its von Mises-Fisher, moments known in closed form, and finite differences."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from systems import made
from torch import Tensor

from vaekit import tasks
from vaekit.core import dispatch
from vaekit.core.choose import fixed, from_posterior
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.evaluation import measure_latents, verdict
from vaekit.parts.distributions import UniformSphere, VonMisesFisher
from vaekit.parts.distributions.bessel import log_bessel
from vaekit.parts.posteriors import Sphere

CONCENTRATIONS = np.array([1e-3, 1e-2, 0.1, 0.5, 1.0, 3.0, 10.0, 40.0, 100.0, 500.0, 1e3, 1e4])


def direction(size: int, seed: int = 0) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(size, generator=torch.Generator().manual_seed(seed)), dim=-1)


def law(size: int, k: float, rows: int = 1) -> VonMisesFisher:
    return VonMisesFisher(direction(size).expand(1, rows, size), torch.full((1, rows, 1), k))


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 16, 33, 50, 51, 100])
def test_the_bessel_function_and_its_slope_are_scipys(size):
    order = size / 2 - 1
    k = torch.tensor(CONCENTRATIONS, requires_grad=True)
    value, ratio = log_bessel(order, k)
    scaled = special.ive(order, CONCENTRATIONS)
    # At high orders and small k, scipy's own function vanishes: there the first terms of the power series are exact.
    half = CONCENTRATIONS / 2
    series = order * np.log(half) - special.gammaln(order + 1) + np.log1p(half**2 / (order + 1)) - CONCENTRATIONS
    with np.errstate(divide="ignore"):
        wanted = np.where(CONCENTRATIONS < 0.05, series, np.log(scaled))
    np.testing.assert_allclose(value.detach().numpy(), wanted, rtol=1e-6, atol=1e-6)
    (slope,) = torch.autograd.grad(value.sum(), k)
    np.testing.assert_allclose(slope.numpy(), (ratio.detach() + order / k.detach() - 1).numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [2, 3, 8, 40])
@pytest.mark.parametrize("k", [0.01, 1.0, 30.0, 2000.0])
def test_density_and_entropy_are_scipys(size, k):
    d, reference = law(size, k), stats.vonmises_fisher(direction(size).double().numpy() / np.linalg.norm(direction(size).double()), k)
    torch.manual_seed(0)
    z = d.rsample((50,))[:, 0, 0]
    points = z.double().numpy() / np.linalg.norm(z.double().numpy(), axis=-1, keepdims=True)
    np.testing.assert_allclose(d.log_prob(z.unsqueeze(1).unsqueeze(1))[:, 0, 0].numpy(), reference.logpdf(points), rtol=1e-4, atol=2e-3)
    assert d.entropy().item() == pytest.approx(float(reference.entropy()), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("size", [2, 3, 10, 60])
@pytest.mark.parametrize("k", [1e-3, 0.5, 7.0, 400.0, 1e4])
def test_draws_are_directions_with_the_known_moments_and_the_known_law_of_angles(size, k):
    torch.manual_seed(1)
    d = law(size, k)
    z = d.rsample((20_000,))[:, 0, 0].double()
    assert d.support.check(z).all()
    error = 5 * z.std(0) / len(z) ** 0.5 + 1e-6
    assert bool(((z.mean(0) - d.mean[0, 0].double()).abs() < error).all())
    torch.testing.assert_close(z.std(0, correction=0), d.stddev[0, 0].double(), rtol=0.05, atol=1e-5)
    # <m, z> of scipy's draws, which are made by rejection.
    m = direction(size).double().numpy()
    others = stats.vonmises_fisher(m / np.linalg.norm(m), k).rvs(4000, random_state=2) @ m
    assert stats.ks_2samp((z @ torch.tensor(m))[:4000].numpy(), others).pvalue > 1e-4


@pytest.mark.parametrize("size", [2, 3, 12])
@pytest.mark.parametrize("k", [0.3, 5.0, 200.0])
def test_a_draw_moves_with_the_concentration_as_its_quantile_does(size, k):
    u = torch.rand(1, 400, size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    m = direction(size).double().expand(1, 400, size)
    concentration = torch.full((1, 400, 1), k, dtype=torch.float64, requires_grad=True)
    along = (VonMisesFisher(m, concentration).quantile(u) * m).sum(-1)
    (found,) = torch.autograd.grad(along.sum(), concentration)
    step = 1e-3 * k
    up, down = ((VonMisesFisher(m, concentration.detach() + s).quantile(u) * m).sum(-1) for s in (step, -step))
    wanted = ((up - down) / (2 * step)).unsqueeze(-1)
    assert float((found - wanted).abs().max()) < 0.02 * float(wanted.abs().max())


def test_the_gradient_of_an_expectation_is_the_known_one():
    """E<w, z> = A(k) <w, m>: its slope by the numbers of the network, from draws."""
    raw = torch.tensor([[[0.4, -1.0, 0.7, 0.3]]], requires_grad=True)
    w = torch.tensor([1.0, 2.0, -0.5])
    (wanted,) = torch.autograd.grad((Sphere(3)(raw).mean * w).sum(), raw)
    torch.manual_seed(0)
    each = [torch.autograd.grad((Sphere(3)(raw.expand(1, 5000, 4)).rsample() * w).sum(-1).mean(), raw)[0] for _ in range(8)]
    found = torch.stack(each)
    assert bool(((found.mean(0) - wanted).abs() < 5 * found.std(0) / 8**0.5 + 1e-3).all())


def test_the_rate_is_that_of_many_draws_and_vanishes_where_nothing_is_told():
    for size, k in ((2, 0.7), (5, 20.0), (30, 300.0)):
        q, p = law(size, k), UniformSphere(torch.zeros(1, 1, size))
        exact = dispatch.divergence(q, p)
        torch.manual_seed(0)
        z = q.rsample((20_000,))
        ratio = q.log_prob(z) - p.log_prob(z)
        assert abs(float(ratio.mean() - exact)) < 5 * float(ratio.std()) / 20_000**0.5 + 1e-3 and exact.shape == (1, 1)
    assert float(dispatch.divergence(law(5, 1e-3), UniformSphere(torch.zeros(1, 1, 5)))) == pytest.approx(0, abs=1e-6)


def test_the_uniform_has_the_area_of_the_sphere_and_its_own_rules():
    p = UniformSphere(torch.zeros(1, 1, 3))
    z = p.sample((20_000,))[:, 0, 0]
    assert p.support.check(z).all() and p.log_prob(z[:1]).item() == pytest.approx(-math.log(4 * math.pi))
    torch.testing.assert_close(z.var(0), torch.full((3,), 1 / 3), rtol=0.05, atol=0)
    assert dispatch.temper(p, 0.0) is p and dispatch.stop(p) is p
    made_up = dispatch.from_noise(p, torch.rand(4000, 3))
    assert stats.kstest(made_up[:, 0], "uniform", (-1, 2)).pvalue > 1e-4
    for d in (p, law(3, 4.0)):
        assert d.support.check(dispatch.centre(d)).all()
        torch.testing.assert_close(dispatch.onto(d, 3 * z), z)


def test_cold_draws_lie_at_the_mean_direction_and_a_stopped_law_has_no_gradient():
    k = torch.full((1, 1, 1), 5.0, requires_grad=True)
    d = VonMisesFisher(direction(4).expand(1, 1, 4), k)
    cold, cool = (dispatch.temper(d, t) for t in (0.0, 0.5))
    assert bool(((cold.rsample((200,)) - d.direction).norm(dim=-1) < 0.01).all()) and torch.equal(cool.concentration, 4 * k)
    assert not dispatch.stop(d).log_prob(direction(4, 1)).requires_grad and d.log_prob(direction(4, 1)).requires_grad


@pytest.mark.parametrize("far", [-60.0, 60.0])
def test_extreme_numbers_of_the_network_stay_finite(far):
    for size in (2, 16, 100):
        raw = torch.randn(1, 20, size + 1, generator=torch.Generator().manual_seed(0))
        raw[..., size:] = far
        raw.requires_grad_()
        q = Sphere(size)(raw)
        z = q.rsample()
        (q.log_prob(z).sum() + dispatch.divergence(q, UniformSphere(torch.zeros(1, 1, size))).sum() + z.sum()).backward()
        assert torch.isfinite(raw.grad).all() and torch.isfinite(z).all() and q.support.check(z).all()


def test_tasks_and_measures_stay_on_the_sphere():
    system, feed = made("real", "sphere_vae", latent=4)
    rows = {"x": next(iter(feed.train.in_order())).x}
    seen: list[Tensor] = []
    system.model.likelihood.register_forward_hook(lambda module, given, made: seen.append(given[0]))
    assert tasks.interpolate(system, rows, {"x": rows["x"].flip(0)}, steps=3).shape[1] == 3
    assert tasks.traverse(system).shape[:3] == (1, 4, 7) and tasks.generate(system, 5, temperature=0.5).shape == (5, 5)
    assert all(torch.allclose(z.norm(dim=-1), torch.ones(()), atol=1e-5) for z in seen) and len(seen) >= 3
    found = measure_latents(system, rows)
    assert np.isnan(found.kl).all() and np.isfinite(found.mismatch).all()
    assert all(np.isfinite([found.rate, found.mutual_information, found.use])) and verdict(found).name
    kept = from_posterior(2, RowNoise(rows["x"]))
    batch = next(iter(feed.train.in_order()))
    trace = system.model(batch, fixed({"z": system.model(batch, kept).sites["z"].z * 7}, kept))
    torch.testing.assert_close(trace.sites["z"].z, system.model(batch, kept).sites["z"].z)


def test_one_coordinate_is_no_direction():
    with pytest.raises(InputError, match="latent must be a whole number of 2 or more, not 1"):
        Sphere(1)
