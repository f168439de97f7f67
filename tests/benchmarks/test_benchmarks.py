"""The benchmarks measure what they say, write what they promise, and skip what is not there."""

import gzip
import json
import os
import pickle
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import bound
import ladder
import mathematics
import mnist_likelihood
import numpy as np
import pieces
import pyarrow.parquet as pq
import pytest
import torch
from memory import observed, write
from record import Record, Skipped, arguments, figure, mnist, root, run
from resume import killed

from vaekit.core.errors import InputError, WorkFailed
from vaekit.core.records import Records
from vaekit.core.system import Book, build
from vaekit.modalities import MODALITIES
from vaekit.recipes import RECIPES
from vaekit.tasks.score import score


def ran(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=root, capture_output=True, text=True, env={**os.environ, **environment})


def idx(path: Path, values: np.ndarray) -> None:
    """Write bytes in MNIST's own format."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + values.tobytes(), mtime=0))


@pytest.fixture
def small_mnist(tmp_path):
    """A folder like $VAEKIT_DATA that holds a small set in the place and format of MNIST."""
    draw, folder = np.random.default_rng(0), tmp_path / "images" / "mnist"
    folder.mkdir(parents=True)
    for stem, rows in (("train", 1_100), ("t10k", 12)):
        idx(folder / f"{stem}-images-idx3-ubyte.gz", draw.integers(0, 256, (rows, 28, 28), np.uint8))
        idx(folder / f"{stem}-labels-idx1-ubyte.gz", np.arange(rows).astype(np.uint8) % 10)
    return tmp_path


def test_the_list_names_every_script():
    listed = {line.split()[0] for line in ran("-m", "benchmarks", "--list").stdout.splitlines()}
    imported = {"__main__", "bound", "classifier", "comparison_page", "outsider", "pieces", "record"}
    scripts = {path.stem for path in (root / "benchmarks").glob("*.py")} - imported
    assert listed == scripts
    wrong = ran("-m", "benchmarks", "speed")
    assert wrong.returncode == 2 and "throughput" in wrong.stderr


@pytest.mark.parametrize(("limits", "target", "met"), [
    ({"at_most": 2.0}, "<= 2", True), ({"at_most": 1.0}, "<= 1", False), ({"at_least": 2.0}, ">= 2", False),
    ({"at_least": 1.5}, ">= 1.5", True), ({}, "", None),
])
def test_a_figure_is_held_against_its_limit(limits, target, met):
    found = figure("length", 1.5, "m", 1, "by eye", **limits)
    assert (found.target, found.met) == (target, met)


def measured(monkeypatch, work, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmark", *words])
    return run(arguments("Tries a benchmark.\n"), "trial", work)


def test_the_record_is_written_whole(tmp_path, monkeypatch, capsys):
    def work(options, record: Record) -> None:
        record.add(figure("length", 1.25, "m", 3, "by eye", seed=4, at_most=2.0))

    assert measured(monkeypatch, work, "--json", str(tmp_path / "trial.json")) == 0
    written = json.loads((tmp_path / "trial.json").read_text())
    assert set(written) == {"machine", "commit", "figures"} and written["machine"]["cores"] >= 1
    assert written["figures"] == [
        {"name": "length", "value": 1.25, "unit": "m", "n": 3, "seed": 4, "protocol": "by eye", "target": "<= 2", "met": True}
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["trial.json"]
    assert "length" in capsys.readouterr().out


@pytest.mark.parametrize(("error", "code"), [(WorkFailed("broken"), 1), (InputError("wrong"), 2), (KeyboardInterrupt(), 130)])
def test_a_failure_ends_in_one_line_and_a_code(error, code, tmp_path, monkeypatch, capsys):
    def work(options, record: Record) -> None:
        raise error

    assert measured(monkeypatch, work, "--json", str(tmp_path / "trial.json")) == code
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err.splitlines() == ([f"error: {error}"] if code < 130 else [])


def test_an_absent_data_set_is_skipped_with_a_line(tmp_path, monkeypatch, capsys):
    # A proxy that nobody listens at: nothing can be fetched.
    places = {"VAEKIT_DATA": str(tmp_path), "VAEKIT_CACHE": str(tmp_path / "cache"), "https_proxy": "http://127.0.0.1:9"}
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    assert measured(monkeypatch, lambda options, record: mnist()) == 0
    assert capsys.readouterr().out.startswith("skipped: MNIST is not there; point VAEKIT_DATA at")


def test_the_likelihood_is_measured_after_its_minutes(small_mnist, tmp_path):
    out = tmp_path / "nll.json"
    done = ran(
        "benchmarks/mnist_likelihood.py", "--recipe", "iwae", "--particles", "2", "--minutes", "0.03", "--importance", "5",
        "--json", str(out),
        *(word for pair in ("hidden=16,16", "latent=2", "batch=50", "compile=false") for word in ("--set", pair)),
        VAEKIT_DATA=str(small_mnist),
    )
    assert done.returncode == 0, done.stderr
    found = {f["name"]: f for f in json.loads(out.read_text())["figures"]}
    nll = found["test NLL"]
    # Bits that are drawn from uniform brightness are fair coins: nothing is below 784 log 2 but by chance.
    assert nll["n"] == 12 and nll["met"] is None and 500 < nll["value"] < 784
    assert '"particles": 2' in nll["protocol"] and '"hidden": [16, 16]' in nll["protocol"]
    assert 0.03 <= found["training"]["value"] < 0.5


def test_flows_are_set_against_the_vae_under_one_budget(small_mnist, tmp_path):
    out = tmp_path / "flows.json"
    done = ran(
        "benchmarks/flows.py", "--minutes", "0.01", "--importance", "3", "--test-rows", "5", "--json", str(out),
        *(word for pair in ("hidden=16", "latent=2", "batch=50", "compile=false") for word in ("--set", pair)),
        "--networks", "dense", "--own", "flow_vae:steps=1", "--own", "flow_prior_vae:steps=1",
        VAEKIT_DATA=str(small_mnist),
    )
    assert done.returncode == 0, done.stderr
    found = {f["name"]: f for f in json.loads(out.read_text())["figures"]}
    for recipe in ("flow_vae", "flow_prior_vae"):
        gain = found[f"gain of {recipe}"]
        assert gain["value"] == pytest.approx(found["vae: test NLL"]["value"] - found[f"{recipe}: test NLL"]["value"])
        assert gain["target"] == ">= 1" and gain["n"] == 5 and '"steps": 1' in found[f"{recipe}: test NLL"]["protocol"]


def test_samples_with_a_critic_are_held_against_those_without(small_mnist, tmp_path):
    out, sheets = tmp_path / "fid.json", tmp_path / "sheets"
    done = ran(
        "benchmarks/adversarial.py", "--minutes", "0.01", "--seeds", "1", "--test-rows", "12", "--judge-epochs", "1", "--json", str(out),
        "--sheets", str(sheets), "--adversarial", "gamma=0.5",
        *(word for pair in ("hidden=16", "network=mlp", "latent=2", "batch=50", "compile=false") for word in ("--set", pair)),
        VAEKIT_DATA=str(small_mnist),
    )
    assert done.returncode == 0, done.stderr
    found = {f["name"]: f for f in json.loads(out.read_text())["figures"]}
    assert found["FID, vae_gan over vae"]["value"] == pytest.approx(found["FID, vae_gan"]["value"] / found["FID, vae"]["value"])
    assert found["FID, vae_gan over vae"]["target"] == "<= 0.7" and found["seeds that diverged"]["target"] == "<= 0"
    assert '"gamma": 0.5' in found["FID, vae"]["protocol"]
    assert {path.name for path in sheets.iterdir()} == {f"{r}-0-{n}.png" for r in ("vae", "vae_gan") for n in ("means", "draws")}


def test_the_ladder_is_measured_on_images_that_were_drawn_once(tmp_path, monkeypatch):
    (tmp_path / "images" / "mnist_static").mkdir(parents=True)
    draw = np.random.default_rng(0)
    held = {name: draw.integers(0, 2, (rows, 784), np.uint8) for name, rows in (("train", 90), ("valid", 20), ("test", 11))}
    np.savez(tmp_path / "images" / "mnist_static" / "binarized_mnist_larochelle.npz", **held)
    monkeypatch.setenv("VAEKIT_DATA", str(tmp_path))
    options = {
        "set": ["channels=4,4", "bottleneck=1", "levels=2", "batch=30", "compile=false", "epochs=2"], "minutes": 1.0, "seed": 0,
        "run": None, "resume": False, "importance": 3, "test_rows": 6, "only_train": False,
    }
    for only, images in ((False, 108), (True, 90)):
        record = Record("trial")
        ladder.measure(Namespace(**{**options, "only_train": only}), record)
        found = {f.name: f for f in record.figures}
        assert found["test NLL"].n == 6 and 400 < found["test NLL"].value < 900 and found["test NLL"].met is None
        # Nine of ten of the images to validate are learnt from, and the rest is not.
        assert f"{images} training images, 2 epochs" in found["test NLL"].protocol and found["validation -ELBO"].n == 2
    monkeypatch.setenv("VAEKIT_DATA", str(tmp_path / "none"))
    with pytest.raises(Skipped, match="static MNIST is not there; point VAEKIT_DATA at"):
        ladder.measure(Namespace(**options), Record("trial"))


def test_pieces_by_two_processes_are_the_whole_and_are_kept(tmp_path):
    torch.manual_seed(0)
    modality = MODALITIES["image"]().fit(Records(np.random.default_rng(0).integers(0, 2, (30, 4, 4), np.uint8)))
    system = build(Book(RECIPES, MODALITIES), "vae", modality, latent=2, hidden=8)
    rows = modality.store(Records(np.random.default_rng(1).integers(0, 2, (11, 4, 4), np.uint8)))
    whole, threads, done = score(system, rows, 20, 3), torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        found = pieces.scored(system, rows, 20, 3, 1 << 12, tmp_path, done.append, piece=4)
        written = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
        again = pieces.scored(system, rows, 20, 3, 1 << 12, tmp_path, done.append, piece=4)
    finally:
        torch.set_num_threads(threads)
    for name, values in vars(whole).items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-5, err_msg=name)
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == written and len(written) == 3 and done[-1] == 11
    # Other weights, other rows or other draws are other pieces.
    with torch.no_grad():
        next(system.model.parameters()).add_(0.5)
    other = pieces.scored(system, rows, 20, 3, 1 << 12, tmp_path, done.append, piece=11)
    assert len(list(tmp_path.iterdir())) == 4 and not np.allclose(other.nats, found.nats)


def test_what_watches_a_run_can_be_sent_to_the_process_that_trains():
    pickle.loads(pickle.dumps(bound.Watching())).note("begun")


def test_an_option_that_is_no_pair_is_refused():
    with pytest.raises(InputError, match="--set latent: give key=value"):
        mnist_likelihood.measure(Namespace(set=["latent"], recipe="vae", particles=None), Record("trial"))


def test_the_known_likelihoods_are_met():
    record = Record("trial")
    mathematics.linear(record, 500, 0)
    mathematics.discrete(record, 500, 0)
    found = {f.name: f for f in record.figures}
    assert found["difference"].met and found["difference in standard errors"].met
    assert found["distance from 1"].value < 5 * found["standard error of the sum"].value < 0.1


def test_a_killed_process_is_told_from_a_finished_one():
    began = time.monotonic()
    assert killed([sys.executable, "-c", "import time; time.sleep(60)"], 0.3)
    assert not killed([sys.executable, "-c", "pass"], 30)
    assert time.monotonic() - began < 30


def test_the_peak_is_the_kernels(tmp_path):
    seconds, peak = observed([sys.executable, "-c", "import time; held = bytearray(300_000_000); time.sleep(0.5)"])
    assert seconds >= 0.5 and 0.3 < peak < 0.4
    with pytest.raises(WorkFailed, match="code 3"):
        observed([sys.executable, "-c", "raise SystemExit(3)"])


def test_rows_are_written_in_chunks_with_hidden_causes(tmp_path):
    write(tmp_path / "rows.parquet", 60_000, 0)
    file = pq.ParquetFile(tmp_path / "rows.parquet")
    assert file.metadata.num_rows == 60_000 and file.metadata.num_columns == 64 and file.num_row_groups == 2
    spread = np.linalg.eigvalsh(np.cov(file.read_row_group(0).to_pandas().to_numpy().T))[::-1]
    assert spread[7] > 5 * spread[8]
