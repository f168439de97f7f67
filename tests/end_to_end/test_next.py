"""What `vae fit` says to do next can be done: each line runs as it stands."""

import shlex

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from vaekit.data import open_records

RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame(RANDOM.normal(size=(60, 3)), columns=["height", "width", "depth"])
TOLD = TABLE.assign(**{"tree kind": np.where(RANDOM.random(60) < 0.5, "old oak", "elm"), "age": RANDOM.normal(40, 3, size=60)})
QUICK = ("--epochs", 2, "--set", "latent=2", "--set", "hidden=8", "--no-report")


def write(folder):
    TABLE.to_csv(folder / "my table.csv", index=False)
    TOLD.to_csv(folder / "trees.csv", index=False)
    TOLD[["age"]].to_csv(folder / "ages.csv", index=False)
    np.savez(folder / "digits.npz", x=load_digits().images[:60].astype(np.uint8), label=load_digits().target[:60])


@pytest.mark.parametrize("recipe", ["vae", "autoencoder"])
@pytest.mark.parametrize(("data", "words"), [
    ("my table.csv", ()),
    ("trees.csv", ("--condition", "tree kind", "--condition", "age")),
    ("trees.csv", ("--condition", "age", "--labels", "tree kind")),
    ("my table.csv", ("--condition", "ages.csv")),
    ("digits.npz", ("--condition", "label")),
    ("digits", ()),
])
def test_the_next_line_runs_as_it_stands(vae, tmp_path, recipe, data, words):
    write(tmp_path)
    lines = vae.done("fit", data, "--recipe", recipe, *QUICK, "--run", "a run", *words).out.splitlines()
    commands = [line.removeprefix("next").strip() for line in lines if line.startswith("next")]
    assert len(commands) == 1 and commands[0].startswith("vae ")
    written = vae.done(*shlex.split(commands[0])[1:], "--json").json
    rows = len(TABLE) if data != "digits" else 1797
    assert written["rows"] == (100 if recipe == "vae" else rows)
    out = tmp_path / written["out"]
    assert len(pd.read_csv(out) if out.suffix == ".csv" else open_records(out).x) == written["rows"]
