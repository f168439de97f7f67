"""Tensors and facts in one safetensors file: nothing that can execute, whole or absent.

Tensors that share storage are written once; the aliases stand in the header. The header also holds a JSON text of facts.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vaekit.core.errors import InputError
from vaekit.core.files import whole_file

__all__ = ["checksum", "load_tensors", "save_tensors"]

_HEADER = "vaekit"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts atomically.

    Arguments:
        path: the file.
        tensors: name -> tensor; names that share one tensor are stored once.
        facts: JSON values.

    Raises:
        InputError: where the disk is full or not writable; an older file is left as it was.
    """
    kept: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    first: dict[tuple[Any, ...], str] = {}
    for name, tensor in tensors.items():
        detached = tensor.detach()
        key = (detached.data_ptr(), detached.shape, detached.stride(), detached.dtype)
        if detached.numel() and key in first:
            aliases[name] = first[key]
            continue
        first[key] = name
        kept[name] = detached.cpu().contiguous().clone()
    with whole_file(path) as temporary:
        try:
            # One entry: several are written in an order that changes, and equal tensors shall make equal files.
            save_file(kept, temporary, metadata={_HEADER: json.dumps({"facts": facts, "aliases": aliases})})
        except SafetensorError as error:
            # A full disk comes as the library's own error.
            raise OSError(str(error)) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and facts.

    Raises:
        InputError: where the file is missing, is not a safetensors file (a pickle is refused unread), or is damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; is this the folder of a finished run?")
    try:
        with safe_open(path, framework="pt") as archive:
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}
            header = json.loads((archive.metadata() or {}).get(_HEADER, "{}"))
        tensors.update({name: tensors[kept] for name, kept in header.get("aliases", {}).items()})
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({error}); other formats can execute code and are never loaded") from error
    return tensors, header.get("facts", {})


def checksum(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
