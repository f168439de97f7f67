"""The whole evaluation on trained and untrained systems: plain JSON, whole figures, the same twice."""

import json
import time

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.core.system import Book, System, build
from vaekit.data.loading import Loader
from vaekit.evaluation import evaluate
from vaekit.evaluation.evaluate import affordable
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.training import Settings, fit

BOOK = Book(RECIPES, MODALITIES)
SECTIONS = {"verdict", "likelihood", "reconstruction", "latent", "prior", "representation", "labels", "samples", "baseline", "protocol"}


class _Feed:
    def __init__(self, train: Loader, validation: Loader):
        self.train, self.validation = train, validation


def figures(found: dict) -> list[dict]:
    parts = [found[n] for n in ("likelihood", "reconstruction", "latent", "prior", "representation", "samples")]
    return [f for part in parts if part for f in part["figures"]]


@pytest.fixture(scope="module")
def digits() -> tuple[dict[str, System], dict, dict]:
    data = load_digits()
    records = Records(data.images.astype(np.uint8), label=data.target.astype(np.int64), classes=tuple(map(str, range(10))))
    modality = MODALITIES["image"]().fit(records)
    rows = modality.store(records)
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    train, test = ({n: v[part] for n, v in rows.items()} for part in (order[:1437], order[1437:]))
    systems = {}
    for recipe in ("vae", "autoencoder"):
        torch.manual_seed(0)
        systems[recipe] = build(BOOK, recipe, modality, latent=8)
        feed = _Feed(Loader(train, modality, 128), Loader(test, modality, 512))
        fit(systems[recipe], feed, Settings.checked(epochs=20, batch=128))
    return systems, train, test


@pytest.fixture(scope="module")
def measured(digits) -> tuple[dict, float]:
    systems, train, test = digits
    started = time.perf_counter()
    return evaluate(systems["vae"], train, test, systems["autoencoder"]), time.perf_counter() - started


def test_digits_are_measured_in_time(measured):
    found, seconds = measured
    assert set(found) == SECTIONS and seconds < 30
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_every_figure_can_be_read_alone(measured):
    for f in figures(measured[0]):
        assert f["better"] in ("lower", "higher", "one", "none") and f["protocol"] and f["n"] == 360 and f["seed"] == 0, f
        assert isinstance(f["value"], float), f


def test_a_trained_model_is_judged_fairly(measured):
    found = measured[0]
    named = {f["name"]: f for f in figures(found)}
    assert found["verdict"]["name"] == "healthy"
    assert named["evidence lower bound"]["value"] < -named["negative log-likelihood"]["value"]
    assert named["linear probe"]["value"] > 0.7 > 0.3 > named["linear probe"]["floor"]
    trees = named["two-sample test, gradient boosting"]
    assert trees["ceiling"] < 0.6 < trees["value"] and named["coverage"]["floor"] < named["coverage"]["ceiling"]
    assert found["baseline"]["recipe"] == "autoencoder" and found["baseline"]["representation"]["figures"][0]["value"] > 0.7


def test_twice_is_the_same(digits, measured):
    systems, train, test = digits
    assert evaluate(systems["vae"], train, test, systems["autoencoder"]) == measured[0]


def test_the_plain_autoencoder_says_what_it_lacks(digits):
    systems, train, test = digits
    found = evaluate(systems["autoencoder"], train, test)
    assert found["verdict"]["name"] == "point code" and found["baseline"] is None
    assert "no bound" in found["likelihood"]["absent"] and "no prior" in found["samples"]["absent"]
    assert found["latent"]["dimensions"]["kl"] == [None] * 8 and found["reconstruction"]["figures"]


@pytest.mark.parametrize(("recipe", "arguments"), [("iwae", {}), ("vae", {"latent": 2}), ("denoising_vae", {})])
@pytest.mark.parametrize("case", ["few", "conditional", "gaps", "codes", "binarised", "flat"])
def test_any_recipe_on_any_rows_is_measured(recipe, arguments, case):
    random = np.random.default_rng(0)
    x, condition, options, name = random.normal(size=(50, 3)), None, {}, "vector"
    if case == "conditional":
        condition = random.integers(0, 2, (50, 1))
    elif case == "gaps":
        x[random.random(x.shape) < 0.2], options = np.nan, {"gaps": True}
    elif case == "codes":
        x, options = random.integers(0, 3, (50, 3)), {"likelihood": {"name": "categorical", "classes": 3}}
    elif case == "binarised":
        x, options, name = random.integers(0, 256, (50, 6, 6)).astype(np.uint8), {"binarise": "dynamic"}, "image"
    elif case == "flat":
        x[:, 1], options = 2.0, {"constant": "keep"}
    named = () if condition is None else ("c",)
    records = Records(x, label=random.integers(0, 2, 50), classes=("a", "b"), condition=condition, condition_columns=named)
    torch.manual_seed(0)
    modality = MODALITIES[name](**options).fit(records)
    system, rows = build(BOOK, recipe, modality, **{"latent": 4, "hidden": [8], **arguments}), modality.store(records)
    train, test = ({n: v[part] for n, v in rows.items()} for part in (slice(0, 30), slice(30, 50)))
    told = []
    found = evaluate(system, train, test, particles=5, progress=lambda *words: told.append(words))
    assert set(found) == SECTIONS and json.dumps(found, allow_nan=False)
    assert {doing for doing, _, _ in told} == {"latent", "likelihood", "samples", "representation", "baseline"}


def test_one_held_out_row_is_refused():
    x = np.random.default_rng(0).normal(size=(10, 3))
    modality = MODALITIES["vector"]().fit(Records(x))
    rows = modality.store(Records(x))
    with pytest.raises(InputError, match="hold out at least 2"):
        evaluate(build(BOOK, "vae", modality, latent=2), rows, {n: v[:1] for n, v in rows.items()})


def test_a_large_network_is_weighed_on_fewer_rows():
    x, wide = np.random.default_rng(0).normal(size=(10, 5)), 3000
    modality = MODALITIES["vector"](likelihood={"name": "normal", "scale": 1.0}).fit(Records(x))
    system = build(BOOK, "vae", modality, latent=3, network="mlp", hidden=[wide])
    operations = 2 * (5 * wide + wide * 6 + 3 * wide + wide * 5)
    assert affordable(system, 1000) == 2 * 10**12 // (1000 * operations)
    assert affordable(system, 10**9) == 50
