r"""Laws of every recipe with a likelihood bound: mean log w <= mean_j L_k(j) <= L_2k <= log p(x), on the same draws and through chains.

L_k is concave in its weights, so that the first two hold to rounding, row by row, whatever the model.
"""

from math import log

import numpy as np
import pytest
import torch
from systems import made
from test_recipes import ARGUMENTS, CONDITIONED

from vaekit.core.choose import from_posterior
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.core.system import System
from vaekit.evaluation import Annealing, annealed_nll
from vaekit.recipes import RECIPES
from vaekit.tasks import score
from vaekit.tasks.walk import has_density

K = 4


def built(recipe: str, data: str) -> tuple[System, dict[str, torch.Tensor]]:
    system, feed = made(data, recipe, recipe in CONDITIONED, **ARGUMENTS.get(recipe, {}))
    if not has_density(system):
        pytest.skip(f"{recipe} has no bound")
    return system, {name: values[:12] for name, values in feed.validation.rows.items()}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("data", ["real", "bits"])
def test_more_draws_never_lower_the_bound(recipe, data):
    system, rows = built(recipe, data)
    batch = system.modality.batch(rows)
    with torch.no_grad():
        log_w = system.model.eval()(batch, from_posterior(2 * K, RowNoise(batch.x))).log_weight().double()
    one, all_of_them = log_w.mean(0), log_w.logsumexp(0) - log(2 * K)
    halves = (log_w.unflatten(0, (2, K)).logsumexp(1) - log(K)).mean(0)
    assert bool((one <= halves + 1e-9).all()) and bool((halves <= all_of_them + 1e-9).all())
    random = log_w.std(0).max() > 1e-6
    assert not random or float(all_of_them.mean() - one.mean()) > 0
    # What is told to a person is the same bound, on other draws.
    found = score(system, rows, particles=64)
    log_det = system.modality.log_det(batch).double().numpy()
    assert np.mean(found.nats - log_det) >= float(one.mean()) - 3 * float(log_w.std(0).mean()) / np.sqrt(2 * K)


@pytest.mark.parametrize("recipe", RECIPES)
def test_chains_bound_every_recipe_or_name_the_latent_that_they_cannot_move(recipe):
    system, rows = built(recipe, "real")
    try:
        found = annealed_nll(system, rows, Annealing(4, 3, 2), simulated=6)
    except InputError as refused:
        assert "latent '" in str(refused) and "\n" not in str(refused)
        return
    assert np.isfinite(found.nats).all() and np.isfinite(found.simulated.gap)
    many = score(system, rows, particles=256).nats.mean()
    assert found.nats.mean() == pytest.approx(many, abs=0.5)
