"""Chunks: the same rows as the whole, in order, within bounded memory."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from vaekit.core.errors import InputError
from vaekit.core.records import Records
from vaekit.data import column_names, open_records, open_writer, stream_records

ROWS = 1000


@pytest.fixture
def values() -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(ROWS, 3))
    values[17, 1] = np.nan
    return values


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.parquet"])
@pytest.mark.parametrize("rows", [1, 300, ROWS, 5000])
def test_chunks_are_the_whole(tmp_path, values, name, rows):
    path = tmp_path / name
    frame = pd.DataFrame(values, columns=list("abc"))
    {
        "a.npy": lambda: np.save(path, values),
        "a.npz": lambda: np.savez(path, values),
        "a.csv": lambda: frame.to_csv(path, index=False),
        "a.parquet": lambda: frame.to_parquet(path, row_group_size=170),
    }[name]()
    chunks = list(stream_records(path, rows))
    assert max(chunk.rows for chunk in chunks) <= rows
    np.testing.assert_array_equal(np.concatenate([chunk.x for chunk in chunks]), values)
    np.testing.assert_array_equal(np.concatenate([chunk.x for chunk in chunks]), open_records(path).x)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_columns_in_the_order_that_is_asked_for(tmp_path, name):
    frame = pd.DataFrame({"a": [1, 2], "kind": ["u", "v"], "b": [3.5, np.nan]})
    path = tmp_path / name
    frame.to_csv(path, index=False) if name == "a.csv" else frame.to_parquet(path)
    (chunk,) = stream_records(path, columns=["b", "a"], condition=["kind", "a"])
    np.testing.assert_array_equal(chunk.x, [[3.5, 1], [np.nan, 2]])
    assert chunk.columns == ("b", "a")
    # A csv has no types: what stands beside x is the text that is there.
    one, two = ("1", "2") if name == "a.csv" else (1.0, 2.0)
    assert chunk.condition.tolist() == [["u", one], ["v", two]] and chunk.condition_columns == ("kind", "a")
    (rest,) = stream_records(path, condition="kind")
    assert rest.columns == ("a", "b")
    (same,) = stream_records(frame, columns=["b", "a"], condition=["kind", "a"])
    np.testing.assert_array_equal(same.x, chunk.x)
    for asked in ({"columns": ["c"]}, {"condition": ["kinds"]}):
        with pytest.raises(InputError, match="has no column"):
            list(stream_records(path, **asked))


def test_a_csv_that_changes_its_mind(tmp_path):
    lines = [str(number) for number in range(9000)] + ["0.5", " 7 ", "", "NA"]
    (tmp_path / "a.csv").write_text("a\n" + "\n".join(lines) + "\n")
    x = np.concatenate([chunk.x for chunk in stream_records(tmp_path / "a.csv", 4000)])
    np.testing.assert_array_equal(x[-4:, 0], [0.5, 7, np.nan, np.nan])
    assert x.dtype == np.float64 and len(x) == 9004


def test_the_line_of_a_late_fault(tmp_path):
    rows = [f"{number},1" for number in range(5000)]
    rows[4321] = "4321,bad"
    (tmp_path / "a.csv").write_text("a,b\n" + "\n".join(rows))
    with pytest.raises(InputError, match=r"column 'b', line 4323: 'bad'"):
        list(stream_records(tmp_path / "a.csv", 1000))
    frame = pd.DataFrame({"b": ["1"] * 4321 + ["bad"]})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"column 'b', row 4322: 'bad'"):
        list(stream_records(tmp_path / "a.parquet", 1000))


def test_columns_that_are_not_asked_for_are_not_read(tmp_path):
    lines = [f"{number},1" for number in range(600_000)] + ["1,words"]
    (tmp_path / "a.csv").write_text("a,b\n" + "\n".join(lines))
    assert sum(chunk.rows for chunk in stream_records(tmp_path / "a.csv", columns=["a"])) == 600_001


def test_names_without_values(tmp_path):
    frame = pd.DataFrame({"a": [1.0], "words": ["u"]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    for data in (frame, tmp_path / "a.csv", str(tmp_path / "a.parquet"), open_records(frame, columns=["a"])):
        assert column_names(data) == (("a", "words") if not isinstance(data, Records) else ("a",))
    assert column_names(np.ones((2, 2))) == column_names("digits") == ()


def test_frames_and_arrays_come_in_chunks_too():
    values = np.arange(20.0).reshape(10, 2)
    for data in (values, pd.DataFrame(values, columns=["a", "b"])):
        chunks = list(stream_records(data, 4))
        assert [chunk.rows for chunk in chunks] == [4, 4, 2]
        np.testing.assert_array_equal(np.concatenate([chunk.x for chunk in chunks]), values)


def test_what_cannot_be_streamed_so(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 2)))
    with pytest.raises(InputError, match="by name from csv and parquet"):
        stream_records(tmp_path / "a.npy", columns=["a"])
    with pytest.raises(InputError, match="rows=0"):
        stream_records(tmp_path / "a.npy", rows=0)
    with pytest.raises(InputError, match="is not there"):
        stream_records(tmp_path / "b.npy")


def test_names_of_the_catalogue_stream_too():
    assert [chunk.rows for chunk in stream_records("digits", 1000)] == [1000, 797]


PEAK = """
import resource, sys
import pyarrow.csv, pyarrow.parquet
from vaekit.data import stream_records
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(float(chunk.x.sum()) for chunk in stream_records(sys.argv[1], 8192))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, total)
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="the peak is counted in another unit there")
@pytest.mark.parametrize("name", ["a.npy", "a.parquet"])
def test_memory_is_bounded(tmp_path, name):
    values = np.random.default_rng(0).integers(0, 1 << 30, (3_000_000, 16)).astype(np.float32)
    with open_writer(tmp_path / name) as writer:
        for start in range(0, len(values), 500_000):
            writer.append(values[start : start + 500_000])
    ran = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path / name)], capture_output=True, text=True, check=True)
    kilobytes, total = ran.stdout.split()
    assert float(total) == pytest.approx(float(values.sum(dtype=np.float64)), rel=1e-5)
    assert int(kilobytes) < values.nbytes / 1024 / 2, "192 MB were read with more than 96 MB of memory"


def test_rows_are_numbered_by_the_whole_file(tmp_path):
    values = pd.DataFrame({"a": np.arange(10.0), "b": np.arange(10.0)})
    np.save(tmp_path / "a.npy", values.to_numpy())
    values.to_csv(tmp_path / "a.csv", index=False)
    values.to_parquet(tmp_path / "a.parquet")
    for source in (tmp_path / "a.npy", tmp_path / "a.csv", tmp_path / "a.parquet", values):
        assert [chunk.number(0) for chunk in stream_records(source, rows=4)] == [1, 5, 9]


def test_facts_of_a_csv_are_read_alike_whatever_its_first_block_holds(tmp_path):
    rows = 400_000
    codes = ["01"] * (rows - 1) + ["2A"]
    doses = ["1"] * (rows - 1) + ["0.5"]
    lines = (f"{i},{code},{dose}" for i, (code, dose) in enumerate(zip(codes, doses, strict=True)))
    (tmp_path / "a.csv").write_text("x,code,dose\n" + "\n".join(lines) + "\n")
    assert (tmp_path / "a.csv").stat().st_size > 1 << 22
    found = np.concatenate([c.condition for c in stream_records(tmp_path / "a.csv", condition=("code", "dose"))])
    assert found[0].tolist() == ["01", "1"] and found[-1].tolist() == ["2A", "0.5"]
