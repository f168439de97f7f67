"""What is read is never written over: every verb that writes refuses, before any work, and leaves the folder as it was."""

import inspect
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import vaekit
from vaekit.faces.cli.app import app

ROWS = np.random.default_rng(0).normal(size=(60, 3))

# Each with the argument that names what is written over.
READING = [
    ("reconstruct", "R", "new.csv"), ("redraw", "R", "new.csv"), ("encode", "R", "new.csv"), ("score", "R", "new.csv"),
    ("predict", "R", "new.csv"), ("interpolate", "R", "new.csv"), ("denoise", "R", "new.csv"), ("traverse", "R", "--data", "new.csv"),
    ("edit", "R", "rows.csv", "--labels", "new.csv"), ("edit", "R", "rows.csv", "--to", "new.csv"),
    ("score", "R", "rows.csv", "--condition", "new.csv"), ("generate", "R", "--condition", "new.csv"),
    ("disentanglement", "R", "rows.csv", "--factors", "new.csv"), ("evaluate", "R", "new.csv"), ("compare", "R", "--data", "new.csv"),
    ("compare", "new.csv", "--recipes", "vae"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of a table, the table, and new rows."""
    folder = tmp_path_factory.mktemp("apart")
    table = pd.DataFrame(ROWS, columns=["u", "v", "w"])
    table.to_csv(folder / "rows.csv", index=False)
    table[:20].to_csv(folder / "new.csv", index=False)
    vaekit.fit(folder / "rows.csv", latent=2, hidden=[8], epochs=1, progress=False, run=folder / "R")
    return folder


@pytest.fixture
def place(trained, tmp_path):
    """A copy of all of it."""
    return shutil.copytree(trained, tmp_path, dirs_exist_ok=True)


def test_every_verb_that_writes_is_looked_at():
    taking = {c.callback.__name__ for c in app.registered_commands if "out" in inspect.signature(c.callback).parameters}
    # Neither has a file to read beside the run.
    assert taking - {"augment", "describe"} == {words[0] for words in READING}


@pytest.mark.parametrize("words", READING, ids=" ".join)
@pytest.mark.parametrize("way", ["itself", "another spelling", "a symbolic link", "a hard link"])
def test_a_verb_does_not_write_over_what_it_reads(vae, place, words, way):
    words = [word for word in words if word != "--data"] if words[0] == "traverse" else list(words)
    out = {"itself": "new.csv", "another spelling": str(place / "R" / ".." / "new.csv")}.get(way, "other.csv")
    if way == "a symbolic link":
        (place / "other.csv").symlink_to("new.csv")
    if way == "a hard link":
        os.link(place / "new.csv", place / "other.csv")
    vae.refused(*words, "--out", out, names=("--out", "new.csv", "which is read", "another path"))


def test_a_suffix_that_is_added_is_seen(vae, place):
    vae.refused("score", "R", "new.csv", "--out", "new", names=("--out new", "new.csv", "which is read"))


def test_a_picture_of_the_folder_that_is_read(vae, place):
    (place / "faces").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(place / "faces" / "1.png")
    vae.refused("reconstruct", "R", "faces", "--out", "faces/1.png", names=("--out faces/1.png", "which is read"))


def test_the_model_itself(vae, place):
    words = ("disentanglement", "R", "rows.csv", "--factors", "new.csv", "--out", "R/system.json")
    vae.refused(*words, names=("R/system.json", "which is read"))


def test_a_run_that_holds_its_data_is_not_replaced(vae, place):
    shutil.copy(place / "rows.csv", place / "R" / "rows.csv")
    words = ("fit", "R/rows.csv", "--run", "R", "--replace", "--epochs", 1, "--no-report")
    vae.refused(*words, names=("R", "rows.csv", "which is read", "another run"))


def test_another_file_is_written_over(vae, place):
    for _ in range(2):
        vae.done("score", "R", "new.csv", "--out", "scores.csv")
    vae.done("encode", "R", "new.csv", "--out", "scores.csv")
    assert list(pd.read_csv(place / "scores.csv").columns) == ["mean_0", "mean_1"]
