"""A target's bytes, from the road into the store. Knows resuming and digests; not who signed them.

What came so far stays in the spool file when the road ends, also through a restart. Nothing of it is believed: the
whole file is verified at the end, so a server that sends a changed rest, or a spool that a power cut garbled, costs a
second download from the start and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadLengthMismatchError, LengthOrHashMismatchError

from ota.disk import Disk
from ota.fetch import Fetcher

SYNC_BYTES = 32 * 2**20
"""So much of a download is lost at most by a power cut."""
READ_BYTES = 2**20
Progress = Callable[[int, int], None]
"""Told the bytes that are here, and how many there will be."""


@dataclass(frozen=True)
class Wanted:
    """A file as it was signed: its digest in hex, and its length in bytes."""

    url: str
    sha256: str
    length: int


def download(fetcher: Fetcher, wanted: Wanted, spool: Path, disk: Disk, progress: Progress) -> None:
    """Fetch a file into ``spool``, or go on with it, until it is whole and verified.

    Raises:
        DownloadError: the road ended early; what came stays, for the next time.
        DownloadLengthMismatchError, LengthOrHashMismatchError: it is another file; nothing stays.
        OSError: as the disk gives it.
    """
    resumed = _size(spool) > 0
    _gather(fetcher, wanted, spool, disk, progress)
    right = digest(spool) == wanted.sha256
    if resumed and not right:
        disk.remove(spool)
        _gather(fetcher, wanted, spool, disk, progress)
        right = digest(spool) == wanted.sha256
    if not right:
        disk.remove(spool)
        raise LengthOrHashMismatchError(f"{wanted.url}: is not the file that was signed")


def _gather(fetcher: Fetcher, wanted: Wanted, spool: Path, disk: Disk, progress: Progress) -> None:
    """Append what is missing, so that the spool has the right length."""
    here = _size(spool)
    if here == wanted.length > 0:
        return
    stream = fetcher.resume(wanted.url, here, wanted.length)
    if stream.start != here:
        disk.remove(spool)
        here = 0
    disk.append(spool, b"")  # an empty file is one too
    unsynced = 0
    try:
        with closing(stream.chunks):
            for chunk in stream.chunks:
                disk.append(spool, chunk)
                here, unsynced = here + len(chunk), unsynced + len(chunk)
                if unsynced >= SYNC_BYTES:
                    disk.sync(spool)
                    unsynced = 0
                progress(here, wanted.length)
    except DownloadLengthMismatchError:
        disk.remove(spool)
        raise
    if here < wanted.length:
        raise DownloadError(f"{wanted.url}: ended after {here} of {wanted.length} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            sha256.update(block)
    return sha256.hexdigest()
