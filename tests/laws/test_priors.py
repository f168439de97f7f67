"""Laws of priors: densities that are those of their draws, and what each is by definition."""

import copy
import math

import pytest
import torch
from systems import held_out, made, shaken
from torch import nn
from torch.distributions import Independent

from vaekit.core.choose import from_posterior, from_prior
from vaekit.core.conditional import Neural
from vaekit.core.dispatch import centre, from_noise, stop, temper
from vaekit.core.errors import InputError
from vaekit.core.objective import Step
from vaekit.parts.distributions import CorrelatedNormal, soft_clamp
from vaekit.parts.objectives import KL
from vaekit.parts.posteriors import Point
from vaekit.parts.priors import Mixture, Vamp, conditional_normal
from vaekit.training import Settings, fit
from vaekit.training.measure import measure


def vamp(data: str = "real", condition: bool = False, pseudo_inputs: int = 4):
    return made(data, "vamp_vae", condition, pseudo_inputs=pseudo_inputs)


def test_one_pseudo_input_gives_the_normal_that_the_posterior_gives_it():
    system, _ = vamp(pseudo_inputs=1)
    prior, posterior = system.model.prior, system.model.posterior
    q = posterior.read(posterior.network.trunk(prior.pseudo_inputs, None))
    z = torch.randn(3, 5, 3)
    torch.testing.assert_close(prior(None).log_prob(z), q.log_prob(z))


@pytest.mark.parametrize(("data", "condition"), [("real", False), ("real", True), ("convolved", True)])
def test_the_mixture_is_the_mean_of_the_posteriors_of_its_pseudo_inputs(data, condition):
    system, feed = vamp(data, condition)
    batch = held_out(feed)
    given = None if batch.condition is None else batch.condition.unsqueeze(0)
    prior, posterior = system.model.prior, system.model.posterior
    z = torch.randn(2, batch.rows, 3)
    each = []
    for u in prior.pseudo_inputs:
        q = posterior.read(posterior.network.trunk(u.unsqueeze(0).expand(1, batch.rows, *u.shape[1:]), given))
        each.append(q.log_prob(z))
    wanted = torch.stack(each).logsumexp(0) - math.log(4)
    torch.testing.assert_close(prior(given).log_prob(z), wanted, rtol=1e-4, atol=1e-4)


def test_its_density_integrates_to_one_over_its_own_draws():
    """E_p[r / p] = 1 for any density r, here a wide normal about the draws."""
    torch.manual_seed(0)
    prior = stop(vamp()[0].model.prior(None))
    z = prior.sample((40_000,))[:, 0]
    wide = torch.distributions.MultivariateNormal(z.mean(0)[0], 0.3 * torch.cov(z[:, 0].T))
    ratio = (wide.log_prob(z) - prior.log_prob(z)[:, None].reshape(z.shape[:2])).exp()
    assert abs(float(ratio.mean()) - 1) < 5 * float(ratio.std()) / 200


def test_pseudo_inputs_learn_and_the_rate_is_the_draws_own():
    system, feed = vamp()
    trace = system.model(held_out(feed), from_posterior(2))
    site = trace.sites["z"]
    assert site.kl_by_dimension() is None
    torch.testing.assert_close(trace.kl(), site.posterior.log_prob(site.z) - site.prior.log_prob(site.z))
    trace.kl().mean().backward()
    assert system.model.prior.pseudo_inputs.grad.abs().max() > 0


@pytest.mark.parametrize(("data", "pseudo_inputs"), [("real", 4), ("convolved", 4), ("real", 70)])
def test_it_begins_as_rows_of_the_data(data, pseudo_inputs):
    system, feed = vamp(data, pseudo_inputs=pseudo_inputs)
    batch, prior = held_out(feed), system.model.prior
    with torch.no_grad():
        prior.start(system.model(batch, from_posterior(1)))
        rows = system.model.posterior.network.embed(*batch.evidence[:2])[0]
    wanted = rows[torch.arange(pseudo_inputs) % len(rows)]
    away = (prior.pseudo_inputs.detach()[:, 0] - wanted).flatten()
    assert 0 < float(away.abs().max()) < 0.6 and abs(float(away.std()) - 0.1) < 0.05
    assert len(torch.unique(prior.pseudo_inputs, dim=0)) == pseudo_inputs


def test_training_begins_with_it():
    system, feed = vamp()
    before = system.model.prior.pseudo_inputs.detach().clone()
    fit(system, feed, Settings(epochs=1, rate=1e-9, average=0.0))
    assert float((system.model.prior.pseudo_inputs.detach() - before).abs().max()) > 0.1


def test_a_copy_asks_its_own_posterior():
    system, _ = vamp()
    twin = copy.deepcopy(system.model)
    assert twin.prior.posterior.module is twin.posterior is not system.model.posterior
    names = [name for name, _ in system.model.named_parameters()]
    assert "prior.pseudo_inputs" in names and not any(name.startswith("prior.posterior") for name in names)


def test_a_mixture_draws_the_same_law_from_noise():
    prior = stop(vamp()[0].model.prior(None))
    torch.manual_seed(0)
    found, drawn = from_noise(prior, torch.rand(1, 20_000, 3))[0], prior.sample((20_000,))[:, 0, 0]
    for values in (lambda z: z, torch.square, lambda z: z * z.roll(1, -1)):
        error = 5 * (values(found).var(0) + values(drawn).var(0)).sqrt() / 20_000**0.5
        assert bool(((values(found).mean(0) - values(drawn).mean(0)).abs() < error).all())


def test_a_mixture_is_tempered_by_component_and_can_be_stopped():
    system, feed = vamp()
    prior = system.model.prior(None)
    cold = temper(prior, 0.0)
    nearest = torch.cdist(cold.sample((50,)).reshape(50, 3), prior.location.reshape(4, 3)).min(1).values
    assert float(nearest.max()) < 1e-3
    torch.testing.assert_close(centre(prior), prior.location.mean(2))
    z = torch.zeros(1, 1, 3)
    assert prior.log_prob(z).requires_grad and not stop(prior).log_prob(z).requires_grad
    assert system.model(held_out(feed).without_x(), from_prior(0.5)).sites["z"].z.shape == (1, 32, 3)


def correlated(latent: int = 4) -> tuple[CorrelatedNormal, torch.distributions.MultivariateNormal]:
    """A normal of three rows, and torch's own by its covariance, in double precision."""
    torch.manual_seed(0)
    location, scale = torch.randn(1, 3, latent).double(), torch.rand(1, 3, latent).double() + 0.3
    slopes = torch.randn(1, 3, latent, latent).double().tril(-1)
    factor = (torch.eye(latent).double() - slopes).inverse().tril() * scale.unsqueeze(-2)
    return CorrelatedNormal(location, scale, slopes), torch.distributions.MultivariateNormal(location, scale_tril=factor)


def test_a_correlated_normal_is_the_one_of_its_covariance():
    ours, theirs = correlated()
    z = torch.randn(5, 3, 4).double()
    torch.testing.assert_close(ours.log_prob(z), theirs.log_prob(z))
    torch.testing.assert_close(ours.variance, theirs.variance)
    torch.testing.assert_close(centre(ours), theirs.mean)
    cold, colder = temper(ours, 0.5), torch.distributions.MultivariateNormal(theirs.mean, 0.25 * theirs.covariance_matrix)
    torch.testing.assert_close(cold.log_prob(z), colder.log_prob(z))
    torch.testing.assert_close(stop(ours).log_prob(z), theirs.log_prob(z))
    for drawn in (ours.sample((40_000,))[:, 0], from_noise(ours, torch.rand(40_000, 3, 4).double())):
        away = drawn - theirs.mean
        products = away.unsqueeze(-1) * away.unsqueeze(-2)
        assert bool(((products.mean(0) - theirs.covariance_matrix).abs() < 5 * products.std(0) / 200).all())


def mixture(full: bool = True) -> tuple[torch.distributions.Distribution, torch.distributions.MixtureSameFamily]:
    """A prior's mixture of four components for three conditions, and torch's own by means and covariances, in double precision."""
    torch.manual_seed(0)
    D, condition = torch.distributions, torch.randn(1, 3, 2).double()
    frame = shaken(conditional_normal(4, 2, (8,)), 0.5).double()
    prior = shaken(Mixture(frame, 4, 2, (8,), 4, full), 0.3).double()
    with torch.no_grad():
        ours, outer = prior(condition), frame(condition).base_dist
        numbers = prior.head(prior.network(condition)).float().double().unflatten(-1, (4, -1))
    logits, location, log_scale = numbers[..., 0], numbers[..., 1:5], soft_clamp(numbers[..., 5:9], -6, 6)
    slopes = torch.zeros(1, 3, 4, 4, 4).double()
    if full:
        slopes[..., *torch.tril_indices(4, 4, -1)] = numbers[..., 9:]
    inner = (torch.eye(4).double() - slopes).inverse() @ torch.diag_embed(log_scale.exp())
    turn = torch.diag_embed(outer.scale.double()).unsqueeze(2)
    means = outer.loc.double().unsqueeze(2) + (turn @ location.unsqueeze(-1)).squeeze(-1)
    return ours, D.MixtureSameFamily(D.Categorical(logits=logits), D.MultivariateNormal(means, scale_tril=(turn @ inner).tril()))


@pytest.mark.parametrize("full", [False, True])
def test_a_mixture_in_a_frame_is_the_one_of_its_means_and_covariances(full):
    ours, theirs = mixture(full)
    z = theirs.mean + torch.randn(5, 3, 4).double()
    for d in (ours, stop(ours), ours.expand((5, 3))):
        torch.testing.assert_close(d.log_prob(z.float()).double(), theirs.log_prob(z), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.mean.double(), theirs.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.variance.double(), theirs.variance, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", ["sample", "noise"])
@pytest.mark.parametrize("full", [False, True])
def test_draws_of_a_mixture_in_a_frame_are_of_its_density(full, how):
    """By moments, and by each component's share, which is told by the densities."""
    ours, theirs = mixture(full)
    drawn = (ours.sample((40_000,))[:, 0] if how == "sample" else from_noise(ours, torch.rand(40_000, 3, 4))).double()
    away = drawn - theirs.mean
    assert bool((away.mean(0).abs() < 5 * away.std(0) / 200).all())
    torch.testing.assert_close(away.square().mean(0), theirs.variance[0], rtol=0.06, atol=0)
    shares = (theirs.component_distribution.log_prob(drawn.unsqueeze(2)) + theirs.mixture_distribution.logits).softmax(-1)
    weights = theirs.mixture_distribution.probs
    assert bool(((shares.mean(0) - weights).abs() < 5 * shares.std(0) / 200 + 1e-6).all())


def test_a_cold_mixture_in_a_frame_is_the_centre_of_its_heaviest_component():
    ours, theirs = mixture()
    heaviest = theirs.mixture_distribution.logits.argmax(-1)[..., None, None].expand(1, 3, 1, 4)
    wanted = theirs.component_distribution.mean.gather(2, heaviest).squeeze(2)
    torch.testing.assert_close(temper(ours, 0.0).sample().double(), wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("full", [False, True])
def test_a_mixture_begins_as_about_its_frame(full):
    """By the KL of the frame to it, which is that of many draws of the frame, and without two components alike."""
    torch.manual_seed(0)
    for latent, components, most in ((1, 20, 0.01), (3, 20, 0.03), (16, 20, 0.1), (48, 20, 0.1), (16, 2, 0.15), (16, 1, 1e-4)):
        frame = shaken(conditional_normal(latent, 2, (8,)), 0.3)
        condition = torch.randn(1, 50, 2)
        mixed = Mixture(frame, latent, 2, (8,), components, full)
        with torch.no_grad():
            z = frame(condition).sample((500,))[:, 0]
            lost = float((frame(condition).log_prob(z) - mixed(condition).log_prob(z)).mean())
        assert -0.01 < lost < most, (latent, components, lost)
        places = mixed.head.bias.detach().unflatten(0, (components, -1))[:, 1 : 1 + latent]
        assert components == 1 or float((torch.cdist(places, places) + torch.eye(components)).min()) > 1e-4
    with pytest.raises(InputError, match="components must be"):
        Mixture(frame, 16, 2, components=0)


@pytest.mark.parametrize("full", [False, True])
def test_a_mixture_learns_the_kinds_of_a_class(full):
    """Of latents that are two narrow normals apart, whose density is known: one normal over both is far from it, two are not."""
    torch.manual_seed(0)
    frame = conditional_normal(2, 2, (8,))
    condition = torch.nn.functional.one_hot(torch.arange(1000) % 2).float().unsqueeze(0)
    kind, noise = torch.arange(1000) % 4 // 2, torch.randn(1000, 2)
    z = (torch.stack([2.0 * (2 * kind - 1) + 0.2 * noise[:, 0], 0.2 * noise[:, 1]], dim=-1) + condition[0]).unsqueeze(0)
    truth = -math.log(2) - 2 * math.log(0.2) - math.log(2 * math.pi) - 0.5 * noise.square().sum(-1).mean()
    reached = []
    for prior in (frame, Mixture(frame, 2, 2, (8,), 4, full)):
        optimiser = torch.optim.Adam(prior.parameters(), 0.02)
        for _ in range(400):
            optimiser.zero_grad()
            (-prior(condition).log_prob(z).mean()).backward()
            optimiser.step()
        frame.requires_grad_(False)
        reached.append(float(truth - prior(condition).log_prob(z).mean()))
    # The best normal has spread 2 where each kind has 0.2: it loses log 10 - log 2.
    assert reached[0] > 1.5 and abs(reached[1]) < 0.1


def test_a_class_has_a_covariance_where_it_may_have_one():
    """A normal with a diagonal, whose KL has coordinates, until a mixture takes its place."""
    for arguments, component in (({}, CorrelatedNormal), ({"mean_spread": 0.6}, CorrelatedNormal), ({"correlated": False}, Independent)):
        system, feed = made("real", "cvae", condition=True, **arguments)
        site = system.model(held_out(feed), from_posterior(2)).sites["z"]
        assert isinstance(site.prior, Independent) and site.kl_by_dimension().shape[-1] == 3
        system.model.prior.start(system.model(held_out(feed), from_posterior()))
        mixed = system.model(held_out(feed), from_posterior()).sites["z"].prior
        assert isinstance(mixed.component_distribution, component)
    frame = conditional_normal(32, 2)
    wide, wider = (Mixture(frame, latent, 2, (4,), 2) for latent in (32, 33))
    assert wide.parts[-1] == 32 * 31 // 2 and not wider.parts[-1]


@pytest.mark.parametrize("arguments", [{}, {"mean_spread": 0.6}], ids=str)
def test_a_mixture_learns_alone_what_is_left_of_the_rate(arguments):
    system, feed = made("real", "cvae", condition=True, **arguments)
    settings = Settings(epochs=6, batch=32, rate=5e-3, validations=1, average=0, compile=False, precision="32")
    first, second = system.stages
    assert (first.share, second.share) == (0.9, 0.1)
    fresh = {n: v.clone() for n, v in system.model.state_dict().items()}
    fit(system.replace(stages=[first]), feed, settings)
    before = {n: v.clone() for n, v in system.model.state_dict().items()}
    assert not before["prior.begun"] and system.model.prior.then.frame.module is system.model.prior.until
    for part, moves in (("posterior.", True), ("likelihood.", True), ("prior.until.", True), ("prior.then.", False)):
        assert any(not torch.equal(v, fresh[n]) for n, v in before.items() if n.startswith(part)) == moves, part
    fit(system.replace(stages=[second]), feed, settings)
    after = system.model.state_dict()
    moved = {n for n, v in after.items() if not torch.equal(v, before[n])}
    assert moved - {"prior.begun"} and all(n.startswith("prior.then.") for n in moved - {"prior.begun"}) and after["prior.begun"]
    # Nothing is decoded for it.
    trace = system.model(held_out(feed), from_posterior())
    loss, readings = second.objective(trace)
    assert loss == readings["rate"] and "likelihood" not in trace._kept


def test_a_later_stage_does_not_end_worse_than_it_begins():
    """At a rate at which nothing can be learnt."""
    system, feed = made("real", "cvae", condition=True, share=0.5)
    then = system.model.prior.then
    fresh = {n: v.clone() for n, v in then.state_dict().items()}
    fit(system, feed, Settings(epochs=8, batch=32, rate=0.5, validations=2, average=0, compile=False, precision="32"))
    step = Step(system.model, system.stages[1].objective).eval()
    ended = measure(step, feed.validation)[0]["loss"]
    then.load_state_dict(fresh)
    assert ended <= measure(step, feed.validation)[0]["loss"]


@pytest.mark.parametrize("recipe", ["vamp_vae", "flow_vae", "sphere_vae"])
def test_units_of_a_rate_without_coordinates_are_counted_by_their_means(recipe):
    system, feed = made("real", recipe)
    step = Step(system.model, system.stages[0].objective).eval()
    with torch.no_grad():
        for part in (system.model.posterior.head, getattr(system.model.prior, "pseudo_inputs", None)):
            if part is not None:
                (part.weight if isinstance(part, nn.Linear) else part).mul_(3)
        site = system.model(held_out(feed), from_posterior()).sites["z"]
        away = ((site.posterior.mean - site.prior.mean) / site.prior.stddev)[0]
        assert measure(step, feed.validation)[1:] == (int((away.var(0, correction=0) > 0.01).sum()), 3) and away.var(0).max() > 0.01
        system.model.posterior.head.weight.zero_()
        assert measure(step, feed.validation)[1:] == (0, 3)


def test_free_bits_of_a_rate_without_coordinates_are_those_of_the_whole_latent():
    system, feed = vamp()
    trace = system.model(held_out(feed), from_posterior())
    rate = trace.kl().mean().item()
    for floor in (0.5 * rate, 2 * rate):
        assert KL(free_bits=floor)(trace).item() == pytest.approx(max(rate, floor))
    KL(free_bits=2 * rate)(trace).backward()
    assert all(p.grad is None or not p.grad.any() for p in system.model.parameters())


def test_what_cannot_be_mixed_is_refused():
    system, _ = vamp()
    network = system.model.posterior.network
    with pytest.raises(InputError, match="needs normal ones, not Point"):
        Vamp(Neural(network, Point(3)), (5,), 2)(None)
    with pytest.raises(InputError, match="pseudo_inputs must be a whole number of 1 or more"):
        Vamp(Neural(network, Point(3), nn.Identity()), (5,), 0)
