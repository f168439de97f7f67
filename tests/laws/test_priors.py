"""Laws of priors: densities that are those of their draws, and what each is by definition."""

import copy
import math

import pytest
import torch
from systems import held_out, made
from torch import nn

from vaekit.core.choose import from_posterior, from_prior
from vaekit.core.conditional import Neural
from vaekit.core.dispatch import centre, divergence, from_noise, stop, temper
from vaekit.core.errors import InputError
from vaekit.core.objective import Step
from vaekit.parts.distributions import CorrelatedNormal
from vaekit.parts.objectives import KL
from vaekit.parts.posteriors import Point
from vaekit.parts.priors import Vamp, conditional_normal
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


def test_a_recipes_prior_is_correlated_where_it_may_be():
    system, feed = made("real", "cvae", condition=True)
    site = system.model(held_out(feed), from_posterior(2)).sites["z"]
    assert isinstance(site.prior, CorrelatedNormal) and site.kl_by_dimension().shape[-1] == 3
    # The floor of a rate that a spread of the means has is that under a diagonal.
    for arguments in ({"correlated": False}, {"mean_spread": 0.6}):
        system, feed = made("real", "cvae", condition=True, **arguments)
        prior = system.model(held_out(feed), from_posterior()).sites["z"].prior
        assert isinstance(prior, torch.distributions.Independent)
    assert isinstance(conditional_normal(128, 2).family, Correlated) and not isinstance(conditional_normal(129, 2).family, Correlated)


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
