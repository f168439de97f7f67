"""What a system that was composed by hand is, in words: how a run knows the same system when it is composed again.

    every module and its parameters' shapes, every term with its numbers, the stages, and what the modality fitted

Weights are no part of it: they come from the checkpoint.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from vaekit.core.errors import InputError
from vaekit.core.modality import Modality
from vaekit.core.schedule import as_json
from vaekit.core.system import System
from vaekit.faces.folder import RUN
from vaekit.operations.store import read_json

__all__ = ["identity", "kept", "same_run", "see_no_difference"]

_GIVEN = ("fingerprint", "validation", "test")


def kept(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A person's arguments as a run's folder keeps them; modules are handed in again by whoever goes on with the run.

    Arguments:
        arguments: by name.
    """
    return {name: as_json(value) for name, value in arguments.items() if not isinstance(value, nn.Module)}


def identity(system: System) -> dict[str, str]:
    """What a system is: the place of each thing in it, and what stands there.

    Arguments:
        system: trained or not.
    """
    found = {"modality": _fitted(system.modality), "stages": str(len(system.stages)), **_modules("model", system.model)}
    for number, stage in enumerate(system.stages):
        place = f"stage {number + 1}"
        found[place] = f"learns {', '.join(stage.learn) or 'everything'}, share {stage.share:g}, watches {stage.watch}"
        for term in stage.objective.terms:
            told = {name: _plain(value) for name, value in vars(term).items() if not name.startswith("_") and name != "training"}
            found[f"{place}, term {term.name}"] = ", ".join([type(term).__name__, *(f"{n}={v}" for n, v in told.items())])
            found |= _modules(f"{place}, network of {term.name}", term)
    return found


def same_run(folder: Path, begun: Mapping[str, Any]) -> None:
    """See that a folder holds this very run.

    Arguments:
        folder: of the run.
        begun: what the run is now: its system's identity, its settings and its data.

    Raises:
        InputError: where the folder holds no such run, or the system, a setting or the data is another; names the first difference.
    """
    file = folder / RUN
    if not file.is_file():
        raise InputError(f"{folder}: holds no run to go on with; begin one without resume=True")
    was = read_json(file)
    if "system" not in was:
        raise InputError(f"{folder}: holds a run of the recipe {was['recipe']!r}, which vaekit.resume goes on with")
    see_no_difference(f"{folder}: the checkpoint is of another system", was["system"], begun["system"])
    see_no_difference(f"{folder}: the run had another setting", was["settings"], begun["settings"])
    see_no_difference(f"{folder}: the run had other data", *({name: facts["data"][name] for name in _GIVEN} for facts in (was, begun)))


def see_no_difference(what: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """See that what a run was begun with is what is given now.

    Arguments:
        what: the words for a difference.
        was: facts by their names, as the run holds them.
        now: the same facts now.

    Raises:
        InputError: where they differ; names the first difference.
    """
    for place in [*was, *now]:
        if was.get(place) != now.get(place):
            before, after = (_short(facts.get(place)) for facts in (was, now))
            raise InputError(f"{what} ({place}: {before} then, {after} now); give the same, or another folder as run")


def _short(value: Any) -> str:
    text = "nothing" if value is None else " ".join(str(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."


def _modules(place: str, top: nn.Module) -> dict[str, str]:
    """Modules by their path, each with the shapes of its own tensors; one that holds others is told by its type."""
    found = {}
    for path, module in top.named_modules():
        own = {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
        kind = type(module).__name__ if list(module.children()) else _plain(module)
        found[f"{place}.{path}".rstrip(".")] = " ".join([kind, *(f"{name} {tuple(tensor.shape)}" for name, tensor in own.items())])
    return found


def _fitted(modality: Modality) -> str:
    state = json.dumps([modality.arguments, modality.state], sort_keys=True, default=str)
    return f"{modality.name} of {modality.event}, {modality.likelihood}, fitted {hashlib.sha256(state.encode()).hexdigest()[:12]}"


def _plain(value: Any) -> str:
    """A value in words that are the same in every process: without its place in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
