"""Every verb of the command on small real files of every format: from data to a model, and from the model to files again."""

import gzip
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_iris

import vaekit
from vaekit.data import open_records
from vaekit.faces.cli.values import assigned
from vaekit.faces.preparing import sorted_arguments
from vaekit.recipes import RECIPES

IRIS = load_iris(as_frame=True)
DIGITS = load_digits().images[:120].astype(np.uint8) * 15
TABLE = IRIS.data.assign(species=IRIS.target_names[IRIS.target])
QUICK = ("--epochs", 3, "--set", "latent=2", "--set", "hidden=16", "--no-report")


def idx_bytes(images: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([images.ndim]) + struct.pack(f">{images.ndim}I", *images.shape) + images.tobytes()


def write(folder, kind: str) -> str:
    """A data set of this kind in a folder; its name."""
    if kind == "pictures":
        for number, image in enumerate(DIGITS):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(image).save(folder / kind / f"{number:03}.png")
        return kind
    name = f"data.{kind}"
    {
        "csv": lambda: IRIS.data.to_csv(folder / name, index=False),
        "parquet": lambda: IRIS.data.to_parquet(folder / name),
        "npy": lambda: np.save(folder / name, IRIS.data.to_numpy()),
        "npz": lambda: np.savez(folder / name, x=DIGITS),
        "idx.gz": lambda: (folder / name).write_bytes(gzip.compress(idx_bytes(DIGITS))),
    }[kind]()
    return name


OUT = {"csv": "o.csv", "parquet": "o.parquet", "npy": "o.npy", "npz": "o.npz", "idx.gz": "o.idx", "pictures": "o"}


@pytest.mark.parametrize("kind", OUT)
def test_every_verb_on_every_format(vae, tmp_path, kind):
    data = write(tmp_path, kind)
    shape = open_records(tmp_path / data).x.shape[1:]
    columns = open_records(tmp_path / data).columns
    outcome = vae.done("fit", data, *QUICK)
    run = f"runs/{data.split('.')[0]}-vae"
    assert run in outcome.out and (tmp_path / run / "weights.safetensors").is_file()

    def rows(verb, *words, out="o"):
        """What a verb wrote, in the data's own format where `out` has no suffix."""
        written = vae.done(verb, run, *words, "--out", f"{verb}-{out}", "--json").json["out"]
        assert written == f"{verb}-{OUT[kind]}" or "." in out
        return open_records(tmp_path / written)

    made = rows("generate", "-n", 12)
    assert made.x.shape == (12, *shape) and made.columns == columns
    total = len(open_records(tmp_path / data).x)
    for verb in ("reconstruct", "denoise"):
        found = rows(verb, data)
        assert found.x.shape == (total, *shape) and found.columns == columns
    assert rows("encode", data, out="o.npy").x.shape == (total, 2)
    scores = np.load(tmp_path / vae.done("score", run, data, "--out", "s.npy", "--json").json["out"])
    assert scores.shape == (total,) and np.isfinite(scores).all()
    table = pd.read_csv(tmp_path / vae.done("traverse", run, "--steps", 5, "--out", "t.csv", "--json").json["out"])
    assert len(table) == 10 and set(table["dimension"]) == {0, 1} and set(table["step"]) == {1, 2, 3, 4, 5}
    second = vae.done("traverse", run, "--steps", 5, "--dimensions", "1", "--out", "second.csv", "--json").json["out"]
    assert set(pd.read_csv(tmp_path / second)["dimension"]) == {1}
    ways = vae.done("interpolate", run, data, "--from", "1,2", "--to", "3,4", "--steps", 5, "--out", "i.npy", "--json").json["out"]
    assert np.load(tmp_path / ways).shape == (2, 5, *shape)
    ways = vae.done("interpolate", run, data, "--from", "1,2", "--to", "3,4", "--steps", 5, "--out", "i.csv", "--json").json["out"]
    assert pd.read_csv(tmp_path / ways)[["way", "step"]].to_numpy().tolist() == [[way, step] for way in (1, 2) for step in range(1, 6)]


def test_what_a_row_was_made_under_stands_beside_it_where_the_format_has_room(vae, tmp_path):
    np.savez(tmp_path / "d.npz", x=DIGITS, label=np.arange(len(DIGITS)) % 3)
    vae.done("fit", "d.npz", *QUICK, "--condition", "label", "--run", "r")
    vae.done("generate", "r", "-n", 3, "--condition", "label=2", "--out", "g.npz")
    vae.done("reconstruct", "r", "d.npz", "--out", "c.npz")
    with np.load("g.npz", allow_pickle=False) as made, np.load("c.npz", allow_pickle=False) as rebuilt:
        assert set(made) == {"x", "label"} and made["label"].astype(int).tolist() == [2, 2, 2]
        assert rebuilt["x"].shape == DIGITS.shape and rebuilt["label"].astype(int).tolist() == [i % 3 for i in range(len(DIGITS))]
    assert vae.done("encode", "r", "g.npz", "--out", "z.npy", "--json").json["rows"] == 3


def test_what_is_written_is_what_the_python_face_gives(vae, tmp_path):
    data = write(tmp_path, "csv")
    vae.done("fit", data, *QUICK, "--run", "r")
    model = vaekit.load(tmp_path / "r")
    vae.done("generate", "r", "-n", 5, "--seed", 3, "--out", "g.csv")
    np.testing.assert_allclose(pd.read_csv("g.csv").to_numpy(), model.generate(5, seed=3), rtol=1e-6)
    vae.done("encode", "r", data, "--values", "mean,spread,sample", "--seed", 3, "--out", "e.parquet")
    found, expected = pd.read_parquet("e.parquet"), model.encode(tmp_path / data, seed=3)
    assert list(found.columns) == ["mean_0", "mean_1", "spread_0", "spread_1", "sample_0", "sample_1"]
    np.testing.assert_allclose(found.to_numpy(), np.hstack([expected.mean, expected.spread, expected.sample]), rtol=1e-5, atol=1e-6)
    answer = vae.done("score", "r", data, "--particles", 8, "--out", "s.csv", "--json").json
    found, expected = pd.read_csv("s.csv"), model.score(tmp_path / data, particles=8)
    assert list(found.columns) == ["nats", "bits_per_dimension", "distortion", "rate"]
    np.testing.assert_allclose(found["nats"], expected.nats, rtol=1e-5)
    assert answer["rows"] == 150 and answer["mean_nats"] == pytest.approx(expected.nats.mean(), rel=1e-5)
    # The rows of a later chunk are none that another seed begins with.
    vae.done("generate", "r", "-n", 65536 + 4, "--out", "many.npy")
    vae.done("generate", "r", "-n", 4, "--seed", 1, "--out", "few.npy")
    assert not np.isclose(np.load("many.npy")[65536:], np.load("few.npy")).all()


def test_sheets_of_pictures(vae, tmp_path):
    data = write(tmp_path, "idx.gz")
    vae.done("fit", data, *QUICK, "--run", "r")
    for verb, words, shape in (
        ("generate", ("-n", 10), (3, 4)), ("traverse", ("--steps", 5), (2, 5)), ("reconstruct", (data,), (16, 16)),
        ("interpolate", (data, "--steps", 6, "--from", "1,2", "--to", "3,4"), (2, 6)),
    ):
        vae.done(verb, "r", *words, "--out", f"{verb}.png")
        side = 8 * 7 + 2
        assert Image.open(tmp_path / f"{verb}.png").size == (shape[1] * side + 2, shape[0] * side + 2)
    # Fewer rows than stand in a line of the sheet: each original is still over what was made of it.
    np.savez(tmp_path / "few.npz", x=DIGITS[:5])
    vae.done("reconstruct", "r", "few.npz", "--out", "few.png")
    vae.done("reconstruct", "r", "few.npz", "--out", "few.npy")
    sheet = np.asarray(Image.open(tmp_path / "few.png"))
    assert sheet.shape == (2 * side + 2, 16 * side + 2)
    for line, images in enumerate((DIGITS[:5], np.load("few.npy"))):
        tiles = [sheet[line * side + 2 : (line + 1) * side : 7, place * side + 2 : (place + 1) * side : 7] for place in range(5)]
        np.testing.assert_array_equal(tiles, images)


def test_a_condition_steers(vae, tmp_path):
    TABLE.to_csv(tmp_path / "iris.csv", index=False)
    told = ("--epochs", 60, "--set", "batch=24", "--set", "latent=2", "--set", "hidden=32", "--set", "rate=3e-3")
    vae.done("fit", "iris.csv", "--condition", "species", *told, "--no-report", "--run", "r")
    means = {}
    for words in (("-c", "setosa"), ("-c", "species=virginica")):
        vae.done("generate", "r", "-n", 200, *words, "--out", "g.csv")
        made = pd.read_csv("g.csv")
        assert set(made["species"]) == {words[1].split("=")[-1]}
        means[words[1]] = made["petal length (cm)"].mean()
    assert means["setosa"] < 2.8 < 4.2 < means["species=virginica"]
    # What the rows are is read from their own column, or told for all of them.
    vae.done("score", "r", "iris.csv", "--out", "own.csv")
    TABLE.drop(columns="species").to_csv(tmp_path / "unnamed.csv", index=False)
    vae.done("score", "r", "unnamed.csv", "-c", "setosa", "--out", "told.csv")
    own, told = pd.read_csv("own.csv")["nats"], pd.read_csv("told.csv")["nats"]
    np.testing.assert_allclose(own[:50], told[:50], rtol=1e-5)
    assert (own[50:] - told[50:]).mean() > 1


def test_labels_are_measured_with_and_never_learnt_from(vae, tmp_path):
    TABLE.to_csv(tmp_path / "iris.csv", index=False)
    report = vae.done("fit", "iris.csv", "--labels", "species", "--epochs", 20, "--set", "latent=2", "--set", "hidden=16", "--json").json
    assert report["representation"]["figures"] and report["verdict"]["name"]
    metrics = json.loads((tmp_path / "runs/iris-vae/metrics.json").read_text())
    assert metrics["verdict"] == report["verdict"]
    page = (tmp_path / "runs/iris-vae/report.html").read_text()
    assert report["verdict"]["name"] in page and "http-equiv" not in page and 'src="http' not in page
    # The label's column is passed over where it is there, and not missed where it is not.
    vae.done("encode", "runs/iris-vae", "iris.csv", "--out", "with.npy")
    TABLE.drop(columns="species").to_csv(tmp_path / "x.csv", index=False)
    vae.done("encode", "runs/iris-vae", "x.csv", "--out", "without.npy")
    np.testing.assert_array_equal(np.load("with.npy"), np.load("without.npy"))
    again = vae.done("evaluate", "runs/iris-vae", "--out", "again", "--json").json
    assert again["likelihood"] == report["likelihood"] and (tmp_path / "again" / "report.html").is_file()
    # A model that was saved without its history is measured as well.
    (tmp_path / "runs/iris-vae/history.json").unlink()
    told = vae.done("evaluate", "runs/iris-vae", "x.csv").out
    assert "training        unknown: the model was saved without its history" in told
    assert told.startswith("vae on iris.csv:") and (tmp_path / "runs/iris-vae/x/report.html").is_file()


def test_the_lines_after_training_say_what_matters(vae, tmp_path):
    data = write(tmp_path, "csv")
    outcome = vae.done("fit", data, "--epochs", 5, "--set", "latent=2", "--set", "hidden=16")
    lines = outcome.out.splitlines()
    assert 7 <= len(lines) <= 10
    assert lines[0].startswith("vae on data.csv: ")
    for word in ("150 rows of 4 columns", "normal", "5 epochs", "-log p(x)", "autoencoder", "report.html", "vae generate runs/data-vae"):
        assert any(word in line for line in lines), word
    # Without a terminal, progress is a quiet line on standard error.
    assert re.search(r"100%  epoch 5.0  distortion .* \+ rate .* nats  held-out", outcome.error)


def test_replace_and_resume(vae, tmp_path):
    data = write(tmp_path, "csv")
    vae.done("fit", data, *QUICK, "--run", "r")
    weights = (tmp_path / "r/weights.safetensors").read_bytes()
    (tmp_path / "r/old").write_text("of the old run")
    vae.done("fit", data, *QUICK, "--run", "r", "--replace")
    assert (tmp_path / "r/weights.safetensors").read_bytes() == weights and not (tmp_path / "r/old").exists()
    # A run that is finished has nothing to go on with: it ends where it was.
    vae.done("fit", "--resume", "--run", "r", "--no-report")
    assert (tmp_path / "r/weights.safetensors").read_bytes() == weights
    vae.done("fit", data, *QUICK)
    vae.done("fit", data, "--resume", "--no-report")


def test_set_reaches_recipe_data_and_training(vae, tmp_path):
    data = write(tmp_path, "csv")
    told = [
        "latent=3", "hidden=16,8", "beta.recipe=linear", 'beta.arguments={"until": 0.5}', "likelihood=student_t", "batch=32",
        "validation=0.2",
    ]
    words = [word for text in told for word in ("--set", text)]
    vae.done("fit", data, "--epochs", 2, "--seed", 5, "--no-report", "--run", "r", *words)
    system = json.loads((tmp_path / "r/system.json").read_text())
    assert system["arguments"] == {"latent": 3, "hidden": [16, 8], "beta": {"recipe": "linear", "arguments": {"until": 0.5}}}
    assert system["modality"]["arguments"]["likelihood"] == "student_t"
    settings = system["data"]["settings"]
    assert (settings["batch"], settings["seed"], settings["epochs"], system["data"]["validation"]) == (32, 5, 2, 0.2)


def test_recipes_are_trained_and_set_side_by_side(vae, tmp_path):
    IRIS.data.to_csv(tmp_path / "iris.csv", index=False)
    outcome = vae.done("compare", "--recipes", "vae,autoencoder", "iris.csv", *QUICK[:-1], "--particles", 5)
    page = tmp_path / "runs" / "iris-comparison" / "comparison.html"
    assert "mean squared error" in outcome.out and "comparison.html" in outcome.out and "autoencoder" in page.read_text()
    again = vae.done("compare", page.parent / "vae", page.parent / "autoencoder", "--particles", 5, "--json")
    assert json.loads(again.out)["runs"] == ["vae", "autoencoder"]


@pytest.mark.parametrize("recipe", ["autoencoder", "beta_vae", "annealed_vae", "miwae", "denoising_vae", "factor_vae"])
def test_every_recipe_fits_and_is_described(vae, tmp_path, recipe):
    data = write(tmp_path, "csv")
    vae.done("fit", data, *QUICK, "--recipe", recipe, "--run", "r")
    words = vae.done("describe", "r").out
    assert recipe in words and "encoder" in words and max(map(len, words.splitlines())) <= 100
    drawn = vae.done("describe", recipe, "--out", "f.svg", "--json").json
    assert drawn["out"] == "f.svg" and (tmp_path / "f.svg").read_text().lstrip().startswith("<svg")
    assert recipe in vae.done("recipes").out and recipe in vae.done("recipes", "--json").json["recipes"]
    assert "latent=16" in vae.done("recipes", recipe).out


@pytest.mark.parametrize("recipe", RECIPES)
def test_all_that_can_be_set_is_told(vae, recipe):
    outcome = vae.done("recipes", recipe)
    groups = vae.done("recipes", recipe, "--json").json["options"]
    assert list(groups) == ["recipe", "network", "data", "training"] and max(map(len, outcome.out.splitlines())) <= 100
    for options in groups.values():
        for option in options:
            assert option["meaning"] and re.search(rf"^  {option['name']}\b", outcome.out, re.MULTILINE), option
    named = {option["name"] for options in groups.values() for option in options}
    assert {"latent", "likelihood", "hidden", "channels", "binarise", "gaps", "validation", "test", "kind", "epochs", "rate"} <= named
    assert "reader" not in named and len(named) == sum(map(len, groups.values()))
    # What is told as a default is taken as it is told.
    defaults = assigned(re.findall(r"^  (\w+=\S+)", outcome.out, re.MULTILINE))
    assert len(defaults) > 20
    sorted_arguments(recipe, "auto", {name: value for name, value in defaults.items() if name not in ("kind", "validation", "test")})


def test_upper_latents_are_kept_and_each_has_its_temperature(vae, tmp_path):
    data = write(tmp_path, "npz")
    vae.done("fit", data, "--recipe", "ladder_vae", "--set", "levels=2", "--run", "r", *QUICK)
    vae.done("redraw", "r", data, "--keep", 1, "--temperature", 0.7, "--out", "o.npy")
    vae.done("generate", "r", "-n", 4, "--temperature", "1,0.5", "--out", "n.npy")
    assert np.load(tmp_path / "o.npy").shape == DIGITS.shape and np.load(tmp_path / "n.npy").shape == (4, 8, 8)
    # Rows of one value that lie in different chunks are drawn anew each in its own way.
    np.save(tmp_path / "same.npy", DIGITS[:1].repeat(65536 + 64, axis=0))
    vae.done("redraw", "r", "same.npy", "--out", "anew.npy")
    made = np.load(tmp_path / "anew.npy")
    assert not (made[65536:] == made[:64]).all()
    for words, told in ((("--keep", 2), "keep must be from 1 to 1"), (("--temperature", "1,hot"), "not a list of numbers")):
        vae.refused("redraw", "r", data, *words, "--out", "p.npy", names=(told,))


@pytest.mark.parametrize("kind", ["csv", "npz", "idx.gz", "pictures"])
def test_classes_are_learnt_from_labels_that_are_partly_missing(vae, tmp_path, kind):
    data, labels = write(tmp_path, kind), "labels.txt"
    rows = open_records(tmp_path / data).rows
    told = ["" if row % 2 else f"class {row // 2 % 3}" for row in range(rows)]
    (tmp_path / labels).write_text("\n".join(told) + "\n")
    vae.done("fit", data, *QUICK, "--recipe", "m2", "--labels", labels, "--run", "r")
    found = vae.done("predict", "r", data, "--out", "p.csv", "--json").json
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table) == ["p_class 0", "p_class 1", "p_class 2", "label"] and len(table) == rows == sum(found["classes"].values())
    out = vae.done("augment", "r", "-n", 7, "--out", OUT[kind], "--json").json
    if kind == "csv":
        assert pd.read_csv(tmp_path / OUT[kind]).label.tolist() == [f"class {i % 3}" for i in range(7)]
    made = open_records(tmp_path / OUT[kind], None if kind == "npz" else out["labels"] if kind == "csv" else tmp_path / out["labels"])
    assert made.rows == 7 and made.classes == ("class 0", "class 1", "class 2") and made.label.tolist() == [0, 1, 2, 0, 1, 2, 0]
    vae.done("generate", "r", "-n", 3, "--label", "class 1", "--out", "g.npy")
    vae.refused("generate", "r", "-n", 3, "--label", "clas 1", "--out", "g2.npy", names=("did you mean 'class 1'",))


@pytest.mark.parametrize(("lines", "words"), [
    (["a", "b"], "2 values, but"), (["a"] * 150, "all labels are 'a'"), ([""] * 150, "no row has one"),
])
def test_labels_that_do_not_fit_are_refused_in_one_line(vae, tmp_path, lines, words):
    data = write(tmp_path, "csv")
    (tmp_path / "labels.txt").write_text("\n".join(lines) + "\n")
    vae.refused("fit", data, *QUICK, "--recipe", "m1_m2", "--labels", "labels.txt", "--run", "r", names=(words,))


def test_help_and_version(vae):
    text = vae.done("--help").out
    using = "generate augment predict reconstruct redraw encode score interpolate traverse edit denoise"
    verbs = f"fit evaluate compare disentanglement {using} recipes describe".split()
    for verb in verbs:
        told = vae.done(verb, "--help").out
        assert verb in text and "Usage: vae" in told and "[[" not in told
    assert vae.done("--version").out == f"vaekit {vaekit.__version__}\n"


def command(folder, *words, **options):
    """The command in a process of its own."""
    call = "import sys; from vaekit.faces.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", call, *map(str, words)]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_help_imports_nothing_heavy(tmp_path):
    call = "import sys; from vaekit.faces.cli import main; code = main(['--help']); print(*sys.modules); sys.exit(code)"
    ran = subprocess.run([sys.executable, "-c", call], cwd=tmp_path, capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "pandas", "sklearn", "matplotlib", "pyarrow", "scipy", "pydantic", "lightning_fabric", "PIL"}
    assert not heavy & set(ran.stdout.splitlines()[-1].split())


def test_interrupted_and_resumed_ends_like_an_uninterrupted_run(vae, tmp_path):
    data = write(tmp_path, "csv")
    told = ("--epochs", 400, "--set", "latent=2", "--set", "hidden=16", "--set", "validations=40", "--no-report")
    vae.done("fit", data, *told, "--run", "whole")
    process = command(tmp_path, "fit", data, *told, "--run", "r", env={**os.environ, "OMP_NUM_THREADS": "1"})
    checkpoint = tmp_path / "r/checkpoint.safetensors"
    until = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    last = error.splitlines()[-1]
    assert last.startswith("vae: interrupted") and "vae fit --resume --run r" in last and "Traceback" not in error and not out
    assert not (tmp_path / "r/weights.safetensors").exists()
    vae.refused("score", "r", data, "--out", "s.csv", names=("holds a run that was stopped", "vae fit --resume --run r"))
    vae.done("fit", "--resume", "--run", "r", "--no-report")
    assert (tmp_path / "r/weights.safetensors").read_bytes() == (tmp_path / "whole/weights.safetensors").read_bytes()


def test_a_run_that_is_to_be_replaced_and_was_not_begun_is_not_said_to_be_saved(vae, tmp_path, monkeypatch):
    data = write(tmp_path, "csv")
    vae.done("fit", data, *QUICK, "--no-report", "--run", "r")
    kept = (tmp_path / "r/weights.safetensors").read_bytes()

    def stopped(*given, **named):
        raise KeyboardInterrupt

    # No signal can be sent so that it surely arrives while rows are read.
    monkeypatch.setattr("vaekit.faces.api.open_records", stopped)
    ran = vae("fit", data, *QUICK, "--no-report", "--run", "r", "--replace")
    assert ran.code == 130 and "before training began; nothing was written" in ran.error
    assert (tmp_path / "r/weights.safetensors").read_bytes() == kept
