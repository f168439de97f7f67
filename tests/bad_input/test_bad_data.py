"""Data that nothing can be learnt from: one line that says what, where and what to do, and nothing is written."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

GOOD = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["height", "width", "depth"])


def pictures(folder, sizes):
    folder.mkdir()
    for number, size in enumerate(sizes):
        pixels = np.random.default_rng(number).integers(0, 255, size, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def test_a_missing_path(vae, tmp_path):
    GOOD.to_csv(tmp_path / "measurements.csv", index=False)
    vae.refused("fit", "mesurements.csv", names=("mesurements.csv", "is not there", "did you mean 'measurements.csv'?"))
    vae.refused("fit", "minst", names=("minst", "did you mean 'mnist'?"))


def test_no_data_at_all(vae):
    vae.refused("fit", names=("give DATA", "digits"))


@pytest.mark.parametrize("name", ["empty.csv", "empty.npy", "empty.npz", "empty.parquet", "empty.idx"])
def test_an_empty_file(vae, tmp_path, name):
    (tmp_path / name).touch()
    vae.refused("fit", name, names=(name, "is empty", "at least one row"))


def test_an_empty_folder(vae, tmp_path):
    (tmp_path / "faces").mkdir()
    vae.refused("fit", "faces", names=("faces", "no images", "it holds nothing", ".png"))


def test_a_truncated_picture_among_good_ones(vae, tmp_path):
    pictures(tmp_path / "faces", [(10, 10)] * 6)
    damaged = tmp_path / "faces" / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    vae.refused("fit", "faces", names=("faces/3.png", "not a whole image", "again"))


def test_pictures_of_different_sizes(vae, tmp_path):
    pictures(tmp_path / "faces", [(10, 10), (10, 10), (9, 10)])
    vae.refused("fit", "faces", names=("faces/0.png is 10x10", "faces/2.png is 10x9", "resize"))


def test_text_in_a_column_of_numbers(vae, tmp_path):
    frame = GOOD.astype(object)
    frame.loc[7, "width"] = "wide"
    frame.to_csv(tmp_path / "m.csv", index=False)
    vae.refused("fit", "m.csv", names=("m.csv", "column 'width'", "line 9", "'wide'", "not a number", "correct or blank"))


def test_values_that_are_not_finite_are_counted_and_the_first_is_named(vae, tmp_path):
    frame = GOOD.copy()
    frame.loc[7, "width"], frame.loc[9, "depth"], frame.loc[50, "depth"] = np.nan, np.inf, -np.inf
    frame.to_parquet(tmp_path / "m.parquet")
    words = ("3 values are not finite", "row 8", "column 'width'", "nan", "gaps=true", "a column of classes in labels")
    vae.refused("fit", "m.parquet", names=words)
    frame.loc[7, "width"] = 0.0
    frame.to_parquet(tmp_path / "m.parquet")
    line = vae.refused("fit", "m.parquet", names=("2 values are not finite", "row 10", "column 'depth'", "inf"))
    assert "gaps" not in line


def test_a_column_without_a_value_is_no_gap(vae, tmp_path, recwarn):
    frame = GOOD.copy()
    frame["depth"] = np.nan
    frame.to_parquet(tmp_path / "m.parquet")
    vae.refused("fit", "m.parquet", "--set", "gaps=true", names=("m.parquet", "column 'depth' has no value in any", "leave it out"))
    assert not [str(w.message) for w in recwarn if issubclass(w.category, RuntimeWarning)]


def test_a_constant_column_of_counts(vae, tmp_path):
    (tmp_path / "c.csv").write_text("always,visits\n" + "".join(f"1,{7 * i % 90}\n" for i in range(60)), "utf-8")
    vae.refused("fit", "c.csv", names=("c.csv", "column 'always'", "one value only (1)", "drop it", "constant=keep"))


def test_a_constant_column(vae, tmp_path):
    GOOD.assign(scale=3.0).to_csv(tmp_path / "m.csv", index=False)
    vae.refused("fit", "m.csv", names=("m.csv", "column 'scale'", "one value only (3)", "drop it", "constant=keep"))
    vae.done("fit", "m.csv", "--epochs", 1, "--no-report", "--set", "constant=keep")


def test_one_row(vae, tmp_path):
    GOOD[:1].to_csv(tmp_path / "m.csv", index=False)
    vae.refused("fit", "m.csv", names=("m.csv", "1 row;", "at least 4"))


def test_fewer_rows_than_a_batch_make_one_smaller_batch(vae, tmp_path):
    GOOD[:6].to_csv(tmp_path / "m.csv", index=False)
    outcome = vae.done("fit", "m.csv", "--epochs", 2, "--set", "batch=128", "--no-report", "--json")
    assert outcome.json["training"]["steps"] == 2


def test_a_pickled_array(vae, tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    vae.refused("fit", "a.npy", names=("a.npy", "pickled", "never loaded", "astype(float)"))


def test_a_truncated_archive(vae, tmp_path):
    np.savez(tmp_path / "a.npz", x=GOOD.to_numpy())
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    vae.refused("fit", "a.npz", names=("a.npz", "not a whole .npz file", "again"))


def test_a_wrong_magic_number(vae, tmp_path):
    (tmp_path / "a.idx").write_bytes(b"\x12\x34\x08\x02" + bytes(40))
    vae.refused("fit", "a.idx", names=("a.idx", "magic number 12 34 08 02"))


def test_a_likelihood_that_does_not_fit_the_data(vae, tmp_path):
    GOOD.to_csv(tmp_path / "m.csv", index=False)
    vae.refused("fit", "m.csv", "--set", "likelihood=bernoulli", names=("'bernoulli' needs 0/1 values", "row", "column", "'normal'"))
    vae.refused("fit", "digits", "--set", "likelihood=bernoulli", names=("'bernoulli'", "binarise", "discretised_logistic"))


def test_a_column_that_is_not_there(vae, tmp_path):
    GOOD.to_csv(tmp_path / "m.csv", index=False)
    vae.refused("fit", "m.csv", "--labels", "heigth", names=("labels", "'heigth'", "did you mean 'height'?"))
    vae.refused("fit", "m.csv", "--condition", "heigth", names=("condition", "'heigth'", "did you mean 'height'?"))
