"""Nothing that is read is written over: what goes in and what comes out are different files.

    OUT stands apart from IN:   OUT is not IN, nor an alias of it, nor a picture in the folder IN, nor a run to be replaced that holds IN

Another file that is there already may be written over: a second call of the same command replaces what the first one made.
A folder that is to hold a model must be empty.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vaekit.core.errors import InputError
from vaekit.faces.folder import RUN

__all__ = ["refuse_filled", "refuse_inside", "refuse_overlap", "refuse_taken"]

# Arguments of verbs that may name a file or a folder which is read.
_READ = ("data", "subjects", "factors", "labels", "condition", "to", "run", "others")
# What is read of a run's folder; a report may be written into it.
_OF_A_RUN = ("system.json", "weights.safetensors", RUN, "checkpoint.safetensors", "ensemble.json")
# Those that a path without a suffix is given, by the format of the data.
_GIVEN = (".npy", ".npz", ".csv", ".parquet", ".idx")


def refuse_overlap(given: Mapping[str, Any]) -> None:
    """Refuse a call of a verb that would write over what it reads.

    Arguments:
        given: the verb's arguments by name; `out` is where it writes.

    Raises:
        InputError: where `out` is one of the files and folders that the others name.
    """
    out = given.get("out")
    if out is None:
        return
    out = Path(out).expanduser()
    for source in _paths(given, _READ):
        if _over(out, source):
            raise InputError(f"--out {out}: would be written over {source}, which is read; give another path")


def refuse_inside(folder: Path, *given: Any) -> None:
    """Refuse to remove a folder that holds what is read.

    Arguments:
        folder: to be removed.
        given: data, labels, condition: paths among them are looked at.

    Raises:
        InputError: where one of them lies in the folder.
    """
    for source in _paths({"data": given}, ("data",)):
        if source.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{folder}: holds {source}, which is read, and would be removed with it; move that file, or give another run")


def refuse_filled(folder: Path, use: str, held: str = "something already") -> None:
    """Refuse to write into a folder that is not empty.

    Arguments:
        folder: to be written into; it need not be there.
        use: what it is to hold, for the message.
        held: what it holds, for the message.

    Raises:
        InputError: where it is a file, or holds anything.
    """
    if folder.is_file():
        raise InputError(f"{folder}: is a file; give another folder for the {use}")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: holds {held}; give another folder for the {use}")


def refuse_taken(folder: Path) -> None:
    """Refuse to begin a run in a folder that is not empty.

    Arguments:
        folder: of the run; it need not be there.

    Raises:
        InputError: where it is a file, holds a run, or holds anything else.
    """
    if (folder / RUN).is_file():
        raise InputError(f"{folder}: already holds a run; resume it, replace it, or give another folder as run")
    refuse_filled(folder, "run", "other files")


def _paths(given: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Path]:
    """Those of the arguments that are there as files or folders; a column or a value is none."""
    for name in names:
        values = given.get(name)
        for value in values if isinstance(values, (list, tuple)) else [values]:
            if isinstance(value, (str, Path)) and _there(Path(value).expanduser()):
                yield Path(value).expanduser()


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        # A text that cannot be a path, such as a long value of a condition.
        return False


def _over(out: Path, source: Path) -> bool:
    held = [source / name for name in _OF_A_RUN if (source / name).is_file()]
    if held:
        return any(_over(out, file) for file in held)
    names = [out] if out.suffix or out.is_dir() else [out, *(out.with_name(out.name + suffix) for suffix in _GIVEN)]
    written = [path for path in names if _there(path)]
    if source.is_dir():
        return any(path.samefile(source) or (path.is_file() and path.resolve().is_relative_to(source.resolve())) for path in written)
    return any(path.samefile(source) for path in written)
