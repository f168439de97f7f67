"""Every column comes back in the type it came in: from files, frames and arrays, before a system is saved and after."""

import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import vaekit as vk
from vaekit.modalities.affine import Affine

RNG = np.random.default_rng(0)
TINY = {"epochs": 2, "latent": 2, "hidden": [8], "validations": 1, "progress": False}
# Draws of a normal law fall between whole numbers, and outside of bool and uint8.
TABLE = pd.DataFrame({
    "smoker": RNG.random(80) < 0.4,
    "visits": RNG.integers(-5, 900, 80),
    "age": RNG.integers(0, 256, 80).astype(np.uint8),
    "height": RNG.normal(1.7, 0.1, 80),
    "dose": RNG.normal(0, 30, 80).astype(np.float32),
})
OF_A_CSV = {"smoker": "bool", "visits": "int64", "age": "int64", "height": "float64", "dose": "float64"}
OWN = {name: str(kind) for name, kind in TABLE.dtypes.items()}


def types(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(kind) for name, kind in frame.dtypes.items()}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_come_back_with_the_types_of_their_columns(vae, suffix):
    write, read = (TABLE.to_csv, pd.read_csv) if suffix == "csv" else (TABLE.to_parquet, pd.read_parquet)
    write(f"data.{suffix}", index=False)
    wanted = OF_A_CSV if suffix == "csv" else OWN
    vae.done("fit", f"data.{suffix}", "--run", "r", "--epochs", 2, "--set", "latent=2", "--set", "hidden=8")
    vae.done("generate", "r", "-n", 300, "--out", f"new.{suffix}")
    vae.done("reconstruct", "r", f"data.{suffix}", "--out", f"same.{suffix}")
    for made, rows in ((read(f"new.{suffix}"), 300), (read(f"same.{suffix}"), 80)):
        assert len(made) == rows and types(made) == wanted
    vae.done("generate", "r", "-n", 3, "--out", "across.parquet")
    assert types(pd.read_parquet("across.parquet")) == wanted


def test_columns_of_floats_that_hold_whole_numbers_stay_floats_in_a_file(vae):
    TABLE[["height", "dose"]].round().to_parquet("data.parquet", index=False)
    vae.done("fit", "data.parquet", "--run", "r", "--epochs", 1, "--set", "latent=2", "--set", "hidden=8")
    vae.done("generate", "r", "-n", 3, "--out", "new.parquet")
    assert list(types(pd.read_parquet("new.parquet")).values()) == ["float64", "float32"]


def test_a_frame_comes_back_as_a_frame(tmp_path):
    frame = TABLE.set_index(np.arange(80) + 1000)
    fitted = vk.fit(frame, **TINY)
    fitted.save(tmp_path / "m")
    for model in (fitted, vk.load(tmp_path / "m")):
        new, same = model.generate(500, seed=1), model.reconstruct(frame)
        for made in (new, same, model.denoise(frame, draws=2), model.decode(np.zeros((4, 2)))):
            assert isinstance(made, pd.DataFrame) and types(made) == OWN
        assert same.index.equals(frame.index) and list(new.index) == list(range(500))
    pd.testing.assert_frame_equal(fitted.generate(5, seed=3), vk.load(tmp_path / "m").generate(5, seed=3))
    assert new["smoker"].nunique() == 2 and new["age"].nunique() > 50, "the columns vary within their types"


def test_a_polars_frame_comes_back_as_one(tmp_path):
    frame = pl.from_pandas(TABLE)
    fitted = vk.fit(frame, **TINY)
    fitted.save(tmp_path / "m")
    for model in (fitted, vk.load(tmp_path / "m")):
        assert model.generate(5).schema == frame.schema == model.reconstruct(frame).schema


def test_columns_in_another_order_keep_their_types():
    fitted = vk.fit(TABLE, **TINY)
    assert types(fitted.reconstruct(TABLE[list(TABLE)[::-1]])) == OWN


@pytest.mark.parametrize("kind", ["bool", "int8", "uint8", "int64", "uint64", "float16", "float32", "float64", ">i4", ">f8"])
def test_an_array_comes_back_in_its_type(tmp_path, kind):
    values = RNG.random((60, 3)) < 0.5 if kind == "bool" else RNG.integers(0, 120, (60, 3)).astype(kind)
    np.save(tmp_path / "data.npy", values)
    for data in (values, tmp_path / "data.npy"):
        fitted = vk.fit(data, likelihood="bernoulli" if kind == "bool" else "normal", **TINY)
        wanted = np.dtype(kind).newbyteorder("=")
        assert fitted.generate(20).dtype == wanted == fitted.reconstruct(data).dtype


def test_what_lies_outside_of_a_type_is_brought_to_its_edge():
    import torch

    dtypes = ("bool", "uint8", "int64", "uint64", "float32")
    adapter = Affine().fit(np.zeros((2, 5)), dtypes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = adapter.to_raw(torch.tensor([[-9.0, -9, -1e30, -1, -1e38], [0.6, 2.5, 0.5, 1e30, 0.25], [9, 300, 1e30, 3.6, 1e38]]))
    assert raw.dtype == np.float64
    columns = {kind: raw[:, i].astype(kind).tolist() for i, kind in enumerate(dtypes)}
    assert columns["bool"] == [False, True, True] and columns["uint8"] == [0, 2, 255]
    limits = np.iinfo(np.int64)
    low, middle, high = columns["int64"]
    assert (low, middle) == (limits.min, 0) and limits.max - 1024 < high <= limits.max
    assert columns["uint64"][0] == 0 and columns["uint64"][1] > 2**64 - 4096 and columns["uint64"][2] == 4
    np.testing.assert_allclose(columns["float32"], [-1e38, 0.25, 1e38], rtol=1e-6)


def test_a_system_without_its_types_is_loaded_and_gives_one_type_for_all(tmp_path):
    vk.fit(TABLE, **TINY).save(tmp_path / "m")
    file = tmp_path / "m" / "system.json"
    facts = json.loads(file.read_text())
    assert facts["modality"]["state"]["adapter"].pop("dtypes") == facts["data"].pop("dtypes") == list(OWN.values())
    file.write_text(json.dumps(facts))
    assert set(types(vk.load(tmp_path / "m").generate(5)).values()) == {"float64"}


def test_a_frame_whose_names_are_numbers_comes_back_with_them():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)))
    fitted = vk.fit(frame, epochs=1, latent=2, hidden=[8], validations=1, progress=False)
    away = frame - fitted.reconstruct(frame)
    assert list(away.columns) == [0, 1, 2] and away.notna().all().all()
