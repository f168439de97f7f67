"""Measuring: the baseline is trained in the same way, files are whole, and what cannot be compared says why."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from torch import nn

import vaekit as vk
from vaekit.core.errors import InputError
from vaekit.evaluation.report import page
from vaekit.faces.cli.summary import summary
from vaekit.faces.measuring import measured

IMAGES = load_digits().images[:200].astype(np.uint8)


def fitted(**arguments):
    return vk.fit(IMAGES, epochs=2, batch=32, latent=3, progress=False, **{"hidden": 16, **arguments})


def test_the_report_and_its_metrics_are_written_side_by_side(tmp_path):
    said = []
    metrics = fitted().report(tmp_path / "out" / "report.html", particles=8, progress=lambda doing, share: said.append((doing, share)))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["metrics.json", "report.html"]
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == metrics
    assert said and all(0 <= share <= 1 for _, share in said) and any("autoencoder" in doing for doing, _ in said)


def test_the_baseline_takes_as_long_and_as_many_epochs_as_the_model():
    metrics, _ = measured(fitted(), particles=4)
    assert "same networks, latent, settings and seed, 2 epochs" in metrics["protocol"]["baseline"]
    names = [[figure["name"] for figure in section["reconstruction"]["figures"]] for section in (metrics, metrics["baseline"])]
    assert names[0] == names[1]


def test_the_baseline_of_a_long_run_gets_a_share_of_it():
    model = fitted()
    last = model.history.validations[-1]
    model.history.validations[-1] = replace(last, epoch=3.0, seconds=540.0)
    assert "1 epochs of the model's 3" in measured(model, particles=4)[0]["protocol"]["baseline"]


def test_rows_that_were_trained_on_are_known_to_be():
    model = fitted()
    others = np.random.default_rng(0).integers(0, 17, (50, 8, 8)).astype(np.uint8)
    for rows, share in ((IMAGES, 0.8), (others, 0.0), (np.concatenate([IMAGES[:50], others]), 0.4)):
        found = measured(model, rows, particles=4, baseline=False)[0]["protocol"]["trained_on"]
        assert found == pytest.approx(share, abs=0.06)
    assert "trained_on" not in measured(model, particles=4, baseline=False)[0]["protocol"]


def test_measuring_twice_gives_the_same_numbers():
    model = fitted()
    first, second = (measured(model, particles=4)[0] for _ in range(2))
    assert {**first, "about": None} == {**second, "about": None}


@pytest.mark.parametrize(("arguments", "words"), [
    ({"recipe": "autoencoder"}, "the model is the plain autoencoder itself"),
    ({"reader": nn.Sequential(nn.Flatten(), nn.Linear(64, 8))}, "networks of its own (reader)"),
])
def test_a_baseline_that_cannot_be_trained_says_why(arguments, words):
    metrics, _ = measured(fitted(**arguments), particles=4)
    assert metrics["baseline"] is None and words in metrics["protocol"]["baseline"] and words in metrics["about"]["baseline"]


def test_recipes_with_arguments_of_their_own_have_a_baseline_too():
    metrics, _ = measured(fitted(recipe="annealed_vae", capacity=3.0, activation="relu"), particles=4)
    assert metrics["baseline"]["recipe"] == "autoencoder"


def test_other_rows_can_be_measured_on():
    metrics, _ = measured(fitted(), IMAGES[:40], particles=4, baseline=False)
    assert metrics["protocol"]["held_out_rows"] == 40 and metrics["baseline"] is None
    assert "40 measured on" in metrics["about"]["facts"]


@pytest.mark.parametrize("labels", [None, np.arange(200) % 3])
def test_rows_of_classes_that_training_had_not_are_shown_without_a_name(labels):
    model = fitted(labels=labels)
    metrics, gallery = measured(model, vk.open_records(IMAGES[:40], np.arange(40) % 5), particles=4, baseline=False)
    assert set(gallery.map.label.tolist()) == ({-1} if labels is None else {-1, 0, 1, 2})
    assert "<svg" in page(metrics, gallery, model.history.to_json())


def test_no_particles_measure_nothing():
    with pytest.raises(InputError, match="particles must be a whole number of 1 or more, not 0"):
        fitted().evaluate(particles=0)


def test_what_a_model_is_told_of_each_row_stands_at_the_head_of_its_page():
    metrics, _ = measured(fitted(labels=np.arange(200) % 3, condition="label"), particles=4, baseline=False)
    assert "told label of each row" in metrics["about"]["facts"] and not any("told" in f for f in measured(fitted())[0]["about"]["facts"])


def test_a_walk_that_is_decided_from_below_is_measured_by_the_latent_that_is_drawn_first():
    model = fitted(recipe="m1_m2", labels=np.arange(200) % 3, features=5, test=0.5)
    metrics, _ = measured(model, particles=2, baseline=False)
    assert metrics["prior"]["site"] == "y" and [level["name"] for level in metrics["latent"]["levels"]] == ["y", "z", "features"]
    assert any(figure["name"] == "two-sample test of latents" for figure in metrics["prior"]["figures"])


def test_a_saved_model_whose_data_is_gone_needs_it_again(tmp_path):
    fitted().save(tmp_path)
    with pytest.raises(InputError, match="give the data"):
        vk.load(tmp_path).report(tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_without_held_out_rows_data_is_asked_for():
    model = fitted(test=0)
    with pytest.raises(InputError, match=r"no rows were held out .* give data"):
        model.evaluate()
    assert model.evaluate(IMAGES[:20], particles=2, baseline=False)["likelihood"]["figures"]


def test_annealed_bounds_are_there_where_they_are_asked_for():
    model = fitted()
    told = []
    found = model.evaluate(particles=4, baseline=False, temperatures=3, progress=lambda *words: told.append(words[0]))["likelihood"]
    by_name = {figure["name"]: figure for figure in found["figures"]}
    assert by_name["negative log-likelihood, annealed"]["n"] >= 10 and by_name["gap between the annealed bounds"]["value"] > 0
    assert "measuring: annealing held-out rows" in told
    whole = measured(model, particles=4, baseline=False, temperatures=3)[0]
    assert any("annealed" in line and "nats too high" in line for line in summary(model, whole, Path("r"), None))
    plain = fitted(recipe="autoencoder")
    with pytest.raises(InputError, match="no likelihood bound"):
        plain.evaluate(baseline=False, temperatures=3)
