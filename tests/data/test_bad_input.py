"""Everything that a person can get wrong is one line that says what, where and what to do."""

import gzip
import os
import pickle
import re
import struct
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from vaekit.core.errors import InputError
from vaekit.data import open_records, stream_records


def refused(data, *parts: str, **given) -> str:
    """The message of the refusal: one line that holds these parts."""
    with pytest.raises(InputError) as caught:
        open_records(data, **given)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400 and "Traceback" not in message
    for part in parts:
        assert part in message, message
    return message


def test_a_missing_path_suggests_the_nearest(tmp_path):
    (tmp_path / "measurements.csv").write_text("a\n1\n")
    refused(tmp_path / "mesurements.csv", "mesurements.csv", "is not there", "did you mean 'measurements.csv'")
    refused("minst", "did you mean 'mnist'", "digits, mnist, fashion_mnist, freyfaces")
    refused(tmp_path / "nowhere" / "x.npy", "is not there")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.parquet", "a.idx", "a.idx.gz", "a.png"])
def test_an_empty_file(tmp_path, name):
    (tmp_path / name).touch()
    refused(tmp_path / name, name, "is empty")


def test_an_empty_folder(tmp_path):
    refused(tmp_path, str(tmp_path), "no images", "nothing")
    (tmp_path / "notes.txt").write_text("x")
    refused(tmp_path, "no images", "notes.txt")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.parquet", "a.idx", "a.idx.gz", "a.png", "a.jpg"])
def test_a_truncated_file(tmp_path, name):
    path, values = tmp_path / name, np.random.default_rng(0).integers(0, 255, (40, 30), np.uint8)
    {
        "a.npy": lambda: np.save(path, values),
        "a.npz": lambda: np.savez(path, x=values),
        "a.parquet": lambda: pd.DataFrame(values, columns=[f"c{i}" for i in range(30)]).to_parquet(path),
        "a.idx": lambda: path.write_bytes(b"\0\0\x08\x02" + np.array(values.shape, ">u4").tobytes() + values.tobytes()),
        "a.idx.gz": lambda: path.write_bytes(gzip.compress(b"\0\0\x08\x02" + np.array(values.shape, ">u4").tobytes() + values.tobytes())),
    }.get(name, lambda: Image.fromarray(values).save(path))()
    content = path.read_bytes()
    # An image that lacks its last bytes alone still has all of its pixels.
    for kept in (len(content) // 2, len(content) - (200 if path.suffix == ".png" else 20), 9):
        path.write_bytes(content[:kept])
        refused(path, name, "again")


def test_a_truncated_image_among_good_ones(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 30), np.uint8)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:400])
    assert "a.png" not in refused(tmp_path, "b.png", "not a whole image")


def test_images_of_different_sizes(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "a.png")
    Image.new("L", (5, 3)).save(tmp_path / "b.png")
    refused(tmp_path, "a.png is 4x3", "b.png is 5x3", "resize")


def test_deep_images(tmp_path):
    Image.fromarray(np.zeros((3, 3), np.uint16)).save(tmp_path / "a.png")
    refused(tmp_path, "a.png", "more than 8 bits")


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused(tmp_path / "a.npy", "a.npy", "pickle")
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    refused(tmp_path / "a.npz", "a.npz", "pickle")

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    for name in ("b.npy", "b.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        refused(tmp_path / name, name, "is a pickle")
    assert not (tmp_path / "sprung").exists()


def test_a_header_that_lies(tmp_path):
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 10**3)})
        file.write(b"\0" * 80)
    refused(tmp_path / "a.npy", "a.npy", "not a whole .npy file")


def test_idx(tmp_path):
    path = tmp_path / "a.idx"
    path.write_bytes(b"\x89PNG" + b"\0" * 20)
    refused(path, "a.idx", "not an idx file", "89 50 4e 47")
    path.write_bytes(b"\0\0\x08\x03" + np.array([2, 3, 4], ">u4").tobytes() + b"\0" * 23)
    refused(path, "2 x 3 x 4 = 24 bytes", "holds 23")
    path.write_bytes(b"\0\0\x08\x03" + np.array([2, 3, 4], ">u4").tobytes() + b"\0" * 25)
    refused(path, "holds 25")
    (tmp_path / "b.idx.gz").write_bytes(b"\0\0\x08\x01")
    refused(tmp_path / "b.idx.gz", "gzipped")


TEXT_IN_NUMBERS = [
    ("a,b\n1,2\n3,oops\n5,6\n", "'b'", "line 3", "'oops'"),
    ("a,b\n1,2\n\n\n3,oops\n", "'b'", "line 5", "'oops'"),
    ('a,b,c\n1,"two\nlines",2\n3,4,x\n', "'b'", "line 3", "two"),
    ("a;b\n1;2\n3;4,5\n", "'b'", "line 3", "'4,5'"),
    ("a\n1\n\nx\n", "'a'", "line 4", "'x'"),
    ("a,b\n1,2\n3,1_000\n5,6\n", "'b'", "line 3", "'1_000'"),
    ("a\n1\nyes\n1_0\n", "'a'", "line 3", "'yes'"),
]


@pytest.mark.parametrize(("text", "column", "line", "cell"), TEXT_IN_NUMBERS)
def test_text_in_a_numeric_column(tmp_path, text, column, line, cell):
    (tmp_path / "a.csv").write_text(text)
    refused(tmp_path / "a.csv", "a.csv", column, line, cell, "correct or blank")
    with pytest.raises(InputError, match=f"column {column}, {line}"):
        list(stream_records(tmp_path / "a.csv"))


def test_text_in_a_frame(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3, "x"]})
    refused(frame, "data frame", "'b'", "row 2", "'x'")
    pd.DataFrame({"a": ["u", "v"]}).to_parquet(tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "'a'", "row 1", "'u'")
    refused(pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), "'a'", "timestamp", "convert")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a,b\n1,2\n3,4,5\n", "Expected 2 columns, got 3"),
        ("a,b\n", "no rows"),
        ("1.5,2.5\n3,4\n", "line 1 holds numbers"),
        ("\n1,2\n", "line 1 is blank"),
        ("a,a\n1,2\n", "'a' stands over two columns"),
        (",a\n0,1\n", "column 1 has no name"),
    ],
)
def test_csv_of_the_wrong_form(tmp_path, text, part):
    (tmp_path / "a.csv").write_text(text)
    refused(tmp_path / "a.csv", "a.csv", part)


def test_parquet_with_two_columns_of_one_name(tmp_path):
    parquet.write_table(pa.table([[1.0, 2.0], [3.0, 4.0]], names=["a", "a"]), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "a.parquet", "'a' stands over two columns")
    with pytest.raises(InputError, match="'a' stands over two columns"):
        list(stream_records(tmp_path / "a.parquet"))


def test_csv_in_another_encoding(tmp_path):
    (tmp_path / "a.csv").write_bytes("a,b\n1,é\n".encode("latin-1"))
    refused(tmp_path / "a.csv", "UTF-8")
    (tmp_path / "b.csv").write_bytes("é,b\n1,2\n".encode("latin-1"))
    refused(tmp_path / "b.csv", "UTF-8")


def test_npz_that_does_not_say_which(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.ones((2, 2)), x_test=np.ones((2, 2)))
    refused(tmp_path / "a.npz", "x_train, x_test", "under the name x")


def test_labels_and_condition(tmp_path):
    frame = pd.DataFrame({"width": [1.0, 2.0], "kind": ["u", "v"]})
    refused(frame, "'kin'", "did you mean 'kind'", labels="kin")
    refused(frame, "'kin'", "did you mean 'kind'", condition=["width", "kin"])
    refused(frame, "'kin'", "did you mean 'kind'", condition=["kin"])
    refused(frame, "y.csv", "is not there", labels="y.csv")
    refused(frame[["width"]], "no column is left", labels="width")
    refused(np.ones((2, 2)), "no labels to condition on", condition="label")
    refused(np.ones((2, 2)), "one-hot", labels=np.eye(2))
    refused(np.ones((2, 2)), "0.5", "condition", labels=[0.5, 1.0])
    refused(np.ones((2, 2)), "unlabelled", labels=[-1, 1])
    refused(np.ones((2, 2)), "3 values", labels=[1, 2, 3])


def test_arrays_that_are_no_rows(tmp_path):
    refused(np.array(["a", "b"]), "text")
    refused(np.array([[1j]]), "complex")
    refused([[1, 2], [3]], "different lengths")
    refused(np.ones(5), "reshape")
    refused(np.ones((0, 4)), "no values", "(0, 4)")
    refused({"a": 1}, "Python objects")
    refused(3.0, "single number")
    np.save(tmp_path / "a.npy", 3.0)
    refused(tmp_path / "a.npy", "a.npy", "single number")
    refused(np.ones((3, 2)), "a.npy", "single number", labels=tmp_path / "a.npy")
    with pytest.raises(InputError, match="single number"):
        list(stream_records(tmp_path / "a.npy"))
    np.savez(tmp_path / "a.npz", x=3.0)
    refused(tmp_path / "a.npz", "a.npz", "single number")
    np.savez(tmp_path / "b.npz", x=np.ones((3, 2)), label=1)
    refused(tmp_path / "b.npz", "'label' has 1 values", "3 rows")


def test_an_unknown_suffix(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"x")
    refused(tmp_path / "a.xlsx", "'.xlsx'", ".parquet")
    (tmp_path / "plain").write_bytes(b"x")
    refused(tmp_path / "plain", "without a suffix")
    (tmp_path / "a.txt").write_text("x")
    refused(tmp_path / "a.txt", "txt file is no data")


@pytest.fixture
def as_nobody():
    """Run without the right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_no_permission(tmp_path, request):
    folder = tmp_path / "closed"
    folder.mkdir()
    for name in ("a.npy", "a.csv", "a.parquet", "a.idx", "a.png"):
        (folder / name).write_bytes(b"\0\0\x08\x01 something")
        (folder / name).chmod(0)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if re.search("pytest", str(parent)):
            parent.chmod(0o755)
    folder.chmod(0o755)
    request.getfixturevalue("as_nobody")
    for name in ("a.npy", "a.csv", "a.parquet", "a.idx", "a.png"):
        refused(folder / name, name, "no permission")


def test_deep_colours(tmp_path):
    # Written by hand: Pillow has no colours of 16 bits.
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compress(b"".join(b"\0" + bytes(6 * 3) for _ in range(3)))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 3, 16, 2, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    refused(tmp_path, "a.png", "more than 8 bits")
