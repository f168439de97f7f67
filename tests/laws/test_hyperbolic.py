"""Laws of places in hyperbolic space: against Moebius addition in the ball, numerical integrals, and the plane that c -> 0 leaves."""

import math

import numpy as np
import pytest
import torch
from systems import held_out, made
from torch import Tensor
from torch.distributions import Independent, Normal

from vaekit import tasks
from vaekit.core import dispatch
from vaekit.core.errors import InputError
from vaekit.evaluation import measure_latents, verdict
from vaekit.parts.distributions import WrappedNormal
from vaekit.parts.networks import Gyroplanes
from vaekit.parts.posteriors import Hyperbolic

CURVATURES = [0.05, 1.0, 3.0]


def law(size: int, curvature: float, far: float = 1.5, wide: float = 0.6) -> WrappedNormal:
    generator = torch.Generator().manual_seed(size)
    location = far * torch.nn.functional.normalize(torch.randn(1, 1, size, generator=generator), dim=-1)
    return WrappedNormal(location, wide * (0.5 + torch.rand(1, 1, size, generator=generator)), curvature)


def in_ball(z: Tensor, c: float) -> Tensor:
    """exp_0 in the ball of radius c^(-1/2), whose distance from the middle is |z|."""
    length = z.norm(dim=-1, keepdim=True)
    return torch.tanh(math.sqrt(c) * length / 2) * z / (math.sqrt(c) * length)


def from_ball(w: Tensor, c: float) -> Tensor:
    length = w.norm(dim=-1, keepdim=True)
    return 2 / math.sqrt(c) * torch.atanh(math.sqrt(c) * length) * w / length


def moebius(x: Tensor, y: Tensor, c: float) -> Tensor:
    """Ganea et al. 2018, eq. 1."""
    xy, xx, yy = ((a * b).sum(-1, keepdim=True) for a, b in ((x, y), (x, x), (y, y)))
    return ((1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y) / (1 + 2 * c * xy + c**2 * xx * yy)


@pytest.mark.parametrize("size", [1, 2, 5, 16])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_draws_and_densities_are_those_of_moebius_addition(size, curvature):
    d = law(size, curvature)
    noise = torch.randn(200, 1, 1, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = d.shot(noise)
    m, v = d.location.double(), d.scale.double() * noise
    wanted = moebius(in_ball(m, curvature), in_ball(v, curvature), curvature)
    torch.testing.assert_close(in_ball(z, curvature), wanted.expand_as(z), atol=1e-9, rtol=1e-7)
    # The density by the space's own volume (Mathieu et al. 2019, eq. 2), then by that of the coordinates.
    back = from_ball(moebius(-in_ball(m, curvature), in_ball(z, curvature), curvature), curvature)

    def room(length: Tensor) -> Tensor:
        return (size - 1) * torch.log(torch.sinh(math.sqrt(curvature) * length) / (math.sqrt(curvature) * length))

    of_space = Normal(0.0, d.scale.double()).log_prob(back).sum(-1) - room(back.norm(dim=-1))
    torch.testing.assert_close(d.log_prob(z), of_space + room(z.norm(dim=-1)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("curvature", CURVATURES)
def test_the_density_is_one_in_all_and_draws_follow_it(curvature):
    d = law(2, curvature)
    axis = torch.arange(-9, 9, 0.03, dtype=torch.float64) + 0.015
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    density = d.log_prob(grid[:, :, None, None]).exp()[..., 0, 0] * 0.03**2
    assert float(density.sum()) == pytest.approx(1, abs=1e-4)
    torch.manual_seed(0)
    z = d.rsample((40_000,))[:, 0, 0].double()
    mean = (density[..., None] * grid).sum((0, 1))
    spread = ((density[..., None] * (grid - mean).square()).sum((0, 1))).sqrt()
    assert bool(((z.mean(0) - mean).abs() < 5 * spread / 200).all())
    torch.testing.assert_close(z.std(0), spread, rtol=0.03, atol=0)


@pytest.mark.parametrize("curvature", CURVATURES)
def test_the_variance_is_right_where_it_is_small(curvature):
    d = law(4, curvature, wide=0.01)
    torch.manual_seed(0)
    torch.testing.assert_close(d.rsample((40_000,))[:, 0, 0].std(0), d.stddev[0, 0], rtol=0.03, atol=0)


def test_about_the_origin_and_without_curvature_it_is_the_normal():
    scale = torch.tensor([[[0.3, 1.0, 2.0]]])
    z = 2 * torch.randn(50, 1, 1, 3, generator=torch.Generator().manual_seed(0))
    for location, curvature, exact in ((torch.zeros(1, 1, 3), 2.0, 1e-4), (torch.tensor([[[1.0, -2.0, 0.5]]]), 1e-8, 1e-4)):
        d, plain = WrappedNormal(location, scale, curvature), Independent(Normal(location, scale), 1)
        torch.testing.assert_close(d.log_prob(z), plain.log_prob(z), atol=exact, rtol=exact)
        u = torch.rand(9, 1, 1, 3)
        torch.testing.assert_close(dispatch.from_noise(d, u), dispatch.from_noise(plain, u), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(d.stddev, plain.stddev, atol=1e-4, rtol=1e-4)


def test_the_rate_is_that_of_other_draws_and_its_gradient_that_of_differences():
    """E_q [log q - log p] from draws of p, by weights: one law met from both sides."""
    raw = torch.tensor([[[0.5, -0.4, -0.7, -0.5]]], requires_grad=True)
    p = Independent(Normal(torch.zeros(1, 1, 2), torch.ones(1, 1, 2)), 1)
    noise = torch.randn(200_000, 1, 2, generator=torch.Generator().manual_seed(0))

    def rate(numbers: Tensor) -> Tensor:
        q = Hyperbolic(2)(numbers)
        z = q.shot(noise)
        return (q.log_prob(z) - p.log_prob(z)).mean()

    found = rate(raw)
    z = torch.randn(200_000, 1, 2, generator=torch.Generator().manual_seed(1))
    ratio = Hyperbolic(2)(raw.detach()).log_prob(z) - p.log_prob(z)
    weighed = ratio.exp() * ratio
    assert abs(float(found.detach() - weighed.mean())) < 5 * float(weighed.std()) / 200_000**0.5 + 5e-3
    (slope,) = torch.autograd.grad(found, raw)
    for i in range(4):
        step = torch.zeros_like(raw)
        step[..., i] = 1e-2
        with torch.no_grad():
            wanted = (rate(raw + step) - rate(raw - step)) / 2e-2
        assert float(slope[0, 0, i]) == pytest.approx(float(wanted), abs=2e-3)


@pytest.mark.parametrize("far", [0.0, 1e-3, 60.0])
def test_places_at_the_origin_and_at_the_rim_stay_finite(far):
    for size, curvature in ((1, 1.0), (2, 3.0), (16, 1.0), (100, 1.0)):
        raw = torch.full((1, 20, 2 * size), far)
        raw[..., size:] = torch.tensor([-60.0, 0.5]).repeat(10)[:, None]
        raw.requires_grad_()
        q = Hyperbolic(size, curvature)(raw)
        planes = Gyroplanes(size, 7, curvature)
        for z in (q.rsample(), q.mean):
            (q.log_prob(z).sum() + planes(z).sum() + z.sum() + q.variance.sum()).backward(retain_graph=True)
            assert torch.isfinite(raw.grad).all() and torch.isfinite(z).all()
    assert bool(torch.isfinite(Gyroplanes(2, 3, 1.0)(torch.full((1, 1, 2), 1e6))).all())


def test_distances_far_out_are_no_coarser_in_bf16():
    z = torch.randn(1, 200, 2, generator=torch.Generator().manual_seed(0))
    planes, z = Gyroplanes(2, 5, 1.0), 9 * z / z.norm(dim=-1, keepdim=True)
    exact = planes(z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(planes(z.bfloat16()), planes(z.bfloat16().float())) and torch.equal(planes(z), exact)


def test_draws_are_told_from_their_neighbours_as_far_out_as_means_reach():
    """log q of a draw is that of the noise it was made of, at the largest distance and the smallest scale that a posterior can have."""
    q = Hyperbolic(2)(torch.tensor([[[1e4, 1e4, -2.0, -2.0]]]))
    assert float(q.location.norm()) == pytest.approx(10, abs=1e-3)
    noise = torch.randn(500, 1, 2, generator=torch.Generator().manual_seed(0))
    z, v = q.shot(noise), q.scale * noise

    def room(length: Tensor) -> Tensor:
        return torch.log(torch.sinh(length) / length)

    wanted = Normal(0.0, q.scale).log_prob(v).sum(-1) + room(z.norm(dim=-1)) - room(v.norm(dim=-1))
    assert float((q.log_prob(z) - wanted).abs().max()) < 0.05


def test_a_plane_s_distance_is_the_shortest_to_a_place_of_it():
    """Where |w|^2 - c b^2 = 1: against a search over the plane's own places, and 0 on it."""
    c, normal = 2.0, torch.tensor([0.6, -1.2])
    b = math.sqrt((float(normal.square().sum()) - 1) / c)
    planes = Gyroplanes(2, 1, c)
    with torch.no_grad():
        planes.normals.copy_(normal[None])
        planes.offsets.fill_(b)
        place = torch.tensor([[[0.7, 0.9]]])
        found = float(planes(place))
        # The plane on the hyperboloid: <w, x'> + c^(1/2) b x_0 = 0 with x_0^2 - |x'|^2 = 1.
        along = torch.linspace(-6, 6, 200_001, dtype=torch.float64)
        unit, across = normal.double() / normal.norm(), torch.tensor([1.2, 0.6], dtype=torch.float64) / normal.norm()
        # With |w|^2 - c b^2 = 1: x' = q unit + sinh(t) across, q = -c^(1/2) b x_0 / |w|, so that x_0 = |w| cosh t.
        x0 = float(normal.norm()) * along.cosh()
        x = (-math.sqrt(c) * b * x0 / float(normal.norm()))[:, None] * unit + along.sinh()[:, None] * across
        length = x.norm(dim=-1, keepdim=True)
        on_it = length.asinh() / length * x / math.sqrt(c)
        assert float(planes(on_it.float()[None]).abs().max()) < 1e-2
        gap = moebius(-in_ball(place[0].double(), c), in_ball(on_it, c), c).norm(dim=-1)
        shortest = float((2 / math.sqrt(c) * torch.atanh(math.sqrt(c) * gap)).min())
    assert abs(found) == pytest.approx(shortest, abs=1e-3)


def test_without_curvature_planes_are_a_linear_layer():
    planes, z = Gyroplanes(3, 5, 1e-10), torch.randn(2, 4, 3)
    torch.testing.assert_close(planes(z), torch.nn.functional.linear(z, planes.normals, planes.offsets), atol=1e-5, rtol=1e-4)


def test_cold_draws_lie_at_the_mean_and_a_stopped_law_has_no_gradient():
    d = law(3, 1.0)
    assert float((dispatch.temper(d, 0.0).rsample((50,)) - d.location).abs().max()) < 1e-4
    assert torch.equal(dispatch.temper(d, 0.5).scale, 0.5 * d.scale)
    moving = WrappedNormal(d.location.requires_grad_(), d.scale)
    assert moving.log_prob(d.location).requires_grad and not dispatch.stop(moving).log_prob(d.location.detach()).requires_grad


def test_tasks_and_measures_go_on_in_a_curved_space():
    system, feed = made("real", "poincare_vae", latent=4)
    rows = {"x": held_out(feed).x}
    assert tasks.interpolate(system, rows, {"x": rows["x"].flip(0)}, steps=3).shape[1] == 3
    assert tasks.traverse(system).shape[:3] == (1, 4, 7) and tasks.generate(system, 5, temperature=0.5).shape == (5, 5)
    found = measure_latents(system, rows)
    assert np.isnan(found.kl).all() and np.isfinite(found.mismatch).all()
    assert all(np.isfinite([found.rate, found.mutual_information, found.use])) and verdict(found).name


def test_a_curvature_with_no_room_for_the_prior_is_refused():
    with pytest.raises(InputError, match=r"curvature must be 6\.25 or less with 16 latent dimensions, not 7"):
        Hyperbolic(16, 7.0)
    with pytest.raises(InputError, match="curvature must be"):
        Hyperbolic(2, 0.0)
