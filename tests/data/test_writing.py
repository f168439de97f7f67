"""What is written is read again as it was, in every format, whole or not at all."""

import gzip
import resource

import numpy as np
import pandas as pd
import pytest

from vaekit.core.errors import InputError
from vaekit.data import open_records, open_writer, write_records

TABLE = np.array([[1.5, -2.0], [np.nan, 1e-30], [5.0, 0.1]])
IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.tsv", "a.parquet", "a.idx", "a.idx.gz"])
@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "uint8"])
def test_written_and_read_again(tmp_path, name, kind):
    values = TABLE.astype(kind) if kind.startswith("float") else np.array([[1, 2], [3, 4], [200, 6]], kind)
    path = write_records(tmp_path / name, values, columns=("a", "b"))
    assert path == tmp_path / name
    records = open_records(path)
    np.testing.assert_array_equal(records.x.astype(kind), values)
    # A csv knows numbers with and without fractions, and no more.
    assert records.x.dtype == ({"f": "float64", "i": "int64", "u": "int64"}[values.dtype.kind] if name in ("a.csv", "a.tsv") else kind)
    assert records.columns == (("a", "b") if name in ("a.csv", "a.tsv", "a.parquet") else ())


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.idx", "a.idx.gz", "folder"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 5, 3)])
def test_images(tmp_path, name, shape):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    path = write_records(tmp_path / name, images, format="folder")
    records = open_records(path)
    np.testing.assert_array_equal(records.x, images)
    assert records.x.dtype == np.uint8


def test_images_in_a_table_are_a_column_a_pixel(tmp_path):
    records = open_records(write_records(tmp_path / "a.parquet", IMAGES))
    np.testing.assert_array_equal(records.x, IMAGES.reshape(3, 20))
    assert records.columns[-1] == "x19" and records.x.dtype == np.uint8


def test_images_of_floats_between_0_and_1(tmp_path):
    images = IMAGES / IMAGES.max()
    read = open_records(write_records(tmp_path / "a", images[..., None], format="folder")).x
    assert np.abs(read / 255 - images).max() <= 0.5 / 255


@pytest.mark.parametrize(
    ("format", "suffix"),
    [("array", "npy"), ("npy", "npy"), ("npz", "npz"), ("csv", "csv"), ("parquet", "parquet"), ("frame", "parquet"), ("idx", "idx")],
)
def test_without_a_suffix_the_format_is_the_datas(tmp_path, format, suffix):
    path = write_records(tmp_path / "a", IMAGES, format=format)
    assert path == tmp_path / f"a.{suffix}"
    np.testing.assert_array_equal(open_records(path).x.reshape(IMAGES.shape), IMAGES)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.npz"])
def test_further_columns(tmp_path, name):
    extras = {"kind": np.array(["u", None, "v,w"], dtype=object), "count": np.array([3, 1, 2])}
    path = write_records(tmp_path / name, TABLE, extras=extras)
    records = open_records(path, labels="kind", condition="count")
    np.testing.assert_array_equal(records.x, TABLE)
    assert records.label.tolist() == [0, -1, 1] and records.classes == ("u", "v,w")
    assert records.condition[:, 0].tolist() == [3, 1, 2]


def test_numbers_of_a_csv_are_as_people_write_them(tmp_path):
    write_records(tmp_path / "a.csv", np.array([[1.0, 0.1], [np.nan, 2.5]]), columns=("a", "b"), extras={"n": np.array([7, 8])})
    assert (tmp_path / "a.csv").read_text() == '"a","b","n"\n1,0.1,7\n,2.5,8\n'
    write_records(tmp_path / "b.csv", np.array([[0.1]], np.float32))
    assert pd.read_csv(tmp_path / "b.csv")["x0"].dtype == np.float64 and "0.1\n" in (tmp_path / "b.csv").read_text()


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.parquet", "a.idx", "folder"])
def test_appended_chunks(tmp_path, name):
    images = np.random.default_rng(0).integers(0, 256, (70, 3, 2), np.uint8)
    with open_writer(tmp_path / name, format="folder") as writer:
        for start in range(0, 70, 30):
            writer.append(images[start : start + 30])
        if name != "folder":
            assert not (tmp_path / name).exists()
    np.testing.assert_array_equal(open_records(tmp_path / name).x.reshape(images.shape), images)


def test_a_long_npy_has_room_for_its_count(tmp_path):
    with open_writer(tmp_path / "a.npy") as writer:
        for _ in range(12):
            writer.append(np.zeros((100_000, 1), np.uint8))
    assert np.load(tmp_path / "a.npy").shape == (1_200_000, 1)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.parquet", "a.idx", "folder"])
def test_a_failure_leaves_what_was_there(tmp_path, name):
    path = tmp_path / name
    if name != "folder":
        write_records(path, IMAGES)
        before = path.read_bytes()
    with pytest.raises(RuntimeError, match="midway"), open_writer(path) as writer:
        writer.append(IMAGES)
        raise RuntimeError("midway")
    assert [other.name for other in tmp_path.iterdir()] == ([name] if name != "folder" else [])
    assert name == "folder" or path.read_bytes() == before


@pytest.fixture
def nearly_full():
    """No file can grow beyond 16 kB: the write that would do so fails midway, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.parquet", "a.idx", "folder"])
def test_a_full_disk_leaves_nothing(tmp_path, nearly_full, name):
    noise = np.random.default_rng(0).integers(0, 256, (2, 200, 200), np.uint8)
    with pytest.raises(InputError, match="could not be written") as caught:
        write_records(tmp_path / name, noise, format="folder")
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.parquet", "a.idx.gz", "a.npy"])
def test_equal_rows_make_equal_bytes(tmp_path, name):
    one, two = (write_records(tmp_path / folder / name, IMAGES).read_bytes() for folder in ("one", "two"))
    assert one == two


def test_refusals(tmp_path):
    cases = [
        ("folder", TABLE, {}, "are no images"),
        ("folder", np.full((2, 3, 3), 7.5), {}, "not 0 .. 1"),
        ("folder", np.full((2, 3, 3), np.nan), {}, "not 0 .. 1"),
        ("folder", np.full((2, 3, 3), 300), {}, "not 0 .. 255"),
        ("folder", IMAGES, {"extras": {"a": np.arange(3)}}, "no place for the columns a"),
        ("a.npy", IMAGES, {"extras": {"a": np.arange(3)}}, "no place for the columns a"),
        ("a.idx", IMAGES.astype(np.int64), {}, "idx holds no int64"),
        ("a.csv", TABLE, {"columns": ["a"]}, "1 column names for rows of 2 values"),
        ("a.csv", TABLE, {"columns": ["a", "b"], "extras": {"a": np.arange(3)}}, "'a' stands over two columns"),
        ("a.xlsx", TABLE, {}, "'.xlsx'"),
        ("a.png", IMAGES, {}, "cannot be written"),
        ("a.npy", np.array(["text"]), {}, "not rows of numbers"),
    ]
    for name, values, given, part in cases:
        with pytest.raises(InputError, match=part) as caught:
            write_records(tmp_path / name, values, format="folder", **given)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.parquet", "folder"])
def test_no_rows_is_no_file(tmp_path, name):
    with pytest.raises(InputError, match="no rows to write"), open_writer(tmp_path / name, format="folder"):
        pass
    assert not list(tmp_path.iterdir())


def test_chunks_must_be_of_one_kind(tmp_path):
    narrow = TABLE[:, :1]
    for name, second in (("a.npy", narrow), ("a.npy", TABLE.astype(np.float32)), ("a.parquet", narrow), ("a.csv", narrow)):
        with pytest.raises(InputError, match="do not fit those before them"), open_writer(tmp_path / name) as writer:
            writer.append(TABLE)
            writer.append(second)


def test_a_folder_that_holds_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        write_records(tmp_path, IMAGES, format="folder")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_gzipped_idx_is_gzip(tmp_path):
    content = gzip.decompress(write_records(tmp_path / "a.idx.gz", IMAGES).read_bytes())
    assert content[:4] == b"\0\0\x08\x03" and content[16:] == IMAGES.tobytes()
