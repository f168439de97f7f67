"""New data against a trained model, and a model's folder that was damaged, changed or made by somebody else."""

import hashlib
import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

import vaekit

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["height", "width", "depth"])
FRAME["kind"] = np.where(np.arange(60) % 2, "oak", "elm")


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Models of a table that is told its kind, and of images."""
    folder = tmp_path_factory.mktemp("runs")
    FRAME.to_csv(folder / "m.csv", index=False)
    told = {"epochs": 1, "latent": 2, "hidden": [8], "progress": False}
    vaekit.fit(folder / "m.csv", condition="kind", run=folder / "table", **told)
    vaekit.fit("digits", run=folder / "images", **told)
    vaekit.fit(folder / "m.csv", recipe="autoencoder", labels="kind", run=folder / "plain", **told)
    return folder


@pytest.fixture
def here(vae, runs, tmp_path):
    """Copies of the models where the command runs."""
    for name in ("table", "images", "plain"):
        shutil.copytree(runs / name, tmp_path / name)
    FRAME.to_csv(tmp_path / "m.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("verb", ["score", "encode", "reconstruct", "denoise", "interpolate"])
def test_wrong_columns(vae, here, verb):
    FRAME.drop(columns="width").to_csv(here / "lacks.csv", index=False)
    vae.refused(verb, "table", "lacks.csv", "--out", "o.csv", names=("lacks.csv", "trained on 3 columns", "lacks 'width'"))
    FRAME.assign(age=1.0).to_csv(here / "more.csv", index=False)
    vae.refused(verb, "table", "more.csv", "--out", "o.csv", names=("more.csv", "in excess 'age'"))
    np.save(here / "a.npy", np.zeros((5, 4)))
    vae.refused(verb, "table", "a.npy", "--out", "o.csv", "-c", "oak", names=("a.npy", "4 columns", "trained on 3"))


def test_a_wrong_image_size(vae, here):
    (here / "faces").mkdir()
    for number in range(3):
        Image.new("L", (9, 8)).save(here / "faces" / f"{number}.png")
    vae.refused("score", "images", "faces", "--out", "o.csv", names=("faces", "8 x 9 in 1 channel", "trained on 8 x 8", "resize"))


def test_gaps_in_new_rows(vae, here):
    frame = FRAME.copy()
    frame.loc[4, "depth"] = np.nan
    frame.to_csv(here / "gap.csv", index=False)
    vae.refused("score", "table", "gap.csv", "--out", "o.csv", names=("gap.csv", "1 values are not finite", "row 5", "column 'depth'"))


def test_a_condition_that_is_missing_or_unknown(vae, here):
    FRAME.drop(columns="kind").to_csv(here / "x.csv", index=False)
    vae.refused("score", "table", "x.csv", "--out", "o.csv", names=(
        "x.csv", "no column 'kind'", "give condition={'kind': ...}", "(--condition kind=VALUE)"
    ))
    np.save(here / "x.npy", FRAME.drop(columns="kind").to_numpy())
    vae.refused("score", "table", "x.npy", "--out", "o.csv", names=("x.npy", "no column 'kind'", "--condition kind=VALUE"))
    vae.done("score", "table", "x.npy", "--out", "o.csv", "--condition", "kind=oak")
    (here / "o.csv").unlink()
    vae.refused("generate", "table", "--out", "o.csv", names=("needs a condition", "kind"))
    vae.refused("generate", "table", "--out", "o.csv", "-c", "okk", names=("'kind'", "'okk'", "did you mean 'oak'?"))
    vae.refused("generate", "table", "--out", "o.csv", "-c", "knd=oak", names=("'knd' is unknown", "did you mean 'kind'?"))
    vae.refused("generate", "images", "--out", "o.npy", "-c", "3", names=("--condition 3", "trained without one"))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("generate", "images", "-n", 0, "--out", "o.npy"), ("-n 0", "1 row or more")),
        (("generate", "images", "--temperature", -1, "--out", "o.npy"), ("temperature", "0 or more")),
        (("generate", "images", "--out", "o.xyz"), ("o.xyz", "'.xyz' is not a known suffix", ".npy")),
        (("generate", "table", "-c", "oak", "--out", "o.png"), ("o.png", "no images", ".csv")),
        (("generate", "nowhere", "--out", "o.npy"), ("nowhere", "is not there", "finished run")),
        (("generate", "m.csv", "--out", "o.npy"), ("m.csv", "is a file", "finished run")),
        (("generate", "images", "--out", "table"), ("table", "not empty")),
        (("generate", "plain", "--out", "o.csv"), ("autoencoder", "no prior", "use vae")),
        (("score", "plain", "m.csv", "--out", "o.csv"), ("autoencoder", "no likelihood bound", "use vae")),
        (("score", "table", "m.csv", "--particles", 0, "--out", "o.csv"), ("particles", "1 or more")),
        (("encode", "table", "m.csv", "--values", "men", "--out", "o.csv"), ("'men'", "mean, spread, sample")),
        (("encode", "images", "digits", "--out", "o.png"), ("o.png", "numbers are no pictures")),
        (("interpolate", "table", "m.csv", "--from", 1, "--to", 99, "--out", "o.csv"), ("--to 99", "rows 1 to 60")),
        (("interpolate", "table", "m.csv", "--from", 1, "--out", "o.csv"), ("--to is missing",)),
        (("interpolate", "table", "m.csv", "--from", "1,2", "--to", 3, "--out", "o.csv"), ("2 start rows", "1 end rows")),
        (("interpolate", "table", "m.csv", "--path", "spheric", "--out", "o.csv"), ("did you mean 'spherical'?",)),
        (("traverse", "images", "--dimensions", 7, "--out", "o.npy"), ("dimension 7", "0..1")),
        (("traverse", "images", "--span", 3, "--out", "o.npy"), ("--span '3'", "pair", "-3,3")),
        (("traverse", "images", "--steps", 1, "--out", "o.npy"), ("steps", "2 or more")),
        (("traverse", "images", "--span", "nan,nan", "--out", "o.npy"), ("--span 'nan,nan'", "finite")),
        (("traverse", "images", "--row", 5, "--out", "o.npy"), ("--row 5", "give DATA")),
        (("generate", "images", "--temperature", "inf", "--out", "o.npy"), ("--temperature 'inf'", "finite")),
        (("augment", "table", "--temperature", "inf", "--out", "o.csv"), ("temperature must be 0 or more and finite, not inf",)),
        (("interpolate", "table", "m.csv", "--seed", -1, "--out", "o.csv"), ("--seed", "greater than or equal to 0")),
        (("generate", "images", "--seed", "99999999999999999999", "--out", "o.npy"), ("--seed", "4294967295")),
        (("evaluate", "table", "--particles", 0), ("particles must be a whole number of 1 or more, not 0",)),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_wrong_words(vae, here, words, names):
    vae.refused(*words, names=names)


def test_a_run_folder_that_holds_another_run(vae, here):
    vae.refused("fit", "digits", "--run", "table", names=("table", "already holds a run", "resume", "replace"))
    (here / "other").mkdir()
    (here / "other" / "thesis.tex").write_text("mine")
    vae.refused("fit", "digits", "--run", "other", names=("other", "holds other files"))
    vae.refused("fit", "digits", "--run", "other", "--replace", names=("other", "holds other files"))
    vae.refused("fit", "digits", "--run", "m.csv", names=("m.csv", "is a file"))
    words = ("fit", "--resume", "--run", "table", "--recipe", "beta_vae")
    vae.refused(*words, names=("--recipe beta_vae would change the run", "its own, vae", "leave it out"))


def test_more_memory_than_there_is(vae, here):
    outcome = vae("interpolate", "table", "m.csv", "--from", 1, "--to", 2, "--steps", 10**14, "--out", "o.csv")
    assert outcome.code == 1 and outcome.error.startswith("vae: error: not enough memory; ") and outcome.error.count("\n") == 1


def test_data_that_has_changed_since_the_run(vae, here):
    run = json.loads((here / "table" / "run.json").read_text())
    run["data"]["source"] = "m.csv"
    (here / "table" / "run.json").write_text(json.dumps(run))
    FRAME.assign(width=0.5).to_csv(here / "m.csv", index=False)
    vae.refused("fit", "--resume", "--run", "table", names=("m.csv", "not the data of this run"))
    (here / "m.csv").unlink()
    vae.refused("fit", "--resume", "--run", "table", names=("m.csv", "is not there"))


def test_weights_with_one_byte_changed(vae, here):
    weights = here / "images" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    vae.refused("generate", "images", "--out", "o.npy", names=("weights.safetensors", "checksum", "nothing was loaded"))


def test_weights_that_are_a_pickle_are_refused_unread(vae, here):
    class Trap:
        def __reduce__(self):
            return (open, (str(here / "trapped"), "w"))

    weights, system = here / "images" / "weights.safetensors", here / "images" / "system.json"
    weights.write_bytes(pickle.dumps(Trap()))
    vae.refused("generate", "images", "--out", "o.npy", names=("weights.safetensors", "checksum"))
    facts = json.loads(system.read_text())
    facts["weights"]["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    system.write_text(json.dumps(facts))
    vae.refused("generate", "images", "--out", "o.npy", names=("weights.safetensors", "not a whole safetensors file", "never loaded"))
    assert not (here / "trapped").exists()


def test_a_system_of_a_newer_format(vae, here):
    system = here / "images" / "system.json"
    system.write_text(json.dumps({**json.loads(system.read_text()), "format": 99}))
    vae.refused("generate", "images", "--out", "o.npy", names=("system.json", "format 99", "upgrade vaekit"))


def test_a_system_of_an_older_format_is_read_where_its_weights_have_their_names(vae, here):
    weights, system = here / "images" / "weights.safetensors", here / "images" / "system.json"
    facts = {**json.loads(system.read_text()), "format": 1}
    system.write_text(json.dumps(facts))
    vae.done("generate", "images", "--out", "o.npy")
    tensors = load_file(weights)
    save_file({f"then.{name}": values for name, values in tensors.items()}, weights)
    facts["weights"]["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    system.write_text(json.dumps(facts))
    vae.refused("generate", "images", "--out", "p.npy", names=("weights.safetensors", "older vaekit", "train it again"))


@pytest.mark.parametrize("part", ["format", "recipe", "arguments", "handed", "modality", "data", "weights"])
def test_a_system_with_a_part_missing_or_changed(vae, here, part):
    system = here / "images" / "system.json"
    facts = json.loads(system.read_text())
    for damaged in ({name: value for name, value in facts.items() if name != part}, {**facts, part: 3.5}):
        system.write_text(json.dumps(damaged))
        vae.refused("generate", "images", "--out", "o.npy", names=("system.json", "train again"))


def test_a_system_that_is_no_json_or_not_there(vae, here):
    system = here / "images" / "system.json"
    system.write_text('{"format": 1')
    vae.refused("generate", "images", "--out", "o.npy", names=("system.json", "not valid JSON", "train again"))
    system.unlink()
    vae.refused("generate", "images", "--out", "o.npy", names=("system.json", "no such file", "finished run"))
