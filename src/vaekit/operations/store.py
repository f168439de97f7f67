"""A trained system on disk: JSON and safetensors, nothing that can execute.

    system.json           format, recipe and its arguments, modality and what it fitted, versions, the weights' checksum
    weights.safetensors   each tensor once

The weights are written first and `system.json` last, each whole or not at all; a folder without `system.json` is not a system.
"""

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from vaekit.core.errors import InputError
from vaekit.core.files import whole_file
from vaekit.core.system import Book, System, build
from vaekit.training.archive import checksum, load_tensors, save_tensors

__all__ = ["FORMAT", "load_system", "read_json", "save_system", "write_json"]

# 2: other names within `ladder_vae`, `flow_prior_vae`, `latent_diffusion`, and `cvae` with `mean_spread`.
# 3: again within `ladder_vae`, whose posteriors are no longer that many of their priors' units away.
# 4: again within `cvae`, whose prior is followed by a mixture.
FORMAT = 4
_SYSTEM, _WEIGHTS = "system.json", "weights.safetensors"
# Where the networks that a person hands in stand in a model.
_PLACES = {"reader": "posterior", "writer": "likelihood"}
_PARTS = {
    "recipe": str, "arguments": dict, "handed": list, "data": dict, "modality": dict, "modality.name": str, "modality.arguments": dict,
    "modality.state": dict, "weights": dict, "weights.sha256": str,
}


def write_json(path: Path, values: Any) -> None:
    """Write JSON atomically, readable by a person."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, allow_nan=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        InputError: where the file is missing or not JSON.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; is {path.parent} the folder of a finished run?")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it; allow it (chmod +r) or copy it to a place of your own") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); the file is damaged, restore it or train again") from error


def save_system(system: System, folder: Path, data: Mapping[str, Any] | None = None) -> None:
    """Write a system into a folder.

    Arguments:
        system: made by `build`.
        folder: made where it is missing.
        data: facts about the training data, as JSON: source, rows, fingerprint.

    Raises:
        InputError: where the system was composed by hand, so that its file could not make it again; says how to name it.
    """
    if not system.recipe:
        raise InputError(
            "this system was composed by hand, so a file could not make it again: put its making into a function, decorate it with "
            "@vaekit.register, and build it by that name"
        )
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / _WEIGHTS
    save_tensors(weights, system.model.state_dict(), {"recipe": system.recipe})
    modality = system.modality
    write_json(folder / _SYSTEM, {
        "format": FORMAT,
        "recipe": system.recipe, "arguments": dict(system.arguments), "handed": list(system.handed),
        "modality": {"name": modality.name, "arguments": modality.arguments, "state": modality.state},
        "data": dict(data or {}),
        "weights": {"file": _WEIGHTS, "sha256": checksum(weights)},
        "versions": {"vaekit": _version("vaekit"), "torch": torch.__version__, "python": platform.python_version()},
    })


def load_system(folder: Path, book: Book, **handed: Any) -> System:
    """Read a system from a folder.

    Arguments:
        folder: where it was saved.
        book: the recipes and modalities that a file may name.
        handed: what the file could not hold: a person's own `reader` and `writer`.

    Raises:
        InputError: where a file is missing, damaged, changed, newer than this program, or asks for what was not handed in.
    """
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "is not there"
        raise InputError(f"{folder}: {found}; give the folder of a finished run")
    facts = _facts_of(folder / _SYSTEM)
    _same_handed(folder, facts["handed"], handed)
    weights = folder / _WEIGHTS
    if weights.is_file() and checksum(weights) != facts["weights"]["sha256"]:
        raise InputError(f"{weights}: does not match its checksum in {_SYSTEM}, so it was damaged or replaced; nothing was loaded")
    tensors, _ = load_tensors(weights)
    try:
        modality = book.modality(facts["modality"]["name"])(**facts["modality"]["arguments"])
        modality.state = facts["modality"]["state"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / _SYSTEM}: the state of the modality is damaged ({error!r}); restore it or train again") from error
    for name, network in handed.items():
        _same_network(folder, name, network, tensors)
    system = build(book, facts["recipe"], modality, **facts["arguments"], **handed)
    whose = "a network that was handed in" if handed else f"the recipe {facts['recipe']!r}"
    older = facts["format"] < FORMAT
    advice = "an older vaekit named its parts otherwise: train it again" if older else "give what the model was trained with"
    _same_shapes(weights, system.model.state_dict(), tensors, whose, advice)
    system.model.load_state_dict(tensors)
    system.model.eval()
    return system


def _facts_of(path: Path) -> dict[str, Any]:
    """What `system.json` holds, each part of the kind that loading needs."""
    facts = read_json(path)
    if not isinstance(facts, dict) or not isinstance(facts.get("format"), int):
        raise InputError(f"{path}: not a system's file; restore it or train again")
    if facts["format"] > FORMAT:
        raise InputError(f"{path}: has format {facts['format']}, newer than this vaekit reads ({FORMAT}): upgrade vaekit to load it")
    for part, kind in _PARTS.items():
        held: Any = facts
        for name in part.split("."):
            held = held.get(name)
        if not isinstance(held, kind):
            raise InputError(f"{path}: {part!r} is missing or no {kind.__name__}, so it was changed or damaged; restore it or train again")
    return facts


def _same_handed(folder: Path, wanted: list[str], given: Mapping[str, Any]) -> None:
    missing = [name for name in wanted if given.get(name) is None]
    extra = [name for name, value in given.items() if value is not None and name not in wanted]
    if missing:
        raise InputError(f"{folder}: was trained with a network of its own: hand it in again with {missing[0]}=")
    if extra:
        raise InputError(f"{folder}: was trained without {extra[0]}=; leave it out")


def _same_network(folder: Path, name: str, network: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise where a weight of a person's own network has another shape in the file: before it is tried on rows, which would say less."""
    for weight, given in network.state_dict().items():
        # The file knows it by a longer path; of several that end so, the shortest is the network's own.
        paths = [path for path in tensors if path.startswith(_PLACES.get(name, name)) and path.endswith(f".{weight}")]
        shape = tuple(tensors[min(paths, key=len)].shape) if paths else tuple(given.shape)
        if shape != tuple(given.shape):
            raise InputError(
                f"{folder}: weight {weight!r} of the {name} is {shape} in the file, but {tuple(given.shape)} in the one given: hand in the "
                f"{name} that the model was trained with"
            )


def _same_shapes(
    file: Path, wanted: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], whose: str, advice: str
) -> None:
    for name in [*wanted, *found]:
        here, there = (tuple(held[name].shape) if name in held else None for held in (wanted, found))
        if here != there:
            in_file = "is missing" if there is None else f"has shape {there}"
            raise InputError(
                f"{file}: weight {name!r} {in_file} in the file, but {'is missing' if here is None else f'has shape {here}'} in {whose}: "
                f"{advice}"
            )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
