"""What is on disk is whole or absent: write beside the target, flush, then rename.

A crash, a full disk or a Ctrl-C leaves the old file as it was. Folders are made whole in the same way.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaekit.core.errors import InputError

__all__ = ["folders_above", "whole_file", "whole_folder"]


@contextmanager
def folders_above(path: str | Path) -> Iterator[None]:
    """Make the folders that a path needs; those that were made are taken away again where the block fails and they are empty.

    Arguments:
        path: what is to stand in them.

    Raises:
        InputError: where they cannot be made, or the last of them is not writable.
    """
    target = Path(path)
    made = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _explained(target, error) from error
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target.parent}: no permission to write; choose another place with --out or --run")
    try:
        yield
    except BaseException:
        for folder in made:
            if not any(folder.iterdir()):
                folder.rmdir()
        raise


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the target's folder; on success it replaces the target, on failure it is removed.

    Arguments:
        path: where the finished file is to stand.

    Raises:
        InputError: where the folder is missing, not writable, or the disk is full.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target}: is a folder; give the path of a file")
    with folders_above(target), _explaining(target):
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        umask = os.umask(0)
        os.umask(umask)
        try:
            yield temporary
            # Only now: a writer may have put a file of its own in place of the temporary one.
            temporary.chmod(0o666 & ~umask)
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside the target; on success it becomes the target, which must not hold anything yet.

    Arguments:
        path: where the finished folder is to stand.

    Raises:
        InputError: where the target already holds files, or its parent is not writable, or the disk is full.
    """
    target = Path(path)
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise InputError(f"{target}: already there and not empty; give another path, or remove it first")
    with folders_above(target), _explaining(target):
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield temporary
            if target.is_dir():
                target.rmdir()
            os.replace(temporary, target)
            target.chmod(0o755)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _explaining(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explained(target, error) from error


def _explained(target: Path, error: OSError) -> InputError:
    reason = error.strerror or str(error)
    return InputError(f"{target}: could not be written ({reason}); nothing was changed; free space or choose another place")
