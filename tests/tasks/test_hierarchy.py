"""Tasks where latents stand above one another: each may have its temperature, and the upper ones may be kept."""

import numpy as np
import pytest
import torch
from test_tasks import made, part

from vaekit.core.choose import centre, fixed, from_prior
from vaekit.core.errors import InputError
from vaekit.tasks import decode, encode, generate, interpolate, reconstruct, redraw, score, traverse
from vaekit.tasks.walk import at_rest, batches, layout

NETWORKS = {"numbers": {}, "levels": {"network": "convolution", "channels": [4, 6]}}
every = pytest.mark.parametrize("case", NETWORKS)


def ladder(case: str, levels: int = 3):
    return made(case, "ladder_vae", levels=levels, **NETWORKS[case])


@every
def test_every_task_runs_on_several_latents(case):
    system, rows = ladder(case)
    few, width = part(rows, slice(0, 2)), layout(system).width
    found = encode(system, rows)
    assert found.mean.shape == found.spread.shape == found.sample.shape == (40, width) and (found.spread > 0).all()
    assert list(layout(system).shapes) == ["level1", "level2", "level3"]
    assert np.allclose(decode(system, found.mean), reconstruct(system, rows), atol=1e-4)
    way = interpolate(system, few, part(rows, slice(2, 4)), steps=3)
    assert np.allclose(way[:, 0], reconstruct(system, few), atol=1e-4)
    assert traverse(system, few, dimensions=[0, width - 1], steps=3).shape[:3] == (2, 2, 3)
    assert np.isfinite(score(system, few, 4).nats).all()


def test_a_lower_latent_is_traversed_about_its_prior_under_the_row_s_upper_ones():
    system, rows = ladder("numbers", levels=2)
    few = part(rows, slice(0, 4))
    z = torch.from_numpy(encode(system, few).mean)
    with at_rest(system), torch.no_grad():
        trace = system.model(next(iter(batches(system, few))).without_x(), fixed(layout(system).split(z[None]), centre()))
    prior = trace.sites["level2"].prior
    assert prior.mean[0].std(0).max() > 1e-3
    z[:, 3] = prior.mean[0, :, 0] + 2 * prior.stddev[0, :, 0]
    wanted = decode(system, z)
    assert np.allclose(traverse(system, few, dimensions=[3], span=(2.0, 3.0), steps=2)[:, 0, 0], wanted, atol=1e-4)


@every
def test_each_latent_has_its_temperature(case):
    system, _ = ladder(case)
    cold, zeros = generate(system, 5, temperature=0.0, mean=True), generate(system, 5, temperature=[0, 0, 0], mean=True)
    assert np.allclose(cold, zeros, atol=1e-4) and np.allclose(cold[0], cold, atol=1e-2)
    assert np.array_equal(generate(system, 5, temperature=[1, 1, 1]), generate(system, 5))
    with at_rest(system), torch.no_grad():
        sites = system.model(next(iter(batches(system, ladder(case)[1]))).without_x(), from_prior({"level1": 0.0, "level3": 0.5})).sites
    spread = {name: float(((site.z - site.prior.mean) / site.prior.stddev).std()) for name, site in sites.items()}
    assert spread["level1"] < 1e-4 and spread["level2"] == pytest.approx(1, abs=0.25) and spread["level3"] == pytest.approx(0.5, abs=0.12)


@every
def test_what_is_kept_stays_and_the_rest_is_drawn_anew(case):
    system, rows = ladder(case)
    few = part(rows, slice(0, 3))
    raw = system.modality.to_raw(next(iter(batches(system, few))).x)
    one = redraw(system, few, keep=1, draws=4, seed=1)
    assert one.shape == (3, 4, *raw.shape[1:]) and np.array_equal(one, redraw(system, few, keep=1, draws=4, seed=1))
    assert not np.allclose(one[:, 0], one[:, 1]) and redraw(system, few, mean=False).shape == (3, 1, *raw.shape[1:])
    # Drawn at temperature 0, the rest is the centre of its prior under what is kept.
    means = layout(system).split(torch.from_numpy(encode(system, few).mean)[None])
    for keep in (1, 2):
        kept = {name: means[name] for name in ("level1", "level2")[:keep]}
        with at_rest(system), torch.no_grad():
            likelihood = system.model(next(iter(batches(system, few))).without_x(), fixed(kept, centre())).likelihood
        cold = redraw(system, few, keep, draws=2, temperature=[1.0] * keep + [0.0] * (3 - keep))
        wanted = system.modality.to_raw(likelihood.mean[0])
        assert np.allclose(cold, wanted[:, None], atol=1e-2 * np.abs(wanted).max())


def test_the_condition_of_a_row_is_that_of_its_new_rows():
    system, rows = made("conditional", "ladder_vae", levels=2)
    assert redraw(system, rows, draws=2).shape == (40, 2, 5)
    other = {**rows, "condition": rows["condition"].flip(1)}
    assert not np.allclose(redraw(system, rows, seed=3), redraw(system, other, seed=3))


@pytest.mark.parametrize(("words", "recipe", "task"), [
    ("has one latent", "vae", lambda s, r: redraw(s, r)),
    ("keep must be from 1 to 2 of the model's 3 latents, not 3", "ladder_vae", lambda s, r: redraw(s, r, keep=3)),
    ("keep must be from 1 to 2", "ladder_vae", lambda s, r: redraw(s, r, keep=0)),
    ("draws must be 1 or more, not 0", "ladder_vae", lambda s, r: redraw(s, r, draws=0)),
    ("temperature must be 0 or more, not -1", "ladder_vae", lambda s, r: generate(s, 2, temperature=[1, -1, 1])),
    ("temperature must be 0 or more, not nan", "ladder_vae", lambda s, r: generate(s, 2, temperature=float("nan"))),
    (r"2 numbers, but the model has 3 latents \(level1, level2, level3\)", "ladder_vae", lambda s, r: generate(s, 2, temperature=[1, 1])),
    ("2 numbers, but the model has 1 latent: give one", "vae", lambda s, r: generate(s, 2, temperature=[1, 1])),
])
def test_a_wrong_argument_is_one_clear_line(words, recipe, task):
    system, rows = made("numbers", recipe)
    with pytest.raises(InputError, match=words) as caught:
        task(system, rows)
    assert "\n" not in str(caught.value)
