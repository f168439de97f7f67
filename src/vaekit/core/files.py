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

__all__ = ["whole_file", "whole_folder"]


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the target's folder; on success it replaces the target, on failure it is removed.

    Arguments:
        path: where the finished file is to stand.

    Raises:
        InputError: where the folder is missing, not writable, or the disk is full.
    """
    target = Path(path)
    _writable(target)
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
    except OSError as error:
        raise _explained(target, error) from error
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
    _writable(target)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield temporary
        if target.is_dir():
            target.rmdir()
        os.replace(temporary, target)
        target.chmod(0o755)
    except OSError as error:
        raise _explained(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _writable(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _explained(target, error) from error
    if target.is_dir() and any(target.iterdir()):
        raise InputError(f"{target}: is a folder that holds files; give another path")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target.parent}: no permission to write; choose another place with --out or --run")


def _explained(target: Path, error: OSError) -> InputError:
    reason = error.strerror or str(error)
    return InputError(f"{target}: could not be written ({reason}); nothing was changed; free space or choose another place")
