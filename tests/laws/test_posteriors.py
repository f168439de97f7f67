"""Laws of posteriors: what each family promises beyond the laws of recipes."""

import copy
from dataclasses import replace
from inspect import signature

import pytest
import torch
from systems import BOOK, held_out, made
from torch.distributions import Independent, Normal, kl_divergence

from vaekit.core.choose import from_posterior
from vaekit.core.conditional import Neural
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Step
from vaekit.core.system import System
from vaekit.core.trace import Trace
from vaekit.operations.store import load_system, save_system
from vaekit.parts.networks import MLP
from vaekit.parts.posteriors import Displaced, DisplacedInUnits, NormalisedMean, Weighed, distances
from vaekit.parts.posteriors import Normal as NormalFamily
from vaekit.recipes import RECIPES
from vaekit.training import Settings, fit

NORMAL = [name for name, recipe in RECIPES.items() if {"mean_spread", "arguments"} & set(signature(recipe).parameters)]
# No normal posterior: a point, a flow, a direction, a place in a curved space, codes.
OTHER = {"autoencoder", "flow_vae", "sphere_vae", "poincare_vae", "vq_vae", "fsq_vae", "gumbel_vae"}
GIVEN = {
    "factor_vae": {"critic": (16,)}, "vae_gan": {"critic": (16,)}, "aae": {"critic": (16,)}, "flow_prior_vae": {"flow_hidden": (8,)},
    "vamp_vae": {"pseudo_inputs": 7}, "ladder_vae": {"levels": 2}, "m1_m2": {"features": 3},
}
# A prior that widens with its posterior: the rate has no floor.
WITHOUT_FLOOR = {"vamp_vae", "flow_prior_vae"}
SPREAD = 0.7


def walked(recipe: str, data: str = "real") -> tuple[System, Trace]:
    """A system whose means have a spread, and its walk in training over rows of which some have labels."""
    system, feed = made(data, recipe, condition=True, mean_spread=SPREAD, **GIVEN.get(recipe, {}))
    torch.manual_seed(1)
    return system, Step(system.model.train(), system.stages[-1].objective).walk(held_out(feed))


def test_every_recipe_with_a_normal_posterior_takes_a_spread():
    assert set(RECIPES) - set(NORMAL) == OTHER


@pytest.mark.parametrize("recipe", NORMAL)
def test_normalised_means_keep_the_rate_above_its_floor_on_every_recipe(recipe):
    """E KL >= d (g^2 + h^2) / 2 over the batch, each class as it is believed, whatever the encoder says; h = 0 before the first step."""
    system, trace = walked(recipe)
    for part in [part for part in system.model.modules() if isinstance(part, NormalisedMean)]:
        site = trace.sites[part.site]
        found = part.found(site)
        mean = trace.mean(found).mean(0)
        torch.testing.assert_close(mean, torch.zeros(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(trace.mean(found.square()).mean(0).sqrt(), torch.full((3,), SPREAD), atol=1e-3, rtol=0)
        if recipe not in WITHOUT_FLOOR and part.site != "features":
            assert trace.mean(site.kl()).mean().item() >= 3 * SPREAD**2 / 2 - 1e-3
    assert len({part.site for part in system.model.modules() if isinstance(part, NormalisedMean)}) == (
        2 if recipe in ("ladder_vae", "m1_m2") else 1
    )


@pytest.mark.parametrize("recipe", ["cvae", "ladder_vae"])
def test_the_floor_holds_wherever_a_prior_that_learns_lies(recipe):
    """The same posterior means in the data's units would be worth next to nothing under a prior a hundred times as wide."""
    system, feed = made("real", recipe, condition=True, mean_spread=SPREAD, **GIVEN.get(recipe, {}))
    prior = system.model.prior.until if recipe == "cvae" else system.model.levels[1].prior
    with torch.no_grad():
        prior.head.bias.add_(4.6)
    trace = system.model.train()(held_out(feed), from_posterior())
    site = list(trace.sites.values())[-1]
    assert site.prior.stddev.mean() > 20 and site.kl().mean().item() >= 3 * SPREAD**2 / 2 - 1e-3


def test_a_channel_of_a_grid_has_the_floor_of_one_coordinate():
    _, trace = walked("ladder_vae", "convolved")
    for name, site in trace.sites.items():
        assert site.z.dim() == 5
        d = distances(site)
        torch.testing.assert_close(d.square().sum((2, 3)).mean((0, 1)), torch.full((3,), SPREAD**2), atol=1e-3, rtol=1e-3)
        by_channel = site.kl_by_dimension().sum((2, 3)).mean((0, 1))
        assert bool((by_channel >= SPREAD**2 / 2 - 1e-3).all()), name


def test_pseudo_inputs_are_read_by_the_moments_of_the_data_and_have_no_part_in_them():
    """A component whose pseudo-input is a row of the batch is that row's posterior, whatever the other pseudo-inputs are."""
    system, feed = made("real", "vamp_vae", mean_spread=SPREAD, pseudo_inputs=5)
    model, batch = system.model.train(), held_out(feed)
    x, observed, _ = batch.evidence
    found = []
    for others in (0.0, 30.0):
        with torch.no_grad():
            model.prior.pseudo_inputs.fill_(others)
            model.prior.pseudo_inputs[:2, 0] = model.posterior.network.embed(x, observed)[0, :2]
        site = model(batch, from_posterior()).sites["z"]
        torch.testing.assert_close(site.prior.location[0, 0, :2], site.posterior.mean[0, :2])
        torch.testing.assert_close(site.posterior.mean[0].std(0, correction=0), torch.full((3,), SPREAD), atol=1e-3, rtol=0)
        found.append(site.posterior.mean.detach())
    assert torch.equal(*found)
    # The gradient of both sides goes through the same moments: a shift of all raw means moves neither.
    model.zero_grad()
    model(batch, from_posterior()).kl().mean().backward()
    bias = model.posterior.head.head.bias.grad
    assert bias[:3].abs().max() < 1e-5 < 1e-4 < bias[3:].abs().max()
    twin = copy.deepcopy(model)
    assert twin.prior.posterior.module.head.head is twin.posterior.head is not model.posterior.head
    # At rest both are read by the moments of the training rows.
    with torch.no_grad():
        model.posterior.head.mean.fill_(0.5)
        site = model.eval()(batch, from_posterior()).sites["z"]
    torch.testing.assert_close(site.prior.location[0, 0, :2], site.posterior.mean[0, :2])


def test_classes_that_are_not_believed_have_no_part_in_the_moments():
    """Means that vary only where the class is another one than the label: without the weights the rate's floor would be nothing."""
    spread = Weighed(2, SPREAD)
    torch.manual_seed(0)
    belief = torch.nn.functional.one_hot(torch.arange(12) % 3, 3).T.float()
    raw = torch.where(belief.bool().unsqueeze(-1), 0.01, 10.0) * torch.randn(3, 12, 2)
    q = spread(Independent(Normal(raw, torch.ones(3, 12, 2)), 1), belief)
    believed = q.mean[belief.bool()]
    torch.testing.assert_close(believed.square().mean(0).sqrt(), torch.full((2,), SPREAD), atol=5e-3, rtol=0)
    assert spread.means.normalised(raw)[belief.bool()].square().mean() < 1e-4


@pytest.mark.parametrize("recipe", ["cvae", "ladder_vae", "m2", "vamp_vae"])
def test_after_training_the_spread_at_rest_is_that_of_the_training_rows(recipe):
    system, feed = made("real", recipe, condition=True, mean_spread=SPREAD, **GIVEN.get(recipe, {}))
    # In the first stage: what is normalised are distances from the normal that a mixture takes the place of.
    first = system.stages[0]
    fit(system.replace(stages=[first]), feed, Settings(epochs=2, batch=32, validations=1, average=0, compile=False, precision="32"))
    step = Step(system.model, first.objective)
    with torch.no_grad():
        for part in [part for part in system.model.modules() if isinstance(part, NormalisedMean)]:
            walks = [step.walk(b, RowNoise(b.x)) for b in feed.train.in_order()]
            away = [(w, part.found(w.sites[part.site]) - part.shift) for w in walks]
            square = torch.cat([w.mean(found.square()) for w, found in away]).mean(0)
            # Below what is drawn above it, a level's moments are those of other draws; of few labels, those of a share of the rows.
            near = 0.06 if recipe in ("ladder_vae", "m2") else 3e-3
            torch.testing.assert_close(square.sqrt(), torch.full((3,), SPREAD), atol=near, rtol=0)


def test_the_floor_is_met_where_all_deviations_are_one():
    head = NormalisedMean(torch.nn.Linear(4, 6), 3, 0.5)
    with torch.no_grad():
        head.shift.copy_(torch.tensor([0.0, 1.0, -2.0]))
    location, _ = head(torch.randn(1, 50, 4)).chunk(2, dim=-1)
    rate = 0.5 * location.square().sum(-1).mean()
    assert rate.item() == pytest.approx(0.5 * (3 * 0.25 + 1 + 4), abs=1e-3)
    assert torch.equal(head.mean, torch.zeros(3)) and torch.equal(head.variance, torch.ones(3)), "a forward moved a buffer"


def test_at_rest_the_moments_of_the_training_rows_stand_for_the_batch(tmp_path):
    system, feed = made("real", mean_spread=0.7)
    fit(system, feed, Settings(epochs=3, batch=32, validations=2, average=0.9, compile=False, precision="32"))
    head, batch = system.model.posterior.head, next(iter(feed.train.in_order()))
    with torch.no_grad():
        rows = torch.cat([system.model(b, from_posterior()).sites["z"].posterior.mean[0] for b in feed.train.in_order()])
        torch.testing.assert_close(rows.mean(0), head.shift, atol=2e-3, rtol=0)
        torch.testing.assert_close(rows.std(0, correction=0), torch.full((3,), 0.7), atol=2e-3, rtol=0)
        score = system.model(batch, from_posterior(1, RowNoise(batch.x))).elbo()
        one = type(batch)(batch.x[:1])
        torch.testing.assert_close(system.model(one, from_posterior(1, RowNoise(one.x))).elbo(), score[:1])
        save_system(system, tmp_path / "kept")
        assert torch.equal(load_system(tmp_path / "kept", BOOK).model(batch, from_posterior(1, RowNoise(batch.x))).elbo(), score)


def test_rows_that_weigh_less_are_normalised_at_rest_as_they_were_while_training():
    """Rows that a batch has more of than the data: their weight says so to the loss, and the head normalises them as they come."""
    system, feed = made("real", mean_spread=0.7)
    head, batch = system.model.posterior.head, held_out(feed)
    uneven = replace(batch, weight=torch.linspace(0.1, 1.9, batch.rows))
    trained = system.model(uneven, from_posterior()).sites["z"].posterior.mean
    head.eval()
    head.settle(head.observe(system.model(uneven, from_posterior())))
    torch.testing.assert_close(system.model(uneven, from_posterior()).sites["z"].posterior.mean, trained, rtol=1e-3, atol=1e-3)


def test_a_normalised_mean_can_be_traced_whole():
    system, feed = made("real", mean_spread=0.7)
    step = Step(system.model, system.stages[0].objective)
    torch.compiler.reset()
    compiled = torch.compile(step, backend="eager", fullgraph=True, dynamic=False)
    losses = []
    for run in (step, compiled):
        torch.manual_seed(0)
        losses.append(run(held_out(feed))[0])
    torch.testing.assert_close(*losses)


def test_normalised_means_lift_a_collapsed_latent():
    """Noise alone: the bound is best where the latent tells nothing."""
    rates = []
    for spread in (0.0, 0.6):
        system, feed = made("binary", mean_spread=spread, beta=4.0)
        history = fit(system, feed, Settings(epochs=6, batch=32, rate=5e-3, validations=1, average=0, compile=False, precision="32"))
        rates.append((history.validations[-1].held_out["rate"], history.validations[-1].active_units))
    assert rates[0][0] < 0.1 and rates[1] == (pytest.approx(3 * 0.18, abs=0.2), 3)


@pytest.mark.parametrize("spread", [-1.0, 0.0, float("nan")])
def test_a_spread_that_is_none_is_refused(spread):
    with pytest.raises(InputError, match="spread must be"):
        NormalisedMean(torch.nn.Linear(4, 6), 3, spread)


@pytest.mark.parametrize(("kind", "in_units"), [(Displaced, False), (DisplacedInUnits, True)])
def test_how_far_a_posterior_is_from_its_prior_costs_what_the_formula_says(kind, in_units):
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(1, 5, 4, generator=draw)
    away = Neural(MLP(4, (8,)), NormalFamily(3))
    n, log_t = torch.randn(1, 5, 3, generator=draw), torch.randn(1, 5, 3, generator=draw)
    prior = Independent(Normal(n, log_t.exp()), 1)
    found, change = kind(away)(prior, features), away(features)
    d, s, t = change.base_dist.loc, change.base_dist.scale, log_t.exp()
    torch.testing.assert_close(found.mean, n + (t * d if in_units else d))
    wanted = ((d.square() if in_units else (d / t).square()) + s.square() - s.square().log() - 1).sum(-1) / 2
    torch.testing.assert_close(kl_divergence(found, prior), wanted)


def test_a_prior_that_narrows_does_not_take_what_a_latent_says_with_it():
    # A level that begins with a narrow prior: what it says of a row is as loud as under a wide one.
    for log_t in (0.0, -5.0):
        prior = Independent(Normal(torch.zeros(1, 5, 3), torch.full((1, 5, 3), log_t).exp()), 1)
        torch.manual_seed(0)
        away = Neural(MLP(4, (8,)), NormalFamily(3))
        features = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(Displaced(away)(prior, features).mean, away(features).mean)
