"""Several models side by side: what is ranked, what is refused, and that each runs on rows that none has seen."""

import json

import numpy as np
import pytest

import vaekit
from vaekit.evaluation.comparison import cautions_between, side_by_side

SMALL = {"epochs": 2, "latent": 2, "hidden": 8, "batch": 32, "progress": False}
ROWS = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)


def metrics(value, likelihood="normal", name="negative log-likelihood", better="lower", condition_width=0):
    figures = [] if value is None else [{"name": name, "unit": "nats", "better": better, "value": value}]
    return {
        "likelihood": {"figures": figures, "absent": None if figures else "a point"},
        "protocol": {"likelihood": likelihood, "condition_width": condition_width},
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    np.save(folder / "rows.npy", ROWS)
    return folder, vaekit.compete(["vae", "autoencoder"], folder / "rows.npy", folder, **SMALL, vae={"beta": 0.5})


def test_the_best_is_the_lowest_or_the_highest_and_equals_share_the_place():
    (line,) = side_by_side({"a": metrics(3.0), "b": metrics(1.0), "c": metrics(None), "d": metrics(1.0004)})
    assert line.values == (3.0, 1.0, None, 1.0004) and line.best == (1, 3)
    (line,) = side_by_side({"a": metrics(3.0, better="higher"), "b": metrics(1.0, better="higher")})
    assert line.best == (0,)
    assert side_by_side({"a": metrics(1.0), "b": metrics(1.0)})[0].best == ()


def test_nats_of_different_likelihoods_are_not_ranked():
    found = {"a": metrics(3.0, "normal"), "b": metrics(1.0, "bernoulli"), "c": metrics(None, "normal", condition_width=2)}
    assert side_by_side(found)[0].best == ()
    told = " ".join(cautions_between(found))
    assert "different likelihoods (bernoulli and normal)" in told and "c has no bound" in told and "c is told a condition" in told


def test_recipes_are_trained_and_compared_on_the_same_rows(runs, tmp_path):
    folder, trained = runs
    assert trained["vae"].system.arguments["beta"] == 0.5 and (folder / "autoencoder" / "weights.safetensors").is_file()
    found = vaekit.compare([folder / "vae", folder / "autoencoder"], particles=5)
    by_name = {line.name: line for line in found.lines}
    assert by_name["negative log-likelihood"].values[1] is None and by_name["negative log-likelihood"].best == ()
    assert all(value is not None for value in by_name["use of the latent"].values)
    page = found.save(tmp_path / "new")
    text, kept = page.read_text(), json.loads(page.with_suffix(".json").read_text())
    assert "autoencoder has no bound" in text and list(kept["runs"]) == ["vae", "autoencoder"]
    again = vaekit.compete(["vae", "autoencoder"], folder / "rows.npy", folder, resume=True, **SMALL)
    assert again["vae"].folder == folder / "vae"


def test_what_cannot_be_compared_is_refused_in_one_line(runs, tmp_path):
    folder, _ = runs
    other = vaekit.fit(ROWS[::-1].copy(), "vae", **SMALL)
    with pytest.raises(vaekit.InputError, match="vae and mine held different rows out"):
        vaekit.compare({"vae": runs[1]["vae"], "mine": other})
    with pytest.raises(vaekit.InputError, match="two or more runs, not 1"):
        vaekit.compare([folder / "vae"])
    with pytest.raises(vaekit.InputError, match="two runs are named 'vae'"):
        vaekit.compare([folder / "vae", folder / "vae"])
    with pytest.raises(vaekit.InputError, match="option 'betta' is unknown for recipe 'vae'"):
        vaekit.compete(["autoencoder", "vae"], ROWS, tmp_path / "none", vae={"betta": 1}, **SMALL)
    with pytest.raises(vaekit.InputError, match="needs a condition"):
        vaekit.compete(["vae", "cvae"], ROWS, tmp_path / "none", **SMALL)
    with pytest.raises(vaekit.InputError, match="two or more different recipes"):
        vaekit.compete(["vae", "vae"], ROWS, tmp_path / "none", **SMALL)
    assert not (tmp_path / "none").exists()
