"""What can be wrong with a file before its values are looked at: absent, empty, closed to us, damaged.

Every reader opens its file inside `reading`, so that a low-level failure becomes one line that names the file and the cure.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaekit.core.errors import InputError

__all__ = ["first_line", "reading"]


def first_line(error: BaseException) -> str:
    """The first line of an error's own words."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")


@contextmanager
def reading(path: Path, damaged: tuple[type[Exception], ...], kind: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into one line.

    Arguments:
        path: the file.
        damaged: what the reader of this kind raises where the bytes are not whole.
        kind: the kind of file, for the message.

    Raises:
        InputError: where the file is absent, empty, closed to us, or damaged.
    """
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{path}: is empty; give a file with at least one row")
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: is not there; check the path") from error
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it; allow it (chmod +r) or copy it to a place of your own") from error
    except damaged as error:
        raise InputError(f"{path}: is not a whole {kind} ({first_line(error)}); copy, download or make it again") from error
