"""Train a system: its stages in order, on one device or several, from the start or from a checkpoint."""

import copy
import logging
import signal
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from vaekit.core.errors import InputError, WorkFailed
from vaekit.core.noise import random_state_kept
from vaekit.core.stage import Stage
from vaekit.core.system import System
from vaekit.training.archive import load_tensors, save_tensors
from vaekit.training.budget import Budget
from vaekit.training.hardware import compiles, device_of, precision_of
from vaekit.training.held import Held
from vaekit.training.interrupt import Interrupt
from vaekit.training.measure import Feed
from vaekit.training.progress import History, Hook
from vaekit.training.run import StageRun
from vaekit.training.settings import Settings

__all__ = ["CHECKPOINT", "Feed", "History", "fit"]

CHECKPOINT = "checkpoint.safetensors"

# Fabric announces itself and advises on hardware, in every process; a person reads this project's own lines instead.
logging.getLogger("lightning_fabric").setLevel(logging.ERROR)


def fit(
    system: System, feed: Feed, settings: Settings, folder: Path | None = None, resume: bool = False, hooks: Sequence[Hook] = ()
) -> History:
    """Train a system in place.

    Arguments:
        system: its model gets the best weights of each stage; what takes no gradient beforehand stays as it is.
        feed: rows to learn from and rows to measure on.
        settings: how.
        folder: where checkpoints are written; None = nowhere.
        resume: go on from the folder's checkpoint, where there is one.
        hooks: who watches.

    Returns:
        What was measured on the way.

    Raises:
        InputError: where settings ask for what the machine lacks, or the checkpoint belongs to another run.
        WorkFailed: where a number stays non-finite.
        KeyboardInterrupt: where a person asked to stop; the checkpoint has been written.
    """
    device = device_of(settings)
    fabric = _fabric(device, settings)
    if settings.devices == 1:
        return _train(fabric, system, feed, settings, folder, resume, hooks)
    # Ctrl-C reaches every process: those that train save and end, and this one waits for them.
    with Interrupt(signal.SIGINT), tempfile.TemporaryDirectory() as between:
        # By a file: what is sent through a pipe is read only after the processes have ended, and a full pipe does not let them end.
        answer = Path(between) / "answer.safetensors"
        stopped = fabric.launch(partial(_in_each_process, answer=answer, work=(system, feed, settings, folder, resume, hooks)))
        if stopped is not None:
            raise stopped
        weights, history = load_tensors(answer)
    system.model.load_state_dict(weights)
    system.model.eval()
    return History.from_json(history)


def _fabric(device: str, settings: Settings) -> Fabric:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strategy = "auto" if settings.devices == 1 else "ddp_spawn"
        return Fabric(accelerator=device, devices=settings.devices, strategy=strategy, precision=precision_of(settings, device))  # type: ignore[arg-type]


def _in_each_process(fabric: Fabric, answer: Path, work: tuple[Any, ...]) -> BaseException | None:
    """What every process of a run on several devices does; the first one writes the answer, or returns an error that speaks to a person."""
    torch.set_num_threads(max(torch.get_num_threads() // fabric.world_size, 1))
    # A gradient of a convolution of one pixel may lie otherwise in memory than where processes add theirs up: it is copied, which is right.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    # Weights arrive in memory that all processes share: each needs its own.
    system = copy.deepcopy(work[0])
    try:
        history = _train(fabric, system, *work[1:])
        if fabric.is_global_zero:
            save_tensors(answer, system.model.state_dict(), history.to_json())
    except (InputError, WorkFailed, KeyboardInterrupt) as stopped:
        return stopped
    return None


@contextmanager
def _resting(system: System) -> Iterator[Held]:
    """A model that is in eval mode afterwards, however training ends, with nothing frozen but what was frozen before."""
    held = Held(system.model)
    try:
        yield held
    finally:
        system.model.eval()
        system.model.requires_grad_(True)
        held.freeze()


def _train(
    fabric: Fabric, system: System, feed: Feed, settings: Settings, folder: Path | None, resume: bool, hooks: Sequence[Hook]
) -> History:
    file = None if folder is None else folder / CHECKPOINT
    saved = load_tensors(file) if resume and file is not None and file.exists() else None
    history = History() if saved is None else _history_of(saved[1])
    watching = hooks if fabric.is_global_zero else ()
    system.model.to(fabric.device)
    moved = _Feed(feed, fabric.device)
    feeds, shares = [moved.of(stage) for stage in system.stages], sum(stage.share for stage in system.stages)
    bounds = [_bounds(settings, stage.share / shares, own, fabric.world_size) for stage, own in zip(system.stages, feeds)]
    may = saved is None or saved[1]["history"]["machine"]["compiled"]
    compiled = [may and compiles(settings, *bound, fabric.device.type) for bound in bounds]
    precision = str(fabric._precision.precision)
    history.machine = {"device": fabric.device.type, "devices": fabric.world_size, "precision": precision, "compiled": any(compiled)}
    with Interrupt() as interrupt, random_state_kept(fabric.device), _resting(system) as held:
        held.check(system.stages, system.model)
        torch.manual_seed(settings.seed + 7919 * fabric.global_rank)
        for index, (own, (steps, minutes)) in enumerate(zip(feeds, bounds)):
            if saved is not None and index < saved[1]["stage"]:
                continue
            budget = Budget(steps, None if minutes is None else 60 * minutes)
            run = StageRun(fabric, system, index, own, settings, budget, compiled[index], history, watching, file, interrupt, held)
            if saved is not None:
                _continue(run, budget, saved)
                saved = None
            run.go()
    return history


def _bounds(settings: Settings, share: float, feed: "_Feed", processes: int) -> tuple[int | None, float | None]:
    """Steps and minutes of a stage: its share of those of a run whose passes are all its own, which labelled rows may lengthen."""
    steps = settings.steps(feed.train.steps(processes))
    return None if steps is None else max(round(share * steps), 1), None if settings.minutes is None else share * settings.minutes


def _history_of(facts: dict[str, Any]) -> History:
    """The history that a checkpoint holds."""
    try:
        return History.from_json(facts["history"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"the checkpoint is no run's ({error!r}): restore it, or train again") from error


def _continue(run: StageRun, budget: Budget, saved: tuple[dict[str, torch.Tensor], dict[str, Any]]) -> None:
    try:
        run.load(*saved)
        budget.spent, budget.measured = saved[1]["seconds"], saved[1]["measured"]
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the checkpoint does not belong to this system ({reason}): resume with the run's own arguments") from error
    if run.fabric.global_rank:
        # The checkpoint holds the first process's random state; the others must not draw the same noise.
        torch.manual_seed(run.settings.seed + 7919 * run.fabric.global_rank + run.steps)


class _Feed:
    """A feed with its rows on a device."""

    def __init__(self, feed: Feed, device: torch.device):
        self.train = feed.train.to(device)
        self.validation = feed.validation.to(device)

    def of(self, stage: Stage) -> "_Feed":
        """The same, with as many labelled rows in a batch as the stage's terms ask for."""
        share = stage.objective.needs.labels
        found = copy.copy(self)
        found.train = self.train.with_labels(share) if share else self.train
        return found
