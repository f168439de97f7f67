"""Laws of every recipe on every kind of data, with and without a condition."""

import json
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from systems import BOOK, DATA, LABELLED, Feed, held_out, made, modality_of, records
from torch import Tensor, nn
from torch._dynamo.utils import counters

from vaekit.core.batch import Batch
from vaekit.core.choose import from_posterior, from_prior
from vaekit.core.errors import InputError
from vaekit.core.noise import RowNoise
from vaekit.core.objective import Step
from vaekit.core.schedule import Linear
from vaekit.core.system import Book, System, build
from vaekit.modalities import MODALITIES
from vaekit.operations.store import load_system, save_system
from vaekit.parts.likelihoods import Likelihood
from vaekit.recipes import RECIPES, register
from vaekit.tasks import dimension_rates, ranked_dimensions
from vaekit.training import Settings, fit
from vaekit.training.measure import measure

# Enough to move what is watched in a few steps.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "annealed_vae": {"capacity": 2.0, "gamma": 5.0}, "iwae": {"particles": 3}, "miwae": {"particles": 2, "groups": 2},
    "ciwae": {"particles": 3}, "factor_vae": {"critic": (16,)}, "vamp_vae": {"pseudo_inputs": 7},
    "aae": {"critic": (16,)}, "vae_gan": {"gamma": 1.0, "distortion": 1.0},
    "flow_vae": {"steps": 2, "flow_hidden": (8,), "context": 4}, "flow_prior_vae": {"steps": 2, "flow_hidden": (8,)},
    "latent_diffusion": {"width": 16, "steps": 4},
    "ladder_vae": {"levels": 2},
    "m1": {"above": (16,), "vae_share": 0.3}, "m1_m2": {"features": 3, "above": (16,)},
    **{name: {"prior_width": 16, "prior_layers": 1} for name in ("vq_vae", "fsq_vae")},
    # At a full rate a hundred rows say nothing to categories, and next to nothing else: a prior that comes later has nothing to learn.
    "cvae": {"beta": 0.0},
    "gumbel_vae": {"prior_width": 16, "prior_layers": 1, "beta": 0.0, "codes": 4},
}
# Nats: categories whose first stage has left them all but uniform have a prior that can only lose by the noise of its steps.
CHANCE = {"gumbel_vae": 0.05}
CONDITIONED = {"cvae"}
# Every recipe on every kind of data; told a condition on every other one, so that each recipe and each kind is met both ways.
PAIRS = [(recipe, data, recipe in CONDITIONED or (i + j) % 2 == 1) for i, recipe in enumerate(RECIPES) for j, data in enumerate(DATA)]
SOME = ("real", "gaps", "dynamic", "convolved")


def system_of(recipe: str, data: str, condition: bool = False, seed: int = 0) -> tuple[System, Feed]:
    return made(data, recipe, condition, seed, **ARGUMENTS.get(recipe, {}))


def trained(system: System, feed: Feed, epochs: int = 8) -> System:
    fit(system, feed, Settings(epochs=epochs, batch=32, rate=5e-3, validations=1, average=0, compile=False, precision="32"))
    return system


def at_its_last_stage(system: System, feed: Feed) -> System:
    """A system as its last stage finds it: what that stage watches is about latents which the stages before it have made."""
    *earlier, last = system.stages
    if not earlier:
        return system
    trained(system.replace(stages=earlier), feed)
    last.prepare(system.model)
    step = Step(system.model, last.objective)
    with torch.no_grad():
        for part in step.beginners:
            part.start(step.walk(next(iter(feed.train.epoch(0)))))
    return system.replace(stages=[last])


def score(system: System, batch: Batch) -> Tensor:
    with torch.no_grad():
        return system.model(batch, from_posterior(1, RowNoise(batch.x))).log_likelihood


@pytest.mark.parametrize(("recipe", "data", "condition"), PAIRS)
def test_a_few_steps_lower_what_the_stage_watches(recipe, data, condition):
    system, feed = system_of(recipe, data, condition)
    system = at_its_last_stage(system, feed)
    stage = system.stages[-1]
    step = Step(system.model, stage.objective).eval()
    # On the rows that are learnt from: on 32 others, eight epochs lower it by no more than chance may raise it.
    stage.objective.advance(1.0)
    before, _, _ = measure(step, feed.train)
    trained(system, feed)
    stage.objective.advance(1.0)
    after, _, _ = measure(step.eval(), feed.train)
    assert after[stage.watch] < before[stage.watch] + CHANCE.get(recipe, 0.0)
    made_up = system.model(held_out(feed).without_x(), from_prior()).likelihood.sample()[0]
    assert made_up.shape == held_out(feed).x.shape and bool(torch.isfinite(made_up).all())
    assert system.modality.to_raw(made_up).shape == (32, *system.modality.raw_event)


@pytest.mark.parametrize("data", DATA)
def test_a_few_steps_at_a_full_rate_lower_what_the_first_stage_of_a_conditional_model_watches(data):
    system, feed = made(data, "cvae", condition=True)
    system = system.replace(stages=system.stages[:1])
    step = Step(system.model, system.stages[0].objective).eval()
    step.advance(1.0)
    before, _, _ = measure(step, feed.train)
    trained(system, feed)
    step.advance(1.0)
    after, _, _ = measure(step.eval(), feed.train)
    assert after["loss"] < before["loss"]


@pytest.mark.parametrize(("recipe", "data"), list(product(RECIPES, ("gaps", "convolved"))))
def test_saved_and_loaded_gives_the_same_numbers(recipe, data, tmp_path):
    system, feed = system_of(recipe, data, condition=True)
    trained(system, feed, epochs=1)
    save_system(system, tmp_path / "kept")
    torch.manual_seed(99)
    loaded = load_system(tmp_path / "kept", BOOK)
    assert torch.equal(score(loaded, held_out(feed)), score(system, held_out(feed)))
    assert json.dumps(loaded.arguments) == json.dumps(system.arguments) and loaded.recipe == recipe


@pytest.mark.parametrize("recipe", RECIPES)
def test_coordinates_are_ranked_or_it_is_said_why_not(recipe):
    system, feed = system_of(recipe, "real", recipe in CONDITIONED)
    system = at_its_last_stage(system, feed)
    rates = dimension_rates(system, feed.validation.rows)
    try:
        order = ranked_dimensions(system, feed.validation.rows)
    except InputError as refused:
        assert "\n" not in str(refused) and np.isnan(rates).all()
    else:
        assert sorted(order) == list(range(len(rates)))


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_same_seed_gives_the_same_weights(recipe):
    told = recipe in CONDITIONED
    one, two, other = (trained(*system_of(recipe, "dynamic", told, seed), epochs=2).model.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[n], two[n]) for n in one)
    assert any(not torch.equal(one[n], other[n]) for n in one)


@pytest.mark.parametrize(("recipe", "nothing"), [
    ("beta_vae", {"beta": 1.0}), ("beta_tc_vae", {"beta": 1.0}), ("dip_vae", {"strength": 0.0}), ("dip_vae_2", {"strength": 0.0}),
    ("ciwae", {"particles": 1, "share": 1.0}),
])
def test_where_nothing_is_added_a_recipe_is_the_vae_to_the_bit(recipe, nothing):
    plain, other = (trained(*made("dynamic", name, **given), epochs=3) for name, given in (("vae", {}), (recipe, nothing)))
    wanted, found = plain.model.state_dict(), other.model.state_dict()
    assert wanted.keys() == found.keys() and all(torch.equal(wanted[n], found[n]) for n in wanted)


@pytest.mark.parametrize(
    ("recipe", "data"),
    [
        ("vae", "real"), ("vae", "convolved"), ("iwae", "gaps"), ("annealed_vae", "counts"), ("beta_tc_vae", "grey"),
        ("info_vae", "real"), ("vae_gan", "gaps"), ("aae", "codes"), ("flow_vae", "real"),
        ("flow_prior_vae", "real"), ("ladder_vae", "convolved"), ("m2", "gaps"),
        ("m1_m2", "real"), ("sphere_vae", "real"), ("poincare_vae", "real"), ("vq_vae", "real"), ("gumbel_vae", "real"),
    ],
)
def test_the_step_can_be_traced_whole(recipe, data):
    system, feed = system_of(recipe, data, condition=True)
    batches = list(feed.train.epoch(0))
    for stage in system.stages:
        learning = stage.prepare(system.model)
        step = Step(system.model, stage.objective)
        for part in step.beginners:
            part.start(step.walk(batches[0]))
        torch.compiler.reset()
        counters.clear()
        compiled = torch.compile(step, backend="aot_eager", fullgraph=True, dynamic=False)
        for progress, batch in zip((0.0, 0.3, 0.6), batches):
            step.advance(progress)
            found = []
            for run in (step, compiled):
                torch.manual_seed(5)
                step.zero_grad()
                loss, opponent, *_ = run(batch)
                loss = loss if opponent is None else loss + opponent
                loss.backward()
                found.append([loss.detach(), *(p.grad.clone() for p in (*learning, *step.objective.parameters()))])
            torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)
        assert counters["stats"]["unique_graphs"] == 1, "progress or a batch made it compile again"


def test_a_compiled_run_reaches_the_bound_of_one_that_is_not():
    bounds = []
    for compiled in (False, True):
        torch.compiler.reset()
        # Of one term: a compiler that knew its weight to be 1 would hand out the loss as its own detached reading.
        system, feed = system_of("iwae", "dynamic")
        history = fit(system, feed, Settings(epochs=8, batch=32, validations=1, average=0, compile=compiled, precision="32"))
        assert history.machine["compiled"] is compiled
        bounds.append(history.best)
    assert bounds[1] == pytest.approx(bounds[0], abs=1.0)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_shared_scale_learns_in_every_recipe(recipe):
    told = recipe in CONDITIONED
    modality = MODALITIES["vector"](likelihood={"name": "normal", "scale": "shared"}).fit(records("real", told, recipe in LABELLED))
    _, feed = made("real", recipe, told, **ARGUMENTS.get(recipe, {}))
    torch.manual_seed(0)
    system = build(BOOK, recipe, modality, latent=3, hidden=(24,), **ARGUMENTS.get(recipe, {}))
    trained(system, feed)
    (family,) = (part for part in system.model.likelihood.modules() if isinstance(part, Likelihood))
    scale = family.scale().item()
    with torch.no_grad():
        residual = torch.cat([b.x - system.model(b, from_posterior()).likelihood.loc[0] for b in feed.train.in_order()])
    assert scale != 1.0 and scale == pytest.approx(residual.square().mean().sqrt().item(), rel=0.15)


@pytest.mark.parametrize("recipe", RECIPES)
def test_latents_stand_in_the_same_order_whether_rows_are_looked_at_or_drawn(recipe):
    told = recipe in CONDITIONED
    system, feed = system_of(recipe, "real", told)
    batch = held_out(feed)
    with torch.no_grad():
        ways = (system.model(batch, from_posterior(1)), system.model(batch.without_x(), from_prior()))
    # What is measured of the first latent puts both walks side by side.
    assert list(ways[0].sites) == list(ways[1].sites)


@pytest.mark.parametrize("recipe", CONDITIONED)
@pytest.mark.parametrize("data", SOME)
def test_a_recipe_that_needs_a_condition_says_so(recipe, data):
    with pytest.raises(InputError, match="needs a condition: give condition=, or use the recipe vae"):
        system_of(recipe, data)


@pytest.mark.parametrize(("recipe", "data"), list(product(LABELLED, SOME)))
def test_a_recipe_that_needs_labels_says_so(recipe, data):
    with pytest.raises(InputError, match="learns from labels, but no row has one: give labels=, not all blank"):
        build(BOOK, recipe, modality_of(data), **DATA[data].network)


def test_a_learned_prior_comes_nearer_to_the_posteriors():
    system, feed = made("real", "cvae", condition=True)
    first = {n: p.clone() for n, p in system.model.prior.state_dict().items()}
    trained(system, feed, epochs=40)
    batch = next(iter(feed.train.in_order()))

    def rate() -> float:
        with torch.no_grad():
            return float(system.model(batch, from_posterior(1, RowNoise(batch.x))).kl().mean())

    learned = rate()
    system.model.prior.load_state_dict(first)
    assert learned < rate() - 0.1


# Numbers of three codes, where a latent is no number: of vectors, of three levels each, of one-hot categories; distances to planes.
NUMBERS = {"vq_vae": 3 * 16, "fsq_vae": 3 * 3, "gumbel_vae": 3 * 4, "poincare_vae": 64}
OWN = {
    "reader": lambda read: nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU()),
    # The latent, and what is beside it: a condition, or the classes.
    "writer": lambda read: nn.Sequential(nn.Linear(read, 20), nn.ReLU(), nn.Linear(20, 64), nn.Unflatten(1, (1, 8, 8))),
}


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name not in ("vamp_vae", "ladder_vae")])
def test_a_persons_own_networks_fit_every_recipe(recipe):
    torch.manual_seed(0)
    told = recipe in CONDITIONED
    read = NUMBERS.get(recipe, 3) + modality_of("bits", told).condition_width + 3 * (recipe == "m2")
    own = {name: make(read) for name, make in OWN.items()}
    system, feed = made("bits", recipe, told, **ARGUMENTS.get(recipe, {}), **own)
    assert system.handed == ("reader", "writer") and json.dumps(dict(system.arguments))
    trained(system, feed, epochs=1)
    used = {id(m) for m in system.model.modules()}
    assert all(id(m) in used for m in own.values())


@pytest.mark.parametrize(
    ("recipe", "arguments", "words"),
    [
        ("vea", {}, "did you mean 'vae'"),
        ("vae", {"latent": 0}, "latent must be a whole number of 1 or more, not 0"),
        ("vae", {"latent": 2.5}, "latent must be a whole number"),
        ("vae", {"hiden": (3,)}, "did you mean 'hidden'"),
        ("vae", {"network": "convolution"}, "needs images"),
        ("vae", {"likelihood": "bernoulli"}, "give likelihood='bernoulli' when the data is opened"),
        ("vae", {"likelihood": "norml"}, "did you mean 'normal'"),
        ("beta_vae", {"beta": float("nan")}, "beta must be finite and a number of 0 or more"),
        ("iwae", {"particles": 0}, "particles must be a whole number of 1 or more, not 0"),
        ("denoising_vae", {"corruption": 1.0}, "corruption must be a number above 0 and below 1"),
        ("denoising_vae", {"corruption": 0.0}, "corruption must be a number above 0 and below 1"),
        ("annealed_vae", {"until": 0.0}, "until must be a number above 0 and at most 1"),
        ("vae", {"writer": nn.Sequential(nn.Linear(3, 5), nn.Sigmoid())}, "leave the last layer off"),
        ("vae", {"reader": nn.Linear(17, 4)}, "takes none of the shapes"),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(recipe, arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        made("real", recipe, **arguments)
    assert "\n" not in str(caught.value)


def test_a_recipe_of_ones_own_is_registered_once():
    def own_recipe(modality, **arguments):
        return RECIPES["vae"](modality, **arguments)

    try:
        assert register(own_recipe) is own_recipe and register(own_recipe) is own_recipe
        system, feed = made("real")
        again = build(Book(RECIPES, MODALITIES), "own_recipe", system.modality, latent=2)
        assert again.recipe == "own_recipe" and score(again, held_out(feed)).shape == (1, 32)

        def other(modality):
            return own_recipe(modality)

        other.__name__ = "own_recipe"
        with pytest.raises(ValueError, match="already in the book"):
            register(other)
    finally:
        RECIPES.pop("own_recipe", None)


def test_a_schedule_is_saved_by_its_name_and_what_has_none_is_refused(tmp_path):
    system, _ = made("real", beta=Linear(until=0.25))
    save_system(system, tmp_path)
    again = load_system(tmp_path, BOOK).stages[0].objective.terms[1].schedule
    assert again == Linear(until=0.25) and system.handed == ()
    with pytest.raises(InputError, match=r"beta=.* could not be written to a file"):
        made("real", beta=torch.square)


def test_what_is_changed_by_hand_loses_its_name(tmp_path):
    system, _ = made("real")
    changed = system.with_objective(system.stages[0].objective)
    assert system.recipe == "vae" and changed.recipe == "" and changed.arguments == {}
    with pytest.raises(InputError, match="composed by hand"):
        save_system(changed, tmp_path / "kept")
