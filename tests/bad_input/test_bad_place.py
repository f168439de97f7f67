"""A place that cannot be written to: a full disk, or no permission. Both are real; nothing half-written is left behind."""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from conftest import listing, one_line

import vaekit

_ROOM = 16 * 1024
# Of Linux: prctl(2) and capabilities(7).
_PR_CAPBSET_DROP, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2


@contextmanager
def full_disk(folder):
    """The folder on a disk of 16 kB where this process may mount one; else a limit of 16 kB on every file it writes."""
    folder.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, before[1]))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of the digits, and a file of them."""
    folder = tmp_path_factory.mktemp("trained")
    vaekit.fit("digits", latent=2, hidden=[8], epochs=1, progress=False, run=folder / "images")
    np.save(folder / "digits.npy", vaekit.open_records("digits").x)
    return folder


@pytest.fixture
def images(trained, tmp_path):
    """A copy of both."""
    return shutil.copytree(trained, tmp_path, dirs_exist_ok=True)


@pytest.mark.parametrize("name", ["o.npy", "o.npz", "o.csv", "o.parquet", "o.idx", "o.idx.gz", "o.png"])
def test_a_full_disk_keeps_nothing(vae, images, name):
    with full_disk(images / "disk") as disk:
        (disk / "mine.txt").write_text("kept")
        before = listing(disk)
        outcome = vae("generate", "images", "-n", 1000, "--draw", "--out", disk / name)
        one_line(outcome.code, outcome.error, ("could not be written", "nothing was changed", "free space"))
        assert listing(disk) == before


def test_a_disk_that_fills_up_while_training_leaves_no_run(vae, images):
    with full_disk(images / "disk") as disk:
        before = listing(disk)
        outcome = vae("fit", "digits", "--epochs", 1, "--run", disk / "run", "--no-report")
        error = outcome.error.splitlines()
        assert outcome.code == 2 and error[-1].startswith("vae: error: ") and "could not be written" in error[-1]
        assert listing(disk) == before


def test_a_full_disk_keeps_the_old_file(vae, images):
    with full_disk(images / "disk") as disk:
        (disk / "o.npy").write_bytes(b"old")
        outcome = vae("reconstruct", "images", "digits.npy", "--out", disk / "o.npy")
        one_line(outcome.code, outcome.error, ("o.npy", "could not be written"))
        assert (disk / "o.npy").read_bytes() == b"old"


_REFUSED = (
    (("generate", "images", "--out", "closed/o.npy"), ("closed", "no permission to write", "--out")),
    (("fit", "digits", "--run", "closed/run"), ("closed", "no permission to write", "--run")),
    (("encode", "images", "secret.npy", "--out", "o.npy"), ("secret.npy", "no permission to read")),
)
# One process makes all of the calls, since starting one takes seconds.
_CALLS = """
import contextlib, io, json, sys
from vaekit.faces.cli import main
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as error:
        code = main(words)
    print(json.dumps([code, error.getvalue()]))
"""


def bound(folder, calls):
    """Call the command in a process that permissions bind: the administrator's may pass them unless the right is given up for good."""

    def give_up():
        if os.geteuid() == 0:
            for right in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
                ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)

    words = [sys.executable, "-c", _CALLS, json.dumps(calls)]
    ran = subprocess.run(words, cwd=folder, preexec_fn=give_up, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_no_permission(images):
    (images / "closed").mkdir(0o555)
    shutil.copy(images / "digits.npy", images / "secret.npy")
    before = listing(images)
    (images / "secret.npy").chmod(0o000)
    outcomes = bound(images, [words for words, _ in _REFUSED])
    (images / "secret.npy").chmod(0o600)
    for (code, error), (_, names) in zip(outcomes, _REFUSED, strict=True):
        one_line(code, error, names)
    assert listing(images) == before


def test_a_report_that_would_stand_in_a_file_is_refused_before_anything_is_measured(vae, images):
    (images / "taken").write_text("mine")
    vaekit.ensemble("digits", members=2, latent=2, hidden=[8], epochs=1, progress=False, run=images / "both")
    # Whatever was measured first would look for the data.
    for words in (("evaluate", "images"), ("evaluate", "both"), ("compare", "images", "images", "--data")):
        vae.refused(*words, "none.npy", "--out", "taken", names=("taken", "File exists"))
