"""Several models side by side: what is ranked, what is refused, and that each runs on rows that none has seen."""

import json

import numpy as np
import pytest

import vaekit
from vaekit.evaluation.comparison import cautions_between, side_by_side
from vaekit.faces import extractors

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


def test_of_what_is_best_at_one_the_nearest_is():
    (line,) = side_by_side({name: metrics(value, better="one") for name, value in (("a", 0.5), ("b", 1.3), ("c", 0.9), ("d", None))})
    assert line.best == (2,)
    (line,) = side_by_side({"a": metrics(1.2, better="one"), "b": metrics(0.7, better="one")})
    assert line.best == (0,)


def test_below_one_half_no_classifier_is_better_at_telling_nothing_apart():
    found = [{"figures": [{"name": "two-sample test", "unit": "AUC", "better": "lower", "value": v}]} for v in (0.45, 0.49, 0.7)]
    protocol = {"protocol": {"likelihood": "normal", "condition_width": 0}}
    assert side_by_side({name: {"samples": one, **protocol} for name, one in zip("abc", found)})[0].best == (0, 1)


def test_nats_of_different_likelihoods_are_not_ranked():
    found = {"a": metrics(3.0, "normal"), "b": metrics(1.0, "bernoulli"), "c": metrics(None, "normal", condition_width=2)}
    assert side_by_side(found)[0].best == ()
    told = " ".join(cautions_between(found))
    assert "different likelihoods (bernoulli and normal)" in told and "c has no bound" in told and "c is told a condition" in told


def test_samples_that_other_networks_judged_are_not_ranked():
    def judged(value, how):
        figures = [{"name": "Frechet distance (FID)", "unit": "1", "better": "lower", "value": value, "protocol": how}]
        return {**metrics(1.0), "samples": {"figures": figures, "space": "8 values"}}

    same, other = ({"a": judged(3.0, "extractor a"), "b": judged(1.0, f"extractor {b}")} for b in "ab")
    assert side_by_side(same)[-1].best == (1,) and side_by_side(other)[-1].best == ()
    assert cautions_between(same) == [] and "different networks" in " ".join(cautions_between(other))


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
    again = vaekit.compete(["vae", "autoencoder"], folder / "rows.npy", folder, resume=True, **SMALL, vae={"beta": 0.5})
    assert again["vae"].folder == folder / "vae"


def test_images_are_judged_by_one_network_and_their_sharpness_is_told(tmp_path, monkeypatch):
    made, train = [], extractors._autoencoder

    def counted(*given):
        made.append(train(*given))
        return made[-1]

    monkeypatch.setattr(extractors, "_autoencoder", counted)
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8)).astype(np.uint8)
    several = {"vae": {}, "wide": {"hidden": 16}, "bits": {"binarise": "threshold"}}
    runs = {name: vaekit.fit(images, "vae", **{**SMALL, **told}) for name, told in several.items()}
    found = vaekit.compare(runs, particles=2)
    told = [next(f for f in m["samples"]["figures"] if f["name"].startswith("Frechet"))["protocol"] for m in found.metrics.values()]
    # Bits are other rows than bytes, and so have a judge of their own.
    assert len(made) == 2 and all(made[0].digest in protocol for protocol in told[:2]) and made[1].digest in told[2]
    line = next(line for line in found.lines if line.name == "sharpness")
    assert line.better == "one" and all(0 < value < 1 for value in line.values)
    text = found.save(tmp_path / "page").read_text()
    assert "sharpness" in text and 'title="1 is best"' in text


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
    with pytest.raises(vaekit.InputError, match=r"vae=3: vae is a recipe here; .* vae\.KEY=VALUE"):
        vaekit.compete(["autoencoder", "vae"], ROWS, tmp_path / "none", vae=3, **SMALL)
    assert not (tmp_path / "none").exists()


def test_a_run_that_is_there_is_kept_only_if_it_is_the_one_that_is_asked_for(runs):
    folder, _ = runs
    rows, told = folder / "rows.npy", {**SMALL, "vae": {"beta": 0.5}}
    with pytest.raises(vaekit.InputError, match="vae: already holds a run"):
        vaekit.compete(["beta_vae", "vae"], rows, folder, **told)
    for data, changed, words in (
        (rows, {"epochs": 3}, r"another argument \(epochs: 2 then, 3 now\)"),
        (rows, {"vae": {}}, r"another argument \(beta: 0.5 then, nothing"),
        (rows, {"test": 0.2}, r"other data \(test: 0.1 then, 0.2 now\)"), (ROWS + 1, {}, r"other data \(fingerprint"),
    ):
        with pytest.raises(vaekit.InputError, match=f"vae: the run had {words}"):
            vaekit.compete(["beta_vae", "vae"], data, folder, resume=True, **{**told, **changed})
    assert not (folder / "beta_vae").exists()
