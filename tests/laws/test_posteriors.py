"""Laws of posteriors: what each family promises beyond the laws of recipes."""

from inspect import signature

import pytest
import torch
from systems import BOOK, held_out, made

from vaekit.core.choose import from_posterior
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Step
from vaekit.operations.store import load_system, save_system
from vaekit.parts.posteriors import NormalisedMean
from vaekit.parts.priors import Standard
from vaekit.recipes import RECIPES
from vaekit.training import Settings, fit

NORMAL = [name for name, recipe in RECIPES.items() if {"mean_spread", "arguments"} & set(signature(recipe).parameters)]
GIVEN = {"factor_vae": {"critic": (16,)}, "vae_gan": {"critic": (16,)}, "aae": {"critic": (16,)}, "flow_prior_vae": {"flow_hidden": (8,)}}


@pytest.mark.parametrize("recipe", NORMAL)
def test_normalised_means_keep_the_rate_above_its_floor_on_every_recipe(recipe):
    """E KL >= d (g^2 + h^2) / 2 over the batch, whatever the encoder says; h = 0 before the first step."""
    system, feed = made("real", recipe, condition=True, mean_spread=0.7, **GIVEN.get(recipe, {}))
    trace = system.model.train()(held_out(feed), from_posterior())
    posterior = trace.sites["z"].posterior
    torch.testing.assert_close(posterior.mean[0].mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(posterior.mean[0].std(0, correction=0), torch.full((3,), 0.7), atol=1e-3, rtol=0)
    if isinstance(system.model.prior, Standard):
        assert trace.kl().mean().item() >= 3 * 0.7**2 / 2 - 1e-3


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
