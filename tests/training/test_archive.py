"""Tensors on disk: what was written is read, whole or not at all, and nothing that can execute is loaded."""

import os
import pickle
import resource
import signal

import pytest
import torch
from torch import nn

from vaekit.core.errors import InputError
from vaekit.training.archive import checksum, load_tensors, save_tensors


@pytest.fixture
def tensors():
    torch.manual_seed(0)
    return {"a": torch.randn(3, 4), "b": torch.arange(5), "empty": torch.zeros(0), "bits": torch.tensor([True, False])}


def test_tensors_and_facts_come_back(tmp_path, tensors):
    save_tensors(tmp_path / "t.safetensors", tensors, {"steps": 3, "best": float("inf"), "name": "é"})
    found, facts = load_tensors(tmp_path / "t.safetensors")
    assert found.keys() == tensors.keys() and all(torch.equal(found[n], tensors[n]) and found[n].dtype == tensors[n].dtype for n in tensors)
    assert facts == {"steps": 3, "best": float("inf"), "name": "é"}


def test_what_shares_storage_is_stored_once(tmp_path):
    first = nn.Linear(200, 200)
    tied = nn.Sequential(first, nn.ReLU(), first)
    assert len(tied.state_dict()) == 4
    save_tensors(tmp_path / "tied.safetensors", tied.state_dict(), {})
    assert (tmp_path / "tied.safetensors").stat().st_size < 1.1 * 4 * (200 * 200 + 200)
    found, _ = load_tensors(tmp_path / "tied.safetensors")
    assert found.keys() == tied.state_dict().keys() and torch.equal(found["2.weight"], first.weight)


def test_views_of_one_storage_are_told_apart(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    save_tensors(tmp_path / "v.safetensors", {"whole": whole, "rows": whole[:2], "turned": whole.T}, {})
    found, _ = load_tensors(tmp_path / "v.safetensors")
    assert torch.equal(found["rows"], whole[:2]) and torch.equal(found["turned"], whole.T)


def test_every_changed_byte_changes_the_checksum(tmp_path, tensors):
    file = tmp_path / "t.safetensors"
    save_tensors(file, tensors, {})
    whole, before = file.read_bytes(), checksum(file)
    for place in (0, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert checksum(file) != before


DAMAGES = {"short": lambda b: b[: len(b) // 2], "empty": lambda b: b"", "header": lambda b: b"\xff" * 16 + b[16:]}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, tensors, damage):
    file = tmp_path / "t.safetensors"
    save_tensors(file, tensors, {})
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match="not a whole safetensors file") as caught:
        load_tensors(file)
    assert "\n" not in str(caught.value)


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def test_a_pickle_is_refused_unread(tmp_path):
    for name, write in (("pickle", pickle.dumps), ("torch", None)):
        file, mark = tmp_path / name, tmp_path / f"{name}.mark"
        file.write_bytes(write(Trap(mark))) if write else torch.save({"w": Trap(mark)}, file)
        with pytest.raises(InputError, match="never loaded"):
            load_tensors(file)
        assert not mark.exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_tensors(tmp_path / "absent.safetensors")


def test_a_full_disk_leaves_the_old_file(tmp_path, tensors):
    file = tmp_path / "t.safetensors"
    save_tensors(file, tensors, {"old": True})
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
        with pytest.raises(InputError, match="could not be written"):
            save_tensors(file, {"large": torch.zeros(1 << 18)}, {"old": False})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert load_tensors(file)[1] == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["t.safetensors"]
