"""A system is made from its seed alone, and leaves every random state as it found it."""

import numpy as np
import pytest
import torch

from vaekit.core.records import Records
from vaekit.faces.preparing import Arguments, Parts, prepare, seeded, sorted_arguments

X = np.random.default_rng(0).normal(size=(20, 3))


@pytest.fixture
def forked(monkeypatch):
    """Which devices' random states were put aside, call by call."""
    calls, fork = [], torch.random.fork_rng

    def noted(devices=None, *others, **named):
        calls.append(devices)
        return fork(devices, *others, **named)

    monkeypatch.setattr(torch.random, "fork_rng", noted)
    return calls


def told(**arguments) -> Arguments:
    return sorted_arguments("vae", "vector", {"latent": 2, "hidden": [4], "device": "cpu", **arguments})


def test_a_seed_decides_the_weights_and_the_random_state_stays(forked):
    modality = prepare(Records(X), "vector", {})
    before = torch.get_rng_state()
    one, same, other = (seeded("vae", modality, told(seed=seed)).model.state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one) and any(not torch.equal(one[name], other[name]) for name in one)
    assert forked == [[], [], []], "a run on the processor touches no GPU"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_run_on_a_gpu_keeps_the_state_of_that_one(forked):
    modality = prepare(Records(X), "vector", {})
    before = torch.cuda.get_rng_state()
    seeded("vae", modality, told(device="cuda"))
    assert forked == [[torch.device("cuda")]] and torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.parametrize(("held_out", "watched"), [(7, 7), (4096, 4096), (10_000, 4096)])
def test_training_is_watched_on_a_few_thousand_rows_from_all_over_the_held_out_ones(held_out, watched):
    x = np.random.default_rng(1).normal(size=(held_out, 1))
    modality = prepare(Records(x), "vector", {})
    rows = modality.store(Records(x))
    feed = Parts(rows, rows, rows, {}).feed(modality, told().settings)
    seen = feed.validation.rows["x"]
    places = torch.searchsorted(rows["x"].flatten().sort().values, seen.flatten())
    assert len(seen) == len(places.unique()) == watched and len(feed.train.rows["x"]) == held_out
    # Evenly spaced: each tenth of the rows has its share.
    at = torch.cat([(rows["x"].flatten() == value).nonzero().flatten() for value in seen.flatten()])
    shares = torch.histc(at.float(), 10, 0, held_out) / watched
    assert held_out < 10 or (shares - 0.1).abs().max() < 0.01
