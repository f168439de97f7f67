"""Files fetched once, checked, and kept: a cache holds what the checksum vouches for, or nothing.

    keep(file)  iff  digest(file) = the published checksum
"""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from vaekit.core.errors import WorkFailed
from vaekit.core.files import whole_file

__all__ = ["Remote", "cache_folder", "fetch", "file_digest"]

_CHUNK = 1 << 18


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Remote:
    """A file on the web.

    Arguments:
        name: its name in the cache.
        url: where it is served.
        sha256: the checksum of what `digest` reads.
        digest: what the checksum is taken of; the file's bytes unless told.
    """

    name: str
    url: str
    sha256: str
    digest: Callable[[Path], str] = file_digest


def cache_folder() -> Path:
    """Where downloads are kept: `$VAEKIT_CACHE`, else `~/.cache/vaekit`."""
    return Path(os.environ.get("VAEKIT_CACHE") or Path.home() / ".cache" / "vaekit").expanduser()


def fetch(remote: Remote, folder: Path) -> Path:
    """The file in this folder, downloaded with a progress bar on standard error if it is not there yet.

    Raises:
        WorkFailed: where it cannot be reached, ends early, or its checksum is wrong; nothing is kept then.
        InputError: where the folder cannot be written.
    """
    target = folder / remote.name
    if target.is_file():
        return target
    with whole_file(target) as temporary:
        with open(temporary, "wb") as file:
            _download(remote, file)
        found = remote.digest(temporary)
        if found != remote.sha256:
            raise WorkFailed(
                f"{remote.url}: sha256 is {found[:12]}..., not {remote.sha256[:12]}...; nothing was kept; "
                f"try again, or put {remote.name} into {folder} yourself"
            )
    return target


def _download(remote: Remote, file: BinaryIO) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(remote.name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    received = 0
    # What fails on the way is told apart from a disk that is full, which `whole_file` explains.
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        try:
            response = urllib.request.urlopen(remote.url, timeout=30)
        except (OSError, HTTPException, ValueError) as error:
            raise _unreached(remote, error) from error
        with response:
            length = response.headers.get("Content-Length")
            promised = int(length) if length and length.isdecimal() else None
            task = progress.add_task(remote.name, total=promised)
            while chunk := _next(response, remote):
                file.write(chunk)
                received += len(chunk)
                progress.advance(task, len(chunk))
    if promised is not None and received != promised:
        raise WorkFailed(f"{remote.url}: the connection ended after {received} of {promised} bytes; nothing was kept; try again")


def _next(response: BinaryIO, remote: Remote) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, HTTPException) as error:
        raise _unreached(remote, error) from error


def _unreached(remote: Remote, error: Exception) -> WorkFailed:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    code = f"{error.code} " if isinstance(error, urllib.error.HTTPError) else ""
    return WorkFailed(
        f"{remote.url}: could not be downloaded ({code}{cause}); nothing was kept; "
        f"check the network, or put {remote.name} into the cache yourself ({cache_folder()})"
    )
