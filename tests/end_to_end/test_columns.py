"""What a written column is called, and that what a model was told of a row is written beside it, so that it can be read again."""

import numpy as np
import pandas as pd
import pytest

import vaekit

SMALL = {"latent": 2, "hidden": [8], "epochs": 1, "progress": False}


@pytest.fixture
def table(tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 2))
    frame = pd.DataFrame(rows, columns=["u", "v"]).assign(kind=np.repeat(["red", "blue"], 30))
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_rows_of_a_conditional_model_are_written_with_their_condition(vae, table, tmp_path):
    vaekit.fit(table, condition="kind", run=tmp_path / "c", **SMALL)
    given = pd.read_csv(table)
    vae.done("reconstruct", "c", "t.csv", "--out", "o.csv")
    made = pd.read_csv(tmp_path / "o.csv")
    assert list(made.columns) == ["u", "v", "kind"] and (made.kind == given.kind).all()
    vae.done("score", "c", "o.csv", "--out", "s.csv")
    vae.done("augment", "c", "-n", 4, "--out", "a.csv")
    assert list(pd.read_csv(tmp_path / "a.csv").kind) == ["blue", "red"] * 2
    vae.done("score", "c", "a.csv", "--out", "s.csv")
    vae.refused("generate", "c", "-n", 2, "--label", "red", "--out", "g.csv", names=("knows no classes", "--condition kind=VALUE"))


def test_latents_are_named_by_their_site_and_classes_by_their_names(vae, table, tmp_path):
    vaekit.fit(table, "m2", labels="kind", run=tmp_path / "m", **SMALL)
    vae.done("encode", "m", "t.csv", "--values", "mean,spread", "--out", "z.csv")
    names = ["y_blue", "y_red", "z_0", "z_1"]
    found = pd.read_csv(tmp_path / "z.csv")
    assert list(found.columns) == [f"{part}_{name}" for part in ("mean", "spread") for name in names]
    assert set(found.mean_y_blue + found.mean_y_red) == {1.0}
    vae.done("generate", "m", "-n", 3, "--label", "red", "--out", "g.csv")
    assert list(pd.read_csv(tmp_path / "g.csv").kind) == ["red"] * 3
    # Where the format has no room for classes, each file has a file of its own beside it.
    (tmp_path / "g-labels.txt").write_text("mine")
    vae.done("augment", "m", "-n", 2, "--out", "g.v2.npy")
    assert (tmp_path / "g.v2-labels.txt").read_text().split() == ["blue", "red"] and (tmp_path / "g-labels.txt").read_text() == "mine"


def test_classes_are_written_under_the_name_and_as_the_numbers_that_the_data_have(vae, table, tmp_path):
    frame = pd.read_csv(table).drop(columns="kind")
    frame["class id"] = np.arange(60) % 3
    frame.to_parquet(tmp_path / "t.parquet")
    vaekit.fit(tmp_path / "t.parquet", "m2", labels="class id", run=tmp_path / "m", **SMALL)
    vae.done("augment", "m", "-n", 4, "--out", "a.parquet")
    vae.done("generate", "m", "-n", 2, "--label", 2, "--out", "g.parquet")
    vae.done("predict", "m", "a.parquet", "--out", "p.parquet")
    made, drawn, told = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in "agp")
    assert made["class id"].tolist() == [0, 1, 2, 0] and drawn["class id"].tolist() == [2, 2] and set(told.label) <= {0, 1, 2}


def test_a_condition_is_written_as_the_data_have_it(vae, table, tmp_path):
    told = {"town": np.tile(["Paris, TX", "007"], 30), "floor": np.arange(60) % 3, "age": np.linspace(20.0, 60.0, 60)}
    pd.read_csv(table).drop(columns="kind").assign(**told).to_parquet(tmp_path / "t.parquet")
    vaekit.fit(tmp_path / "t.parquet", condition=list(told), run=tmp_path / "c", **SMALL)
    for town in ("Paris, TX", "007"):
        vae.done("generate", "c", "-n", 2, "-c", f"town={town}", "-c", "floor=2", "-c", "age=30", "--out", "g.parquet")
        made = pd.read_parquet(tmp_path / "g.parquet")
        assert made[list(told)].to_dict("list") == {"town": [town] * 2, "floor": [2] * 2, "age": [30.0] * 2}
    vae.done("score", "c", "g.parquet", "--out", "s.csv")


def test_a_condition_keeps_its_type_beside_what_was_made_of_the_rows(vae, table, tmp_path):
    told = {"site": np.arange(60) % 3 + 1, "dose": np.linspace(0.5, 2, 60)}
    frame = pd.read_csv(table).drop(columns="kind").assign(**told)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    vaekit.fit(tmp_path / "t.parquet", condition=list(told), run=tmp_path / "d", **SMALL)
    for source in ("t.parquet", "t.csv"):
        vae.done("reconstruct", tmp_path / "d", tmp_path / source, "--out", tmp_path / "r.parquet")
        made = pd.read_parquet(tmp_path / "r.parquet")
        assert made["site"].dtype == np.int64 and made["site"].tolist() == told["site"].tolist()
        np.testing.assert_allclose(made["dose"], told["dose"])
