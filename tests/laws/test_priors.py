"""Laws of priors: densities that are those of their draws, and what each is by definition."""

import copy
import math

import pytest
import torch
from systems import held_out, made, shaken
from torch import nn

from vaekit.core.choose import from_posterior, from_prior
from vaekit.core.conditional import Neural
from vaekit.core.dispatch import centre, divergence, from_noise, stop, temper
from vaekit.core.errors import InputError
from vaekit.core.objective import Step
from vaekit.parts.distributions import CorrelatedMixture, CorrelatedNormal
from vaekit.parts.objectives import KL
from vaekit.parts.posteriors import Point
from vaekit.parts.priors import Mixture, Vamp, conditional_normal
from vaekit.parts.priors.conditional import Correlated
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


def test_the_kl_to_a_correlated_normal_is_torchs_and_no_part_of_it_is_below_zero():
    ours, theirs = correlated()
    location, scale = torch.randn(2, 3, 4).double(), torch.rand(2, 3, 4).double() + 0.2
    normal = torch.distributions.Normal(location, scale)
    parts = divergence(torch.distributions.Independent(normal, 1), ours)
    whole = torch.distributions.kl_divergence(torch.distributions.MultivariateNormal(location, scale_tril=torch.diag_embed(scale)), theirs)
    torch.testing.assert_close(parts.sum(-1), whole)
    assert bool((parts >= 0).all())


def test_a_correlated_prior_begins_as_independent_and_its_slopes_learn():
    torch.manual_seed(0)
    prior = conditional_normal(3, 2, (8,), correlated=True)
    condition = torch.randn(1, 5, 2)
    assert not prior(condition).slopes.any()
    z = torch.randn(1, 5, 3)
    prior(condition).log_prob(z).sum().backward()
    assert prior.head.weight.grad[6:].abs().min() > 0


def test_a_prior_of_a_class_learns_that_its_latents_are_correlated():
    """Latents that are given: the best normal is that of their moments, within each class."""
    torch.manual_seed(0)
    prior = conditional_normal(2, 2, (16,), correlated=True)
    label = torch.arange(400) % 2
    condition = torch.nn.functional.one_hot(label).float().unsqueeze(0)
    e = torch.randn(400, 2)
    z = torch.stack([e[:, 0], torch.where(label == 0, 0.9, -0.9) * e[:, 0] + 0.3 * e[:, 1]], dim=-1).unsqueeze(0)
    optimiser = torch.optim.Adam(prior.parameters(), 0.03)
    for _ in range(400):
        optimiser.zero_grad()
        (-prior(condition).log_prob(z).mean()).backward()
        optimiser.step()
    found = prior(condition[:, :2])
    for k in (0, 1):
        wanted = torch.cov(z[0, label == k].T, correction=0)
        torch.testing.assert_close(found.slopes[0, k, 1, 0], wanted[0, 1] / wanted[0, 0], rtol=0.02, atol=0.02)
        torch.testing.assert_close(found.variance[0, k], wanted.diagonal(), rtol=0.05, atol=0.02)


def framed() -> tuple[CorrelatedMixture, torch.distributions.MixtureSameFamily]:
    """A mixture of four components in the frame of three rows, and torch's own by means and covariances, in double precision."""
    (frame, outer), D = correlated(), torch.distributions
    location, scale = torch.randn(1, 3, 4, 4).double(), torch.rand(1, 3, 4, 4).double() + 0.3
    slopes, logits = torch.randn(1, 3, 4, 4, 4).double().tril(-1), torch.randn(1, 3, 4).double()
    inner = (torch.eye(4).double() - slopes).inverse() @ torch.diag_embed(scale)
    turn = outer.scale_tril.unsqueeze(2)
    means = outer.mean.unsqueeze(2) + (turn @ location.unsqueeze(-1)).squeeze(-1)
    components = D.MultivariateNormal(means, scale_tril=(turn @ inner).tril())
    ours = CorrelatedMixture(frame, D.Categorical(logits=logits), CorrelatedNormal(location, scale, slopes))
    return ours, D.MixtureSameFamily(D.Categorical(logits=logits), components)


def test_a_correlated_mixture_is_the_one_of_its_means_and_covariances():
    ours, theirs = framed()
    z = torch.randn(5, 3, 4).double()
    torch.testing.assert_close(ours.log_prob(z), theirs.log_prob(z))
    torch.testing.assert_close(stop(ours).log_prob(z), theirs.log_prob(z))
    torch.testing.assert_close(ours.expand((5, 3)).log_prob(z), theirs.log_prob(z))
    torch.testing.assert_close(ours.mean, theirs.mean)
    torch.testing.assert_close(ours.variance, theirs.variance)


@pytest.mark.parametrize("how", ["sample", "noise"])
def test_draws_of_a_correlated_mixture_are_of_its_density(how):
    """By moments, and by each component's share, which is told by the densities."""
    ours, theirs = framed()
    drawn = ours.sample((40_000,))[:, 0] if how == "sample" else from_noise(ours, torch.rand(40_000, 3, 4).double())
    away = drawn - theirs.mean
    assert bool((away.mean(0).abs() < 5 * away.std(0) / 200).all())
    torch.testing.assert_close(away.square().mean(0), theirs.variance[0], rtol=0.06, atol=0)
    shares = (theirs.component_distribution.log_prob(drawn.unsqueeze(2)) + theirs.mixture_distribution.logits).softmax(-1)
    weights = theirs.mixture_distribution.probs
    assert bool(((shares.mean(0) - weights).abs() < 5 * shares.std(0) / 200 + 1e-6).all())


def test_a_cold_correlated_mixture_is_the_centre_of_its_heaviest_component():
    ours, theirs = framed()
    heaviest = theirs.mixture_distribution.logits.argmax(-1)[..., None, None].expand(1, 3, 1, 4)
    wanted = theirs.component_distribution.mean.gather(2, heaviest).squeeze(2)
    torch.testing.assert_close(temper(ours, 0.0).sample(), wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("full", [False, True])
def test_a_mixture_begins_as_about_its_frame(full):
    """By the KL of the frame to it, which is that of many draws of the frame, and without two components alike."""
    torch.manual_seed(0)
    frame = shaken(conditional_normal(3, 2, (8,), correlated=full), 0.5)
    condition = torch.randn(1, 50, 2)
    mixture = Mixture(frame, 3, 2, (8,), 20)
    with torch.no_grad():
        z = frame(condition).sample((2_000,))[:, 0]
        assert 0 < float((frame(condition).log_prob(z) - mixture(condition).log_prob(z)).mean()) < 0.1
    begin = mixture.head.bias.detach().unflatten(0, (20, -1))[:, 1:4]
    assert float((torch.cdist(begin, begin) + torch.eye(20)).min()) > 0.01
    with pytest.raises(InputError, match="components must be"):
        Mixture(frame, 3, 2, components=0)


@pytest.mark.parametrize("full", [False, True])
def test_a_mixture_learns_the_kinds_of_a_class(full):
    """Of latents that are two narrow normals apart, whose density is known: one normal over both is far from it, two are not."""
    torch.manual_seed(0)
    frame = conditional_normal(2, 2, (8,), correlated=full)
    condition = torch.nn.functional.one_hot(torch.arange(1000) % 2).float().unsqueeze(0)
    kind, noise = torch.arange(1000) % 4 // 2, torch.randn(1000, 2)
    z = (torch.stack([2.0 * (2 * kind - 1) + 0.2 * noise[:, 0], 0.2 * noise[:, 1]], dim=-1) + condition[0]).unsqueeze(0)
    truth = -math.log(2) - 2 * math.log(0.2) - math.log(2 * math.pi) - 0.5 * noise.square().sum(-1).mean()
    reached = []
    for prior in (frame, Mixture(frame, 2, 2, (8,), 4)):
        optimiser = torch.optim.Adam(prior.parameters(), 0.02)
        for _ in range(400):
            optimiser.zero_grad()
            (-prior(condition).log_prob(z).mean()).backward()
            optimiser.step()
        frame.requires_grad_(False)
        reached.append(float(truth - prior(condition).log_prob(z).mean()))
    # The best normal has spread 2 where each kind has 0.2: it loses log 10 - log 2.
    assert reached[0] > 1.5 and abs(reached[1]) < 0.1


def test_a_recipes_prior_is_correlated_where_it_may_be():
    """Until the mixture takes its place, and then in it."""
    for arguments, normal, mixed in (
        ({}, CorrelatedNormal, CorrelatedMixture),
        ({"correlated": False}, torch.distributions.Independent, torch.distributions.MixtureSameFamily),
        # The floor of a rate that a spread of the means has is that under a diagonal.
        ({"mean_spread": 0.6}, torch.distributions.Independent, torch.distributions.MixtureSameFamily),
    ):
        system, feed = made("real", "cvae", condition=True, **arguments)
        site = system.model(held_out(feed), from_posterior(2)).sites["z"]
        assert isinstance(site.prior, normal) and site.kl_by_dimension().shape[-1] == 3
        system.model.prior.start(system.model(held_out(feed), from_posterior()))
        assert isinstance(system.model(held_out(feed), from_posterior()).sites["z"].prior, mixed)
    assert isinstance(conditional_normal(64, 2).family, Correlated) and not isinstance(conditional_normal(65, 2).family, Correlated)


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
    assert "prior.begun" in moved and all(n.startswith("prior.then.") for n in moved - {"prior.begun"})
    # Nothing is decoded for it.
    trace = system.model(held_out(feed), from_posterior())
    loss, readings = second.objective(trace)
    assert loss == readings["rate"] and "likelihood" not in trace._kept


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
