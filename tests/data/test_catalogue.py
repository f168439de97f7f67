"""Public data sets: found at hand, else fetched from a real server on loopback, checked, and kept whole or not at all."""

import gzip
import hashlib
import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from scipy.io import savemat

from vaekit.core.errors import InputError, WorkFailed
from vaekit.data import CATALOGUE, open_catalogue, open_records
from vaekit.data.catalogue import FREYFACES, Entry, idx_part
from vaekit.data.download import Remote, fetch

CONTENT = bytes(range(256)) * 4000


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; a file named `cut` ends early, and each request is counted."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path != "/cut":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path):
    """A folder and the address it is served at."""
    folder = tmp_path / "site"
    folder.mkdir()
    Handler.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no data at hand."""
    monkeypatch.delenv("VAEKIT_DATA", raising=False)
    monkeypatch.setenv("VAEKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def remote(name: str, address: str, content: bytes) -> Remote:
    return Remote(name, address + name, hashlib.sha256(content).hexdigest())


def idx(values: np.ndarray) -> bytes:
    return gzip.compress(bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes())


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def test_a_good_file_is_kept_and_not_fetched_again(site, tmp_path):
    folder, address = site
    (folder / "a.bin").write_bytes(CONTENT)
    for _ in range(2):
        assert fetch(remote("a.bin", address, CONTENT), tmp_path / "kept").read_bytes() == CONTENT
    assert Handler.asked == ["/a.bin"] and left(tmp_path / "kept") == ["a.bin"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("wrong.bin", "sha256 is"),
        ("cut", "the connection ended after 512000 of 1024000 bytes"),
        ("absent.bin", "could not be downloaded (404 "),
    ],
)
def test_nothing_is_kept_of_a_bad_download(site, tmp_path, name, part):
    folder, address = site
    (folder / "wrong.bin").write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(WorkFailed) as caught:
        fetch(remote(name, address, CONTENT), tmp_path / "kept")
    message = str(caught.value)
    assert part in message and address + name in message and "nothing was kept" in message and "\n" not in message
    assert left(tmp_path / "kept") == []


def test_no_server_is_one_line(tmp_path):
    with pytest.raises(WorkFailed, match="could not be downloaded") as caught:
        fetch(Remote("a.bin", "http://127.0.0.1:9/a.bin", "0"), tmp_path / "kept")
    assert "\n" not in str(caught.value) and left(tmp_path / "kept") == []


def test_a_set_by_name(site, cache, monkeypatch):
    folder, address = site
    files = {
        "train-images": idx(np.arange(60, dtype=np.uint8).reshape(5, 4, 3)),
        "train-labels": idx(np.array([0, 1, 2, 1, 0], np.uint8)),
        "test-images": idx(np.full((2, 4, 3), 9, np.uint8)),
        "test-labels": idx(np.array([2, 2], np.uint8)),
    }
    for stem, content in files.items():
        (folder / f"{stem}.gz").write_bytes(content)
    remotes = {stem: remote(f"{stem}.gz", address, content) for stem, content in files.items()}
    parts = {part: idx_part(remotes[f"{part}-images"], remotes[f"{part}-labels"], ("a", "b", "c")) for part in ("train", "test")}
    monkeypatch.setitem(CATALOGUE, "toy", Entry(parts, "a toy"))
    records = open_records("toy", condition="label")
    assert records.x.shape == (5, 4, 3) and records.x.dtype == np.uint8 and records.classes == ("a", "b", "c") and records.source == "toy"
    assert records.condition[:, 0].tolist() == ["a", "b", "c", "b", "a"]
    everything = open_catalogue("toy", "all")
    assert everything.label.tolist() == [0, 1, 2, 1, 0, 2, 2] and everything.x.shape == (7, 4, 3)
    assert len(Handler.asked) == 4 and left(cache) == sorted(["toy", *(f"{stem}.gz" for stem in files)])


def test_data_at_hand_comes_first(cache, tmp_path, monkeypatch):
    own = tmp_path / "own" / "images" / "mnist"
    own.mkdir(parents=True)
    (own / "t10k-images-idx3-ubyte.gz").write_bytes(idx(np.ones((3, 28, 28), np.uint8)))
    (own / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.array([7, 0, 9], np.uint8)))
    monkeypatch.setenv("VAEKIT_DATA", str(tmp_path / "own"))
    records = open_catalogue("mnist", "test")
    assert records.x.shape == (3, 28, 28) and records.label.tolist() == [7, 0, 9] and not cache.exists()


def test_images_and_labels_must_belong_together(cache, tmp_path, monkeypatch):
    own = tmp_path / "own" / "images" / "fashion_mnist"
    own.mkdir(parents=True)
    (own / "train-images-idx3-ubyte.gz").write_bytes(idx(np.ones((3, 28, 28), np.uint8)))
    (own / "train-labels-idx1-ubyte.gz").write_bytes(idx(np.array([7, 0], np.uint8)))
    monkeypatch.setenv("VAEKIT_DATA", str(tmp_path / "own"))
    with pytest.raises(InputError, match="do not belong together"):
        open_catalogue("fashion_mnist")


def test_digits():
    records = open_records("digits")
    assert records.x.shape == (1797, 8, 8) and records.x.dtype == np.uint8 and records.x.max() == 16
    assert records.classes == tuple("0123456789")
    assert np.bincount(records.label).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_unknown_names_and_parts():
    with pytest.raises(InputError, match="did you mean 'mnist'"):
        open_catalogue("mnits")
    with pytest.raises(InputError, match="'digits' has no part 'test'"):
        open_catalogue("digits", "test")


def test_faces_of_both_kinds_are_the_same(cache, tmp_path, monkeypatch):
    faces = np.random.default_rng(0).integers(0, 256, (4, 28, 20), np.uint8)
    for kind in ("npz", "mat"):
        own = tmp_path / kind / "images" / "freyfaces"
        own.mkdir(parents=True)
        if kind == "npz":
            np.savez(own / "freyfaces.npz", images=faces)
        else:
            savemat(own / "frey_rawface.mat", {"ff": faces.reshape(4, 560).T})
        monkeypatch.setenv("VAEKIT_DATA", str(tmp_path / kind))
        np.testing.assert_array_equal(open_catalogue("freyfaces").x, faces)


def test_the_checksum_of_the_faces_is_of_their_pixels(cache, site, monkeypatch):
    folder, address = site
    faces = np.random.default_rng(0).integers(0, 256, (4, 28, 20), np.uint8)
    savemat(folder / "frey_rawface.mat", {"ff": faces.reshape(4, 560).T})
    served = Remote("frey_rawface.mat", address + "frey_rawface.mat", FREYFACES.sha256, FREYFACES.digest)
    with pytest.raises(WorkFailed, match="sha256 is"):
        fetch(served, cache)
    good = Remote(served.name, served.url, hashlib.sha256(faces.tobytes()).hexdigest(), served.digest)
    assert fetch(good, cache).is_file()


@pytest.mark.skipif("VAEKIT_DATA" not in os.environ, reason="VAEKIT_DATA does not point to public data sets")
def test_real_sets_at_hand():
    assert open_catalogue("mnist", "all").x.shape == (70_000, 28, 28)
    faces = open_catalogue("freyfaces").x
    assert faces.shape == (1965, 28, 20)
    assert hashlib.sha256(faces.tobytes()).hexdigest() == FREYFACES.sha256
