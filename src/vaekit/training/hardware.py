"""What the machine does fast: the device, the precision, how many threads, and whether compiling pays."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.flop_counter import FlopCounterMode

from vaekit.core.batch import Batch
from vaekit.core.errors import InputError
from vaekit.core.noise import random_state_kept
from vaekit.core.objective import Step
from vaekit.training.settings import Settings

__all__ = ["compiles", "device_of", "precision_of", "suited_threads"]

# A compiled step saves about a third of a step and costs about a minute once: below this many steps it does not pay.
_STEPS_THAT_PAY = 40_000
_MINUTES_THAT_PAY = 6.0
# Below this many operations a walk, waiting for a second thread costs about what it computes, and far more where cores are shared.
_OPERATIONS_THAT_PAY = 100_000_000


def device_of(settings: Settings) -> str:
    """The accelerator's name: `cuda`, `mps` or `cpu`.

    Raises:
        InputError: where the device that was asked for is not there, or not so many of them.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if settings.device != "auto":
        if not present[settings.device]:
            raise InputError(f"device {settings.device!r} is not on this machine; it has {', '.join(n for n, p in present.items() if p)}")
    device = settings.device if settings.device != "auto" else "cuda" if present["cuda"] else "cpu"
    # A processor is as many devices as processes are started on it.
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, settings.devices)
    if settings.devices > there:
        raise InputError(f"devices={settings.devices}: this machine has {there} of {device!r}; give devices={there}")
    return device


def precision_of(settings: Settings, device: str) -> str:
    """Fabric's name of the precision: `bf16-mixed` where the hardware multiplies bf16 fast, else `32-true`."""
    if settings.precision != "auto":
        return {"32": "32-true", "bf16": "bf16-mixed"}[settings.precision]
    if device == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return "bf16-mixed" if fast else "32-true"


def compiles(settings: Settings, steps: int | None, minutes: float | None, device: str) -> bool:
    """Whether to compile the step of a stage: as told, or where the stage is long enough and a compiler is at hand.

    Arguments:
        settings: the run's.
        steps: steps of the stage; None = the clock decides.
        minutes: of the stage; None = the steps decide.
        device: where it runs.
    """
    if settings.compile != "auto":
        return settings.compile
    at_hand = device == "cuda" or shutil.which(os.environ.get("CXX", "g++")) is not None
    long = (steps is None or steps >= _STEPS_THAT_PAY) and (minutes is None or minutes >= _MINUTES_THAT_PAY)
    return at_hand and long


@contextmanager
def suited_threads(step: Step, batch: Batch) -> Iterator[None]:
    """One thread where a step is too small for more; afterwards as many as before.

    Arguments:
        step: what is run.
        batch: rows of the size it is run on.
    """
    before = torch.get_num_threads()
    device = torch.device("cpu") if batch.x is None else batch.x.device
    with torch.no_grad(), random_state_kept(device), FlopCounterMode(display=False) as counter:
        # The terms are left out: one may count its calls, and what it does is little beside the networks.
        step.walk(batch).log_likelihood.sum()
    if batch.x is not None and device.type == "cpu" and counter.get_total_flops() < _OPERATIONS_THAT_PAY:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
