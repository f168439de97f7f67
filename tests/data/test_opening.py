"""What a person has becomes records: the same values, whatever they lie in."""

import gzip

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image

from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.data import open_records, stream_records

VALUES = np.array([[1.5, 2.0], [3.0, np.nan], [5.0, 6.25]])


def written_idx(values: np.ndarray, code: int) -> bytes:
    header = bytes([0, 0, code, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "parquet", "pandas", "polars", "numpy", "torch"])
def test_the_same_values_from_every_source(tmp_path, kind):
    frame = pd.DataFrame(VALUES, columns=["a", "b"])
    path = tmp_path / f"data.{kind}"
    made = {
        "npy": lambda: np.save(path, VALUES),
        "npz": lambda: np.savez(path, x=VALUES),
        "csv": lambda: frame.to_csv(path, index=False),
        "parquet": lambda: frame.to_parquet(path),
        "pandas": lambda: frame,
        "polars": lambda: pl.from_pandas(frame),
        "numpy": lambda: VALUES,
        "torch": lambda: torch.tensor(VALUES),
    }[kind]()
    records = open_records(path if made is None else made)
    np.testing.assert_array_equal(records.x, VALUES)
    assert records.x.dtype == np.float64
    assert records.columns == (("a", "b") if kind in ("csv", "parquet", "pandas", "polars") else ())
    assert records.format == {"pandas": "frame", "numpy": "array", "torch": "array"}.get(kind, kind)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("uint8", "uint8"),
        ("int16", "int16"),
        (">i8", "int64"),
        ("bool", "uint8"),
        ("float16", "float32"),
        (">f4", "float32"),
        (">f8", "float64"),
    ],
)
def test_types_are_kept(tmp_path, given, kept):
    values = np.array([[0, 1], [1, 0]], given)
    np.save(tmp_path / "x.npy", values)
    for records in (open_records(values), open_records(tmp_path / "x.npy")):
        assert records.x.dtype == np.dtype(kept)
        np.testing.assert_array_equal(records.x, values)


def test_tensors_leave_their_graph_and_half_precision_is_widened():
    assert open_records(torch.ones(3, 2, requires_grad=True)).x.dtype == np.float32
    assert open_records(torch.ones(3, 2, dtype=torch.bfloat16)).x.dtype == np.float32


def test_channels_come_last():
    images = np.arange(2 * 5 * 6 * 3, dtype=np.uint8).reshape(2, 5, 6, 3)
    for given in (images, torch.from_numpy(images).permute(0, 3, 1, 2)):
        np.testing.assert_array_equal(open_records(given).x, images)
    assert open_records(torch.zeros(2, 1, 5, 6)).x.shape == (2, 5, 6, 1)
    assert open_records(np.zeros((2, 1, 5, 1))).x.shape == (2, 1, 5, 1)


def test_records_pass_as_they_are():
    records = Records(np.ones((3, 2)), columns=("a", "b"))
    assert open_records(records) is records
    assert open_records(records, labels=["u", "v", "u"]).classes == ("u", "v")


@pytest.mark.parametrize("suffix", [".idx", ".idx.gz", "-idx3-ubyte", "-idx3-ubyte.gz"])
def test_idx(tmp_path, suffix):
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = written_idx(values, 0x08)
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    records = open_records(path)
    np.testing.assert_array_equal(records.x, values)
    assert records.x.dtype == np.uint8 and records.format == "idx"


def test_idx_of_floats_is_in_the_machines_order(tmp_path):
    values = np.array([[0.5, -2.0]], np.float32)
    (tmp_path / "x.idx").write_bytes(written_idx(values, 0x0D))
    x = open_records(tmp_path / "x.idx").x
    assert x.dtype == np.float32 and x.dtype.isnative
    np.testing.assert_array_equal(x, values)


def test_npz_with_labels(tmp_path):
    np.savez(tmp_path / "a.npz", X=VALUES, y=[2, 7, 2], other=[1, 2, 3])
    records = open_records(tmp_path / "a.npz")
    np.testing.assert_array_equal(records.label, [0, 1, 0])
    assert records.classes == ("2", "7")
    assert open_records(tmp_path / "a.npz", labels="other").classes == ("1", "2", "3")
    np.testing.assert_array_equal(open_records(tmp_path / "a.npz", condition="other").condition, [[1.0], [2.0], [3.0]])


def test_npz_with_one_array(tmp_path):
    np.savez(tmp_path / "a.npz", whatever=VALUES)
    np.testing.assert_array_equal(open_records(tmp_path / "a.npz").x, VALUES)


@pytest.mark.parametrize("kind", ["csv", "parquet", "pandas", "polars"])
def test_labels_and_condition_leave_a_table(tmp_path, kind):
    columns = {"a": [1.0, 2.0, 3.0], "kind": ["u", None, "t"], "b": [4.0, 5.0, 6.0], "age": [30, 40, 50], "town": ["x", "y", None]}
    frame = pd.DataFrame(columns)
    path = tmp_path / f"data.{kind}"
    data = {"csv": path, "parquet": path, "pandas": frame, "polars": pl.from_pandas(frame)}[kind]
    frame.to_csv(tmp_path / "data.csv", index=False)
    frame.to_parquet(tmp_path / "data.parquet")
    records = open_records(data, labels="kind", condition=["age", "town"])
    assert records.columns == ("a", "b")
    np.testing.assert_array_equal(records.x, [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(records.label, [1, -1, 0])
    assert records.label.dtype == np.int64 and records.classes == ("t", "u")
    assert records.condition.tolist() == [[30.0, "x"], [40.0, "y"], [50.0, None]]
    assert records.condition_columns == ("age", "town")
    by_label = open_records(data, labels="kind", condition=["kind", "age", "town"])
    assert by_label.condition.tolist() == [["u", 30.0, "x"], [None, 40.0, "y"], ["t", 50.0, None]] and by_label.columns == ("a", "b")


def test_columns_in_the_order_that_is_asked_for():
    frame = pd.DataFrame({"a": [1.0], "words": ["u"], "b": [2.0]})
    records = open_records(frame, columns=["b", "a"])
    assert records.columns == ("b", "a") and records.x.tolist() == [[2.0, 1.0]]
    with pytest.raises(InputError, match="has no column 'c'"):
        open_records(frame, columns=["a", "c"])


def test_the_label_as_condition(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "y": [3, 5]})
    for condition in ("label", "y", ["y"]):
        records = open_records(frame, labels="y", condition=condition)
        assert records.condition.tolist() == [["3"], ["5"]] and records.columns == ("a",)
    np.savez(tmp_path / "a.npz", x=VALUES, label=[1, 0, 1])
    assert open_records(tmp_path / "a.npz", condition="label").condition.tolist() == [["1"], ["0"], ["1"]]
    assert open_records(tmp_path / "a.npz", labels="label").label.tolist() == open_records(tmp_path / "a.npz").label.tolist()


def test_numeric_condition_is_float64():
    condition = open_records(pd.DataFrame({"a": [1.0, 2.0], "age": [3, 5], "sex": [True, False]}), condition=["age", "sex"]).condition
    assert condition.dtype == np.float64
    np.testing.assert_array_equal(condition, [[3, 1], [5, 0]])


@pytest.mark.parametrize("kind", ["npy", "csv", "txt", "idx", "parquet", "array", "list", "series", "tensor"])
def test_labels_from_elsewhere(tmp_path, kind):
    labels = np.array([4, 9, 4], np.uint8)
    path = tmp_path / f"y.{kind}"
    made = {
        "npy": lambda: np.save(path, labels),
        "csv": lambda: path.write_text("y\n4\n9\n4\n"),
        "txt": lambda: path.write_text("4\n9\n4\n"),
        "idx": lambda: path.write_bytes(written_idx(labels, 0x08)),
        "parquet": lambda: pd.DataFrame({"y": labels}).to_parquet(path),
        "array": lambda: labels,
        "list": lambda: ["4", "9", "4"],
        "series": lambda: pd.Series(labels),
        "tensor": lambda: torch.from_numpy(labels),
    }[kind]()
    records = open_records(VALUES, labels=path if path.exists() else made)
    np.testing.assert_array_equal(records.label, [0, 1, 0])
    assert records.classes == ("4", "9")


@pytest.mark.parametrize(
    ("labels", "index", "classes"),
    [
        (["b", "", "a", None], [1, -1, 0, -1], ("a", "b")),
        (["10", "9", "10", "2"], [2, 1, 2, 0], ("2", "9", "10")),
        ([3.0, np.nan, 1.0, 3.0], [1, -1, 0, 1], ("1", "3")),
        ([0, -1, 1, 0], [0, -1, 1, 0], ("0", "1")),
        ([True, False, True, True], [1, 0, 1, 1], ("False", "True")),
        ([" a ", "a", "b", "a"], [0, 0, 1, 0], ("a", "b")),
    ],
)
def test_classes_and_gaps(labels, index, classes):
    records = open_records(np.ones((4, 2)), labels=np.array(labels, dtype=object) if None in labels else np.array(labels))
    np.testing.assert_array_equal(records.label, index)
    assert records.classes == classes


def test_labels_of_twenty_digits_are_told_apart(tmp_path):
    names = ["12345678901234567891", "12345678901234567890", "7", "-1", "", "12345678901234567890"]
    (tmp_path / "y.txt").write_text("\n".join(names) + "\n")
    records = open_records(np.ones((6, 2)), labels=tmp_path / "y.txt")
    assert records.classes == ("7", "12345678901234567890", "12345678901234567891") and records.label.dtype == np.int64
    assert records.label.tolist() == [2, 1, 0, -1, -1, 1]


def test_a_text_file_may_begin_with_a_mark_of_its_encoding(tmp_path):
    (tmp_path / "y.txt").write_text("a\nb\na\n", "utf-8-sig")
    records = open_records(VALUES, labels=tmp_path / "y.txt")
    assert records.classes == ("a", "b") and records.label.tolist() == [0, 1, 0]


@pytest.mark.parametrize(("values", "kind", "classes"), [(["a", pd.NA, "b"], "string", ("a", "b")), ([3, pd.NA, 5], "Int64", ("3", "5"))])
def test_what_a_pandas_series_lacks_is_lacking(values, kind, classes):
    given = pd.Series(values, dtype=kind)
    for column in (given, given.to_numpy(dtype=object)):
        records = open_records(VALUES, labels=column, condition=column)
        assert records.label.tolist() == [0, -1, 1] and records.classes == classes
        told = records.condition[:, 0].tolist()
        assert pd.isna(told).tolist() == [False, True, False] and not any(value is pd.NA for value in told)


def test_blank_lines_of_a_column_are_blank_labels(tmp_path):
    (tmp_path / "y.csv").write_text("y\na\n\nb\n")
    (tmp_path / "y.txt").write_text("a\n\nb\n")
    for name in ("y.csv", "y.txt"):
        np.testing.assert_array_equal(open_records(VALUES, labels=tmp_path / name).label, [0, -1, 1])


@pytest.mark.parametrize(
    "text",
    ["a;b\n1;2\n3;\n", "a\tb\n1\t2\n3\t\n", "\ufeffa,b\n1, 2\n3,NA\n", "a|b\n1|2\n3|nan\n", 'a,b\r\n"1",2\r\n3,""\r\n'],
)
def test_csv_as_people_write_it(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    records = open_records(tmp_path / "a.csv")
    assert records.columns == ("a", "b")
    np.testing.assert_array_equal(records.x, [[1, 2], [3, np.nan]])


def test_csv_integers_and_infinity_are_read_as_written(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,9007199254740993\n-3,4\n")
    assert open_records(tmp_path / "a.csv").x.tolist() == [[1, 9007199254740993], [-3, 4]]
    (tmp_path / "b.csv").write_text("a\ninf\n-inf\n0.1\n")
    assert open_records(tmp_path / "b.csv").x[:, 0].tolist() == [np.inf, -np.inf, 0.1]


def test_row_names_are_kept_apart(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=["first", "second"])
    frame.to_parquet(tmp_path / "a.parquet")
    for records in (open_records(frame), open_records(tmp_path / "a.parquet")):
        assert records.columns == ("a",) and records.index.tolist() == ["first", "second"]


def test_nullable_and_categorical_columns():
    frame = pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.array([True, False], "boolean"), "kind": pd.Categorical(["u", "v"])})
    records = open_records(frame, labels="kind")
    np.testing.assert_array_equal(records.x, [[1, 1], [np.nan, 0]])
    assert records.classes == ("u", "v")


def saved(path, mode: str, value, size=(4, 3)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_a_folder_of_grey_images(tmp_path):
    for number, suffix in enumerate(("png", "jpg", "bmp")):
        saved(tmp_path / f"{number}.{suffix}", "L", 80 * number)
    (tmp_path / "notes.txt").write_text("not an image")
    records = open_records(tmp_path)
    assert records.x.shape == (3, 3, 4) and records.x.dtype == np.uint8 and records.label is None and records.format == "folder"
    assert np.abs(records.x[:, 0, 0].astype(int) - [0, 80, 160]).max() <= 3


def test_sub_folders_are_classes(tmp_path):
    for number, name in enumerate(("cat/1.png", "cat/deep/2.png", "dog/3.png", "unknown.png", ".hidden/4.png")):
        saved(tmp_path / name, "L", number)
    records = open_records(tmp_path)
    assert records.x[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert records.label.tolist() == [0, 0, 1, -1] and records.classes == ("cat", "dog")


def test_webp(tmp_path):
    saved(tmp_path / "a.webp", "RGB", (9, 200, 7))
    x = open_records(tmp_path).x
    assert x.shape == (1, 3, 4, 3) and np.abs(x[0, 0, 0].astype(int) - [9, 200, 7]).max() <= 4


@pytest.mark.parametrize(("mode", "value"), [("RGB", (9, 8, 7)), ("RGBA", (9, 8, 7, 255)), ("P", 0)])
def test_one_colour_image_makes_all_colour(tmp_path, mode, value):
    saved(tmp_path / "a.png", "L", 5)
    saved(tmp_path / "b.png", mode, value)
    x = open_records(tmp_path).x
    assert x.shape == (2, 3, 4, 3) and x[0, 0, 0].tolist() == [5, 5, 5]
    assert mode == "P" or x[1, 0, 0].tolist() == [9, 8, 7]


def test_many_images_keep_their_order(tmp_path):
    for number in range(150):
        saved(tmp_path / f"{number:03}.png", "L", number, (2, 2))
    assert open_records(tmp_path).x[:, 0, 0].tolist() == list(range(150))


def test_one_image_is_one_row(tmp_path):
    saved(tmp_path / "a.png", "L", 5)
    assert open_records(str(tmp_path / "a.png")).x.shape == (1, 3, 4)


def test_a_name_is_the_catalogues_and_a_path_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "digits" / "a.png", "L", 5)
    assert open_records("digits").rows == 1797
    assert open_records("./digits").rows == 1


def test_lengths_must_agree():
    with pytest.raises(InputError, match="2 values, but data has 3 rows"):
        open_records(VALUES, labels=[1, 2])


def test_what_is_called_y_and_is_no_class_is_passed_over_unless_asked_for(tmp_path):
    prices = np.array([1.5, 2.25, 3.0])
    np.savez(tmp_path / "houses.npz", x=VALUES, y=prices, labels=np.array([0, 1, 1]))
    assert open_records(tmp_path / "houses.npz").label is None
    assert open_records(tmp_path / "houses.npz", condition="y").condition[:, 0].tolist() == prices.tolist()
    assert open_records(tmp_path / "houses.npz", labels="labels").label.tolist() == [0, 1, 1]
    with pytest.raises(InputError, match=r"label 1.5 is not a class"):
        open_records(tmp_path / "houses.npz", labels="y")
    np.savez(tmp_path / "one_hot.npz", x=VALUES, y=np.eye(3))
    assert open_records(tmp_path / "one_hot.npz").label is None


def test_lines_longer_than_a_block_are_read(tmp_path):
    # Three lines of six megabytes: more than is read at a time unless told otherwise.
    names, cell = [f"gene{i}" for i in range(20_000)], "1." + "0" * 300
    cells = ",".join([cell] * len(names))
    (tmp_path / "wide.csv").write_text("\n".join([",".join(names), cells, cells, cells]))
    for records in (open_records(tmp_path / "wide.csv"), next(stream_records(tmp_path / "wide.csv"))):
        assert records.x.shape == (3, len(names)) and records.x[0, -1] == 1


def test_classes_have_one_name_wherever_they_stand(tmp_path):
    truth = pd.DataFrame({"a": [1.0, 2.0, 3.0], "ill": [True, False, True]})
    truth.to_csv(tmp_path / "t.csv", index=False)
    truth.to_parquet(tmp_path / "t.parquet")
    for source in (truth, tmp_path / "t.csv", tmp_path / "t.parquet"):
        records = open_records(source, labels="ill")
        assert (records.classes, records.label.tolist()) == (("False", "True"), [1, 0, 1])
    assert open_records(truth[["a"]], labels=truth["ill"]).classes == ("False", "True")
    # Where there are types, a word is a word; a csv has no other way to leave a cell empty.
    words = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "country": ["NA", "DE", None, "FR"]})
    words.to_parquet(tmp_path / "w.parquet")
    words.to_csv(tmp_path / "w.csv", index=False)
    assert open_records(tmp_path / "w.parquet", labels="country").classes == ("DE", "FR", "NA")
    assert open_records(tmp_path / "w.csv", labels="country").classes == ("DE", "FR")
    # Two spellings are two names.
    assert open_records(VALUES, labels=["01", "1", "007"]).classes == ("007", "01", "1")
    assert open_records(VALUES, labels=["10", "9", "-1"]).classes == ("9", "10")


def test_what_is_masked_is_a_gap():
    masked = np.ma.masked_equal(np.array([[1, -999], [2, 3]]), -999)
    np.testing.assert_array_equal(open_records(masked).x, [[1, np.nan], [2, 3]])
    assert open_records(np.ma.masked_equal(np.array([[1, 2]]), 7)).x.dtype.kind == "i"


def test_what_is_transparent_is_seen_on_white(tmp_path):
    icon = np.zeros((2, 2, 4), np.uint8)
    icon[0, 0, 3] = 255
    (tmp_path / "icons").mkdir()
    Image.fromarray(icon).save(tmp_path / "icons" / "a.png")
    Image.fromarray(np.full((2, 2, 4), (9, 9, 9, 255), np.uint8)).save(tmp_path / "icons" / "b.png")
    seen = open_records(tmp_path / "icons").x
    assert seen[0, :, :, 0].tolist() == [[0, 255], [255, 255]] and (seen[1] == 9).all()
