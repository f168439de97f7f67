"""The remedy of a bad verdict can be followed: what it names is taken by the recipe at hand, or by the recipe it names."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import vaekit as vk
from vaekit.core.choose import centre
from vaekit.core.objective import Step
from vaekit.evaluation import Latents, verdict
from vaekit.faces.cli.values import parsed
from vaekit.faces.measuring import tried
from vaekit.faces.preparing import BOOK, seeded, sorted_arguments
from vaekit.training.lagging import Lagging

WIDTH = 4
FOUND = Latents(
    kl=np.full(WIDTH, 1.0), variance_of_means=np.ones(WIDTH), aggregate_mean=np.zeros(WIDTH), aggregate_spread=np.ones(WIDTH), rate=4.0,
    mutual_information=3.0, use=5.0, dense=True, rows=100, seed=0,
)
BAD = {
    "collapsed": replace(FOUND, rate=0.01),
    "ignores the latent": replace(FOUND, use=0.1),
    "overspent": replace(FOUND, aggregate_mean=np.full(WIDTH, 3.0)),
    "partly collapsed": replace(FOUND, variance_of_means=np.array([1.0, 0, 0, 0])),
}
RANDOM = np.random.default_rng(0)
DATA = {"table": RANDOM.normal(size=(60, 3)), "images": RANDOM.integers(0, 256, (60, 16, 16)).astype(np.uint8)}


def fitted(data: str, recipe: str, **arguments) -> vk.FittedVAE:
    told = np.arange(60) % 3 if recipe == "cvae" else None
    known = np.arange(60) % 3 if recipe in ("m1", "m2", "m1_m2") else None
    few = {"latent": WIDTH, "epochs": 1, "validations": 1, "progress": False, "test": 0.2}
    return vk.fit(DATA[data], recipe, condition=told, labels=known, **few, **arguments)


@cache
def plain(data: str, recipe: str) -> vk.FittedVAE:
    """The recipe at its defaults; only tests that leave it as it is may share it."""
    return fitted(data, recipe)


def followed(model: vk.FittedVAE, remedy: str) -> list[tuple[vk.System, dict]]:
    """Systems made as each part of a remedy says, with what was changed."""
    made = []
    for part in remedy.split("; or"):
        named = re.search(r"the recipe (\w+)", part)
        recipe = named.group(1) if named else model.system.recipe
        changed = {name: parsed(value) for name, value in re.findall(r"(\w+)=(\{.*?\}\}|\[.*?\]|[^\s,;]+)", part)}
        kind = model.system.modality.name
        kept = {} if named else dict(model.system.arguments)
        told = sorted_arguments(recipe, kind, {**kept, **changed})
        system = seeded(recipe, model.system.modality, told)
        step = Step(system.model, system.stages[0].objective)
        Lagging(step, told.settings.encoder_steps, torch.clone).check(model.system.modality.example(2))
        made.append((system, changed))
    return made


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("recipe", BOOK.recipes)
def test_what_is_recommended_can_be_done(recipe, data, name):
    model = plain(data, recipe)
    judged = verdict(BAD[name], tried(model))
    assert judged.name == name and "longer" not in judged.remedy
    for system, changed in followed(model, judged.remedy):
        assert changed, judged.remedy
        with torch.no_grad():
            assert torch.isfinite(system.model(system.modality.example(2), centre()).log_likelihood).all()
        own = (data, system.recipe) == (data, recipe)
        assert not own or any(model.system.arguments.get(n) != v for n, v in changed.items())
        if name == "ignores the latent":
            before, after = (sum(p.numel() for p in s.model.likelihood.parameters()) for s in (model.system, system))
            assert after < before


@pytest.mark.parametrize(("recipe", "arguments", "name", "words"), [
    ("vae", {}, "collapsed", "a warm-up of the rate with free bits: beta="),
    ("vae", {"free_bits": 0.1}, "collapsed", "a batch-normalised posterior mean: mean_spread=0.6"),
    ("vae", {"free_bits": 0.1, "mean_spread": 0.5}, "collapsed", "an encoder that runs ahead of the decoder: encoder_steps=10"),
    ("vae", {"free_bits": 0.1, "mean_spread": 0.5, "encoder_steps": 2}, "collapsed", "free_bits=0.2"),
    ("iwae", {}, "collapsed", "a batch-normalised posterior mean: mean_spread=0.6"),
    ("vamp_vae", {}, "collapsed", "}}, free_bits=0.4"),
    ("vamp_vae", {"free_bits": 0.1}, "collapsed", "mean_spread=0.6"),
    ("flow_prior_vae", {}, "collapsed", "}}, free_bits=0.1"),
    ("ladder_vae", {"free_bits": 0.1}, "collapsed", "mean_spread=0.6"),
    ("m2", {}, "collapsed", "free bits: free_bits=0.1"),
    ("m2", {"free_bits": 0.1}, "collapsed", "mean_spread=0.6"),
    ("flow_vae", {"free_bits": 0.4}, "collapsed", "encoder_steps=10"),
    ("iwae", {"mean_spread": 0.5, "encoder_steps": 2}, "collapsed", "the recipe vae with"),
    ("autoencoder", {}, "collapsed", "the recipe vae with"),
    ("annealed_vae", {"capacity": 1.0}, "collapsed", "capacity=5"),
    ("annealed_vae", {"capacity": 50}, "overspent", "capacity=25"),
    ("beta_vae", {}, "overspent", "beta=8"),
    ("vae", {"beta": {"recipe": "linear", "arguments": {"stop": 3.0}}}, "overspent", "beta=6"),
    ("denoising_vae", {}, "overspent", "beta=2"),
    ("iwae", {}, "overspent", "the recipe beta_vae with beta=2"),
    ("vae", {"hidden": [32, 16]}, "ignores the latent", "hidden=[16, 8]"),
    ("vae", {"writer": nn.Linear(WIDTH, 3)}, "ignores the latent", "a smaller decoder"),
])
def test_a_remedy_goes_on_from_what_was_tried(recipe, arguments, name, words):
    judged = verdict(BAD[name], tried(fitted("table", recipe, **arguments)))
    assert judged.name == name and words in judged.remedy


def test_where_the_last_measurement_is_the_best_longer_training_is_named_first():
    model = fitted("table", "vae")
    first = model.history.validations[0]
    for bounds, longer in (((9.0, 8.0), True), ((8.0, 9.0), False), ((8.0,), False)):
        model.history.validations[:] = [replace(first, epoch=7.0, step=3000, held_out={"loss": bound, "elbo": bound}) for bound in bounds]
        for bad in BAD.values():
            remedy = verdict(bad, tried(model)).remedy
            assert remedy.startswith("longer training, such as epochs=14, which would help") is longer
            assert len(followed(model, remedy)) >= 1
        assert verdict(FOUND, tried(model)).remedy is None


@pytest.mark.parametrize(
    ("epoch", "step", "minutes", "longer"), [(0.9, 3000, None, "epochs=2"), (50.0, 400, None, "epochs=250"), (0.9, 100, 1.5, "minutes=30")]
)
def test_a_run_that_has_hardly_begun_is_not_called_healthy(epoch, step, minutes, longer):
    model = fitted("table", "vae")
    first = model.history.validations[0]
    model.data["settings"]["minutes"] = minutes
    for bounds, begun in (((9.0, 8.0), False), ((8.0, 9.0), True)):
        model.history.validations[:] = [replace(first, epoch=epoch, step=step, held_out={"loss": bound, "elbo": bound}) for bound in bounds]
        judged = verdict(FOUND, tried(model))
        assert (judged.name, judged.state) == (("healthy", "good") if begun else ("hardly begun", "warn"))
        assert judged.remedy == (None if begun else f"longer training, such as {longer}")
        assert begun or f"seen {epoch:.2g} times in {step:,} steps" in judged.sentences[0]
