"""A run that is stopped goes on as if it had not been: killed, interrupted, or asked for two processes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small import SETTINGS, STEPS, made, rows, run, weights

from vaekit.core.errors import InputError
from vaekit.training import Settings, fit
from vaekit.training.archive import load_tensors, save_tensors
from vaekit.training.fit import CHECKPOINT
from vaekit.training.interrupt import Hurried, Interrupt

PROGRAM = Path(__file__).with_name("small.py")
PATIENCE = 240


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums over another number of threads round in another way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def uninterrupted():
    return run()


def started(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, str(PROGRAM), str(folder), *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"})


def until_kept(folder: Path, process: subprocess.Popen, times: int) -> None:
    """Wait until the run has written this many checkpoints since now, or has ended."""
    file, seen, end = folder / CHECKPOINT, set(), time.monotonic() + PATIENCE
    already = file.stat().st_mtime_ns if file.exists() else None
    while len(seen) < times and process.poll() is None:
        assert time.monotonic() < end, "the run wrote no checkpoint"
        if file.exists() and file.stat().st_mtime_ns != already:
            seen.add(file.stat().st_mtime_ns)
        time.sleep(0.002)


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[n], wanted[n]) for n in wanted)


def test_killed_at_any_moment_and_resumed_ends_in_the_same_weights(tmp_path, uninterrupted):
    dice = random.Random(4)
    for _ in range(2):
        process = started(tmp_path)
        until_kept(tmp_path, process, dice.randint(1, 5))
        time.sleep(dice.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL, "the run was over before it could be killed"
    system, history = run(tmp_path, resume=True)
    assert same(system.model.state_dict(), uninterrupted[0].model.state_dict())
    assert [v.held_out for v in history.validations] == [v.held_out for v in uninterrupted[1].validations]


def test_interrupted_run_saves_and_goes_on(tmp_path, uninterrupted):
    process = started(tmp_path)
    until_kept(tmp_path, process, 3)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    _, facts = load_tensors(tmp_path / CHECKPOINT)
    assert 0 < facts["steps"] < STEPS
    system, _ = run(tmp_path, resume=True)
    assert same(system.model.state_dict(), uninterrupted[0].model.state_dict())


def test_finished_run_is_not_trained_again(tmp_path, uninterrupted):
    run(tmp_path)
    system, history = run(tmp_path, resume=True)
    assert same(system.model.state_dict(), uninterrupted[0].model.state_dict())
    assert len(history.validations) == len(uninterrupted[1].validations)


def test_run_that_stopped_early_is_not_trained_on(tmp_path):
    # No validation can be better than the first by much at this rate: the run ends long before its last epoch.
    system, history = run(tmp_path, rate=1e-9, patience=3, average=0)
    again, longer = run(tmp_path, resume=True, rate=1e-9, patience=3, average=0)
    assert history.validations[-1].step < STEPS and len(longer.validations) == len(history.validations)
    assert same(again.model.state_dict(), system.model.state_dict())


def test_checkpoint_of_another_system_is_refused(tmp_path):
    run(tmp_path, epochs=1, validations=1)
    other, feed = made(rows(), hidden=(8,))
    with pytest.raises(InputError, match="does not belong to this system"):
        fit(other, feed, Settings.checked(**SETTINGS), tmp_path, resume=True)


def test_two_processes_reach_the_bound_of_one(tmp_path):
    alone, history = run(width=2048)
    # More than a pipe holds: weights that are sent through one keep their process from ending.
    assert sum(v.nbytes for v in alone.model.state_dict().values()) > 1 << 17
    process = started(tmp_path, "2", "2048")
    assert process.wait(PATIENCE) == 0
    _, facts = load_tensors(tmp_path / "end.safetensors")
    assert facts["bound"] == pytest.approx(history.best, abs=0.3)
    assert weights(tmp_path).keys() == alone.model.state_dict().keys()


def test_the_same_seed_gives_the_same_weights_and_another_does_not(uninterrupted):
    assert same(run()[0].model.state_dict(), uninterrupted[0].model.state_dict())
    assert not same(run(seed=1)[0].model.state_dict(), uninterrupted[0].model.state_dict())


def test_a_file_that_is_no_checkpoint_is_refused_in_a_line(tmp_path):
    save_tensors(tmp_path / CHECKPOINT, {"weights": torch.zeros(2)}, {"stage": 0})
    with pytest.raises(InputError, match=r"the checkpoint is no run's \(KeyError\('history'\)\): restore it"):
        run(tmp_path, resume=True)


def test_who_asks_twice_is_told_from_who_asks_once():
    with Interrupt(signal.SIGUSR1) as interrupt:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert interrupt.asked
        with pytest.raises(Hurried):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(1)
