"""Laws of flows: densities against Jacobians worked out by differentiation, closed forms, and integrals over a grid."""

import copy
import math
import sys
from dataclasses import replace
from functools import partial
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
import zuko
from systems import held_out, made, shaken
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

from vaekit.core.batch import Batch
from vaekit.core.choose import from_posterior, from_prior
from vaekit.core.conditional import Family, Neural
from vaekit.core.dispatch import centre, divergence, from_noise, stop, temper
from vaekit.core.errors import InputError
from vaekit.core.learned import Begins
from vaekit.core.objective import Step
from vaekit.core.trace import Site, Trace
from vaekit.models import VAE
from vaekit.parts import posteriors, priors
from vaekit.parts.distributions import Integrated, NormalFlow, SylvesterMaps, affine_flow, coupling_spline_flow, spline_flow
from vaekit.parts.likelihoods import LIKELIHOODS
from vaekit.parts.networks import MLP, Scaled, VectorReader, VectorWriter, VelocityField
from vaekit.parts.objectives import FlowMatching
from vaekit.training import Settings, fit

CONTEXT = 2


def posterior(flow: str, latent: int, rows: int = 4) -> NormalFlow:
    torch.manual_seed(0)
    family = posteriors.flow_posterior(latent, flow, 2, (6,), CONTEXT)
    return shaken(family)((0.5 * torch.randn(1, rows, family.size)).requires_grad_())


def prior(flow: str, latent: int, rows: int = 4) -> NormalFlow:
    torch.manual_seed(0)
    condition = torch.randn(1, rows, CONTEXT) if rows > 1 else None
    return shaken(priors.Flow(latent, flow, CONTEXT if rows > 1 else 0, 2, (6,)))(condition)


def begun(latent: int, condition_width: int = 0, steps: int = 30) -> priors.LatentDiffusion:
    torch.manual_seed(0)
    found = shaken(priors.LatentDiffusion(latent, condition_width, 6, steps), 0.2)
    q = Independent(Normal(1 + 0.6 * torch.randn(1, 50, latent), 0.3), 1)
    found.start(Trace(Batch(size=50), {"z": Site(q.sample(), q, q)}, lambda: q))
    return found


def diffusion(latent: int, rows: int = 4) -> NormalFlow:
    return begun(latent, CONTEXT if rows > 1 else 0)(torch.randn(1, rows, CONTEXT) if rows > 1 else None)


FLOWS = {
    "iaf": lambda *a: posterior("iaf", *a), "spline": lambda *a: posterior("spline", *a),
    "sylvester": lambda *a: posterior("sylvester", *a), "coupling": lambda *a: prior("coupling", *a),
    "autoregressive": lambda *a: prior("autoregressive", *a), "diffusion": diffusion,
}
every = pytest.mark.parametrize("make", FLOWS.values(), ids=FLOWS)


@every
@pytest.mark.parametrize("latent", [1, 4])
def test_the_density_is_that_of_the_change_of_variables(make, latent):
    d = make(latent)
    assert (d.batch_shape, d.event_shape) == ((1, 4), (latent,))
    wide = d.expand((3, 4))
    z = wide.rsample()
    own, through_the_inverse = wide.log_prob(z), d.log_prob(z.clone())
    noise = d.known["drawn"][1]
    for particle, row in ((0, 0), (2, 3)):
        def pushed(e: Tensor, row: int = row) -> Tensor:
            return (d.location + d.scale * d.transform(e.expand(1, 4, latent), d.context)[0])[0, row]

        jacobian = torch.autograd.functional.jacobian(pushed, noise[particle, row].detach())
        wanted = Normal(0.0, 1.0).log_prob(noise[particle, row]).sum() - jacobian.slogdet()[1]
        torch.testing.assert_close(own[particle, row], wanted, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(through_the_inverse, own, rtol=2e-3, atol=2e-3)
    with torch.no_grad():
        torch.testing.assert_close(d.log_prob(z.detach()), own, rtol=2e-3, atol=2e-3)


@every
def test_the_density_integrates_to_one(make):
    with torch.no_grad():
        line, plane = make(1, 1), make(2, 1)
        places = torch.linspace(-30, 30, 6_001).reshape(-1, 1, 1)
        assert float(line.log_prob(places).exp().sum() * 60 / 6_000) == pytest.approx(1, abs=2e-3)
        wide = MultivariateNormal(plane.mean.flatten(), 4 * torch.cov(plane.sample((4000,)).reshape(-1, 2).T))
        z = wide.sample((10_000, 1))
        ratio = (plane.log_prob(z)[:, 0] - wide.log_prob(z)[:, 0]).exp()
        assert abs(float(ratio.mean()) - 1) < 5 * float(ratio.std()) / 100


@every
def test_moments_are_those_of_draws_and_the_same_each_time(make):
    with torch.no_grad():
        d = make(3, 1)
        z = d.sample((6_000,)).reshape(-1, 3)
        spread = z.std(0)
        few = 64 if d.context is not None else 4096
        assert ((d.mean.flatten() - z.mean(0)).abs() < 5 * spread / math.sqrt(few)).all()
        torch.testing.assert_close(d.stddev.flatten(), spread, rtol=5 / math.sqrt(few), atol=0)
        assert torch.equal(d.stddev, d.stddev)


@every
def test_it_is_tempered_in_the_noise_down_to_its_centre(make):
    d = make(3)
    cold = temper(d, 0.0).expand((5, 4)).sample()
    torch.testing.assert_close(cold, centre(d).expand_as(cold), rtol=1e-3, atol=1e-3)
    warm = temper(d, 0.5).expand((2, 4))
    z = warm.sample()
    assert (warm.known["drawn"][1].abs() < 3).all() and warm.temperature == 0.5
    torch.testing.assert_close(warm.log_prob(z.clone()), warm.log_prob(z), rtol=3e-3, atol=3e-3)


@every
def test_a_draw_from_uniforms_is_the_quantile_pushed_through(make):
    d, u = make(3), torch.rand(5, 4, 3).clamp(0.01, 0.99)
    z = from_noise(d, u)
    torch.testing.assert_close(d.known["drawn"][1], Normal(0.0, 1.0).icdf(u), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(from_noise(d, u[:, 1:2].expand(5, 4, 3))[:, 1], z[:, 1])


@every
def test_stopped_its_parameters_are_constants_and_the_path_through_the_value_stays(make):
    d = make(3)
    z = d.rsample()
    held = stop(d)
    place = z.detach().double().float().requires_grad_()
    assert not held.log_prob(z.detach()).requires_grad and d.log_prob(z.detach().clone()).requires_grad
    torch.testing.assert_close(held.log_prob(z.detach()), d.log_prob(z).detach(), rtol=2e-3, atol=2e-3)
    (slope,) = torch.autograd.grad(held.log_prob(place).sum(), place)
    step = 0.02 * torch.nn.functional.one_hot(torch.tensor(1), 3)
    with torch.no_grad():
        found = (held.log_prob(z + step) - held.log_prob(z - step)) / 0.04
    assert float((slope[..., 1] - found).abs().median()) < 0.05 * (1 + float(found.abs().median()))


@every
def test_what_is_known_of_a_value_is_not_worked_out_again(make):
    d, calls = make(2), []
    asked = d.transform
    d.transform = lambda *given, **named: calls.append(named) or asked(*given, **named)
    z = d.rsample()
    d.log_prob(z), d.expand((1, 4)).log_prob(z)
    assert len(calls) == 1
    other = z.detach()
    first, again = d.log_prob(other), d.log_prob(other)
    assert torch.equal(first, again) and len(calls) == 2
    # A draw without a gradient has none to give: its density in the parameters goes through the inverse.
    drawn = d.sample()
    with torch.no_grad():
        d.log_prob(drawn)
    assert len(calls) == 3
    assert d.log_prob(drawn).requires_grad and len(calls) == 4


def test_a_fresh_flow_is_the_normal_of_its_encoder():
    torch.manual_seed(0)
    for flow in ("iaf", "spline", "sylvester"):
        family = posteriors.flow_posterior(3, flow, 4, (8,), 2)
        raw = family.head(7)(torch.randn(1, 5, 7))
        plain = posteriors.Normal(3)(raw[..., :6])
        z = plain.rsample((2,))[:, 0]
        torch.testing.assert_close(family(raw).log_prob(z), plain.log_prob(z), rtol=1e-4, atol=1e-4)
    for flow in ("coupling", "autoregressive"):
        torch.testing.assert_close(priors.Flow(3, flow)(None).log_prob(z), priors.Standard(3)(None).log_prob(z), rtol=1e-4, atol=1e-4)


def test_one_affine_map_of_one_number_is_a_normal():
    torch.manual_seed(0)
    step = shaken(affine_flow(1, 2, 1, (4,)))
    location, scale, context = torch.randn(1, 3, 1), torch.rand(1, 3, 1) + 0.5, torch.randn(1, 3, 2)
    d = NormalFlow(step, location, scale, context)
    shift = step(torch.zeros(1, 3, 1), context)[0]
    slope = step(torch.ones(1, 3, 1), context)[0] - shift
    wanted = Independent(Normal(location + scale * shift, scale * slope), 1)
    z = wanted.sample((4,))[:, 0]
    torch.testing.assert_close(d.log_prob(z), wanted.log_prob(z), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(d.mean, wanted.mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(d.stddev, wanted.stddev, rtol=1e-4, atol=1e-4)


def test_the_rate_of_the_draws_is_in_the_mean_the_divergence():
    """Two flows that are normals have a known divergence; that of the draws is its estimate."""
    torch.manual_seed(0)
    d = NormalFlow(shaken(affine_flow(1, 2, 2, (4,))), torch.zeros(1, 3, 1), torch.ones(1, 3, 1), torch.randn(1, 3, 2))
    p = priors.Standard(1)(None)
    exact = divergence(Independent(Normal(d.mean, d.stddev), 1), p).sum(-1).detach()
    z = d.expand((20_000, 3)).sample()
    drawn = Site(z, p, d, d).kl()
    assert ((drawn.mean(0) - exact[0]).abs() < 5 * drawn.std(0) / math.sqrt(20_000)).all()


def gap(family: Family) -> float:
    """Mean of log p(x) - ELBO after training the encoder alone, where latents are correlated given x and log p(x) is known."""
    torch.manual_seed(0)
    weight = torch.tensor([[1.0, 0.9], [0.9, 1.0]])
    reader = VectorReader((2,), 0, False, Scaled(torch.zeros(1), torch.ones(1)), partial(MLP, hidden=()))
    writer = VectorWriter(2, (), 0, partial(MLP, hidden=()))
    model = VAE(Neural(reader, family), priors.Standard(2), Neural(writer, LIKELIHOODS["normal"]((2,), scale=0.3)))
    layer = model.likelihood.head
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.zero_()
    law = MultivariateNormal(torch.zeros(2), weight @ weight.T + 0.09 * torch.eye(2))
    optimiser = torch.optim.Adam(model.posterior.parameters(), lr=5e-2)
    for step in range(300):
        optimiser.param_groups[0]["lr"] = 5e-2 * (1 - step / 300)
        optimiser.zero_grad()
        (-model(Batch(law.sample((128,))), from_posterior()).log_weight().mean()).backward()
        optimiser.step()
    with torch.no_grad():
        x = law.sample((500,))
        return float((law.log_prob(x) - model(Batch(x), from_posterior(20)).log_weight().mean(0)).mean())


def test_a_flow_closes_the_gap_that_a_diagonal_posterior_leaves():
    """Precision P = I + W' W / s^2: the best diagonal normal is (sum log P_ii - log det P) / 2 short, an affine flow nothing.

    A map of the hyperbolic tangent is straight only near its middle: a normal that is pressed flat takes several.
    """
    weight = torch.tensor([[1.0, 0.9], [0.9, 1.0]])
    precision = torch.eye(2) + weight.T @ weight / 0.09
    wanted = float(precision.diagonal().log().sum() - precision.logdet()) / 2
    assert wanted > 1 and wanted - 0.05 < gap(posteriors.Normal(2)) < wanted + 0.15
    for flow, steps in (("iaf", 2), ("spline", 2), ("sylvester", 4)):
        assert -0.05 < gap(posteriors.flow_posterior(2, flow, steps, (8,), 2)) < 0.1 * wanted


def test_maps_of_given_numbers_have_the_gradients_of_both_directions():
    """Of values and of the numbers, against differences; the way back is a search, with the gradient of the implicit function."""
    torch.manual_seed(0)
    maps = SylvesterMaps(3, 2)
    value = torch.randn(2, 2, 3).double().requires_grad_()
    numbers = torch.randn(1, 2, len(maps.outer())).double().requires_grad_()
    for backwards in (False, True):
        assert torch.autograd.gradcheck(partial(maps, backwards=backwards), (value, numbers))
    there, back = maps(value, numbers), maps(maps(value, numbers)[0].detach(), numbers, backwards=True)
    torch.testing.assert_close(back, (value, -there[1]))
    assert torch.equal(maps(value, numbers * ~maps.outer())[0], value), "without an R nothing moves"


def test_maps_that_press_hard_are_undone():
    maps = SylvesterMaps(2, 1)
    numbers = torch.tensor([30.0, 0.0, 0.0, 30.0, -30.0, 30.0, 0.0, 0.0])
    for value in (torch.zeros(1, 1, 2), torch.randn(50, 1, 2), torch.full((1, 1, 2), 40.0)):
        image, log_det = maps(value, numbers)
        back, undone = maps(image, numbers, backwards=True)
        assert bool(torch.isfinite(log_det).all() and torch.isfinite(undone).all())
        torch.testing.assert_close(maps(back, numbers)[0], image, rtol=1e-5, atol=1e-5)


class Linear(nn.Module):
    """v = A u, whose flow is the matrix exponential."""

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(self, u: Tensor, time: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        return u @ self.matrix.T, self.matrix.trace()


def test_a_linear_field_makes_a_normal_of_known_covariance():
    torch.manual_seed(0)
    matrix = 0.6 * torch.randn(3, 3)
    location, scale = torch.tensor([1.0, -2.0, 0.5]).reshape(1, 1, 3), torch.tensor([0.5, 1.0, 2.0]).reshape(1, 1, 3)
    d = NormalFlow(Integrated(Linear(matrix), 24), location, scale)
    carried = scale.flatten().diag() @ torch.linalg.matrix_exp(matrix)
    wanted = MultivariateNormal(location.flatten(), carried @ carried.T)
    with torch.no_grad():
        z = wanted.sample((50, 1))
        torch.testing.assert_close(d.log_prob(z), wanted.log_prob(z), rtol=2e-3, atol=2e-3)
        drawn = d.sample((50,))[:, 0]
        torch.testing.assert_close(drawn[:, 0], location[0] + d.known["drawn"][1][:, 0, 0] @ carried.T, rtol=2e-3, atol=2e-3)
        coarse = [NormalFlow(Integrated(Linear(matrix), steps), location, scale).log_prob(z) for steps in (6, 12)]
        error = [float((found - wanted.log_prob(z)).abs().max()) for found in coarse]
    assert error[1] < error[0] / 3, "of second order"


@pytest.mark.parametrize("condition_width", [0, 2])
def test_the_divergence_is_the_trace_of_the_jacobian(condition_width):
    torch.manual_seed(0)
    field = shaken(VelocityField(3, condition_width, 7)).double()
    u, condition = torch.randn(1, 5, 3).double(), torch.randn(1, 5, condition_width).double() if condition_width else None
    for time in (torch.tensor(0.3).double(), torch.rand(1, 5).double()):
        velocity, found = field(u, time, condition)
        jacobian = torch.autograd.functional.jacobian(lambda at, time=time: field(at, time, condition)[0], u)
        wanted = torch.stack([jacobian[0, row, :, 0, row].trace() for row in range(5)])
        torch.testing.assert_close(found[0], wanted)
        torch.testing.assert_close(velocity, field.velocity(u, time, condition))


def test_a_matched_field_learns_the_law_of_the_latents():
    """Of correlated normals, whose log-density is known: the moments alone would miss the correlation."""
    torch.manual_seed(0)
    law = MultivariateNormal(torch.tensor([1.0, -1.0]), torch.tensor([[1.0, 0.9], [0.9, 1.0]]))
    found = priors.LatentDiffusion(2, width=32)

    def walked(rows: int) -> Trace:
        q = Independent(Normal(law.sample((1, rows)), 1e-3), 1)
        return Trace(Batch(q.mean[0]), {"z": Site(q.sample(), q, q)}, lambda: q)

    found.start(walked(500))
    term, optimiser = FlowMatching(found), torch.optim.Adam(found.parameters(), lr=1e-2)
    z = law.sample((500, 1))
    with torch.no_grad():
        before = found(None).log_prob(z).mean()
    for _ in range(250):
        optimiser.zero_grad()
        term(walked(256)).mean().backward()
        optimiser.step()
    with torch.no_grad():
        after = found(None).log_prob(z).mean()
    wanted = law.log_prob(z).mean()
    assert before < wanted - 0.5 and wanted - 0.1 < after < wanted + 0.02
    assert float(torch.corrcoef(found(None).sample((2000,)).reshape(-1, 2).T)[0, 1]) == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("recipe", ["flow_prior_vae", "latent_diffusion"])
def test_until_its_stage_the_prior_is_the_standard_normal(recipe):
    system, feed = made("real", recipe, latent=3)
    fresh = system.model.prior(None)
    assert isinstance(fresh, Independent) and torch.equal(fresh.mean, torch.zeros(1, 1, 3))
    trace = system.model(held_out(feed), from_posterior())
    assert trace.sites["z"].kl_by_dimension() is not None
    system.model.prior.start(trace)
    assert isinstance(system.model(held_out(feed), from_posterior()).sites["z"].prior, NormalFlow)


def test_a_prior_that_has_begun_is_read_from_a_file_and_copied_as_one():
    first, other = (priors.Waiting(priors.Standard(3), then) for then in (begun(3, 2, 4), priors.LatentDiffusion(3, 2, 6, 4)))
    first.start(Trace(Batch(size=1), {}, lambda: first))
    other.load_state_dict(first.state_dict())
    given, z = torch.randn(1, 5, 2), torch.randn(2, 5, 3)
    for twin in (other, copy.deepcopy(first)):
        assert torch.equal(twin(given).log_prob(z), first(given).log_prob(z))


def test_the_second_stage_leaves_encoder_and_decoder_to_the_bit():
    system, feed = made("real", "latent_diffusion", condition=True, width=8)
    settings = Settings(epochs=3, batch=32, rate=5e-3, validations=1, average=0, compile=False, precision="32")
    first, second = system.stages
    fit(system.replace(stages=[first]), feed, settings)
    before = {n: v.clone() for n, v in system.model.state_dict().items()}
    assert not before["prior.begun"]
    history = fit(system.replace(stages=[second]), feed, settings)
    after = system.model.state_dict()
    moved = {n for n, v in after.items() if not torch.equal(v, before[n])}
    assert moved and all(n.startswith("prior.") for n in moved) and after["prior.begun"]
    assert set(history.validations[-1].held_out) == {"loss", "matching"}


def test_a_prior_that_begins_and_then_learns_by_gradient_has_nothing_to_be_set_from_data():
    system, _ = made("real", "latent_diffusion", width=8)
    step = Step(system.model, system.stages[1].objective)
    assert len(step.beginners) == 2 and not any(name.startswith("model.prior") for name in step.learners)


class Halting:
    """Stops a run at its second measurement of the second stage."""

    def __init__(self):
        self.seen = 0

    def moment(self, moment) -> None:
        """Nothing is said."""

    def note(self, text: str) -> None:
        """Nothing is said."""

    def validation(self, validation) -> None:
        """Count, and stop."""
        self.seen += validation.stage
        if self.seen == 2:
            raise RuntimeError("stopped")


@pytest.mark.parametrize(
    ("recipe", "own"),
    [("flow_prior_vae", {"flow_hidden": (8,)}), ("latent_diffusion", {"width": 8}), ("cvae", {"condition": True, "share": 0.5})],
)
def test_a_run_that_stops_in_the_second_stage_goes_on_with_the_prior_it_had_begun(tmp_path, recipe, own):
    settings = Settings(epochs=6, batch=32, rate=5e-3, validations=3, average=0, compile=False, precision="32")
    whole, feed = made("real", recipe, **own)
    fit(whole, feed, settings)
    halted, feed = made("real", recipe, **own)
    with pytest.raises(RuntimeError, match="stopped"):
        fit(halted, feed, settings, tmp_path, hooks=[Halting()])
    resumed, feed = made("real", recipe, **own)
    fit(resumed, feed, settings, tmp_path, resume=True)
    wanted, found = whole.model.state_dict(), resumed.model.state_dict()
    assert found["prior.begun"] and all(torch.equal(found[n], wanted[n]) for n in wanted)


@pytest.mark.parametrize(
    ("recipe", "arguments"),
    [("flow_vae", {"flow": "iaf"}), ("flow_vae", {"flow": "spline"}), ("flow_vae", {"flow": "sylvester"}),
     ("flow_prior_vae", {"flow": "coupling"}), ("flow_prior_vae", {"flow": "autoregressive"}),
     ("latent_diffusion", {"width": 8, "steps": 8})],
)
@pytest.mark.parametrize(("latent", "condition"), [(1, False), (3, True)])
def test_the_bound_rises_with_particles(recipe, arguments, latent, condition):
    system, feed = made("real", recipe, condition, latent=latent, **arguments)
    torch.manual_seed(0)
    shaken(system.model, 0.1)
    batch = held_out(feed)
    if recipe != "flow_vae":
        for waiting in (system.model.prior, system.model.prior.then):
            if isinstance(waiting, Begins):
                waiting.start(system.model(batch, from_posterior()))
    with torch.no_grad():
        log_weight = system.model(batch, from_posterior(500)).log_weight()
        bounds = [float((log_weight.unflatten(0, (-1, k)).logsumexp(1) - math.log(k)).mean()) for k in (1, 5, 50, 500)]
        assert bounds == sorted(bounds) and math.isfinite(bounds[0])
        drawn = system.model(batch.without_x(), from_prior(0.7, 3))
        assert drawn.sites["z"].z.shape == (3, 32, latent) and bool(torch.isfinite(drawn.likelihood.sample()).all())
        if condition:
            other = replace(batch, condition=batch.condition + torch.eye(32)[:, :1])
            changed = system.model(other, from_posterior()).sites["z"].prior.log_prob(torch.ones(1, 32, 3))
            same = system.model(batch, from_posterior()).sites["z"].prior.log_prob(torch.ones(1, 32, 3)).expand(1, 32)
            told = recipe != "flow_vae"
            assert bool(changed.expand(1, 32)[0, 0] != same[0, 0]) == told and torch.equal(changed.expand(1, 32)[0, 1:], same[0, 1:])


def test_a_flow_prior_is_that_of_the_vae_until_its_share_of_the_budget():
    rising = {"recipe": "linear", "arguments": {"start": 0.0, "stop": 3.0}}
    settings = Settings(epochs=4, batch=32, rate=5e-3, validations=1, average=0, compile=False, precision="32")
    own = {"latent": 3, "beta": rising, "free_bits": 0.2}
    system, feed = made("real", "flow_prior_vae", share=0.25, **own)
    plain, _ = made("real", "vae", **own)
    plain.model.load_state_dict({n: v for n, v in system.model.state_dict().items() if not n.startswith("prior.")}, strict=False)
    first, second = system.stages
    assert (first.share, second.share) == (0.75, 0.25)
    fresh = {n: v.clone() for n, v in system.model.state_dict().items()}
    for trained, stages in ((system, [first]), (plain, plain.stages)):
        torch.manual_seed(1)
        fit(trained.replace(stages=stages), feed, settings)
    before = {n: v.clone() for n, v in system.model.state_dict().items()}
    assert all(torch.equal(before[n], v) for n, v in plain.model.state_dict().items())
    assert all(torch.equal(before[n], v) for n, v in fresh.items() if n.startswith("prior.")) and not before["prior.begun"]
    trace = system.model(held_out(feed), from_posterior())
    second.prepare(system.model)
    loss, readings = second.objective(trace)
    # The rate is weighed as its schedule ended, from the beginning on, and free bits are those of all coordinates together.
    torch.testing.assert_close(loss, readings["distortion"] + 3 * readings["rate"].clamp(min=0.6))
    fit(system.replace(stages=[second]), feed, settings)
    after = system.model.state_dict()
    assert after["prior.begun"] and isinstance(system.model.prior(None), NormalFlow)
    for part in ("posterior.", "likelihood.", "prior.then."):
        assert any(not torch.equal(after[n], before[n]) for n in before if n.startswith(part)), part


def judged(flow: nn.Module, z: Tensor, run) -> list[Tensor]:
    """A density's mean through a flow, and its gradients: of what goes in and of the flow's own."""
    z = z.clone().requires_grad_()
    flow.zero_grad()
    found = run(flow, z)
    found.backward()
    return [found.detach(), z.grad, *(p.grad.clone() for p in flow.parameters())]


@pytest.mark.parametrize("make", [spline_flow, coupling_spline_flow, affine_flow])
def test_a_flow_has_the_same_gradient_when_it_is_compiled(make):
    """With the compiler's own code, which has summed a spline's bins up wrongly on the way back, not with one that only traces."""
    torch.manual_seed(0)
    flow, z = shaken(make(6, 0, 1, (8,)), 0.3), 2 * torch.randn(1, 64, 6)

    def density(flow: nn.Module, z: Tensor) -> Tensor:
        image, log_det = flow(z, None)
        return (log_det - 0.5 * image.square().sum(-1)).mean()

    torch.compiler.reset()
    torch.testing.assert_close(judged(flow, z, torch.compile(density, dynamic=False)), judged(flow, z, density), rtol=1e-4, atol=1e-5)


def test_a_spline_is_the_one_of_the_library():
    torch.manual_seed(0)
    numbers, x = [2 * torch.randn(3, 50, size) for size in (8, 8, 7)], 4 * torch.randn(3, 50)
    made = spline_flow(2).steps[0].step.univariate(*numbers)
    wanted = zuko.transforms.MonotonicRQSTransform(*numbers)
    for found, other in zip((*made.call_and_ladj(x), made.inv(x)), (*wanted.call_and_ladj(x), wanted.inv(x))):
        torch.testing.assert_close(found, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("recipe", "arguments"),
    [*(("flow_vae", {"flow": flow}) for flow in ("iaf", "spline", "sylvester")),
     *(("flow_prior_vae", {"flow": flow}) for flow in ("coupling", "autoregressive")), ("latent_diffusion", {})],
)
def test_a_system_with_a_flow_can_be_sent_to_another_process(recipe, arguments):
    system, feed = made("real", recipe, latent=3, **arguments)
    sent = ForkingPickler.loads(bytes(ForkingPickler.dumps(system)))
    bounds = []
    for twin in (system, sent):
        torch.manual_seed(0)
        bounds.append(twin.model(held_out(feed), from_posterior()).log_weight())
    assert torch.equal(*bounds)


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko", None)
    for recipe in ("flow_vae", "flow_prior_vae"):
        with pytest.raises(InputError, match=r"this needs the `flows` extra: pip install 'vaekit\[flows\]'"):
            made("real", recipe)
    made("real", "latent_diffusion")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: posteriors.Flow(0), "latent must be a whole number of 1 or more"),
        (lambda: posteriors.Flow(2, "planar"), "flow must be 'iaf' or 'spline', not 'planar'"),
        (lambda: posteriors.flow_posterior(2, "planar", 1, (8,), 2), "flow must be 'iaf', 'spline' or 'sylvester', not 'planar'"),
        (lambda: posteriors.Sylvester(2, steps=0), "steps must be a whole number of 1 or more"),
        (lambda: priors.Flow(2, hidden=(8, 0)), "hidden must be a whole number of 1 or more"),
        (lambda: priors.LatentDiffusion(2, steps=0), "steps must be a whole number of 1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
