"""Verified content under the name of its digest. Knows files and room; refuses to know what they are for.

A file gets its name only when it is whole and verified, so whatever has one can be used. What is still on its way lies
in ``spool`` under the same name, and is never used.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path

from ota.disk import Disk
from ota.target import UpdateError

RESERVE_BYTES = 64 * 2**20
"""Kept free on the partition: events, audit and metadata go on when an update does not fit."""
SPOOL = "spool"


class Store:
    """A folder of files named by SHA-256, in hex.

    Args:
        folder: made if it is not there; nobody else writes to it.

    Raises:
        UpdateError: ``disk``; the folder cannot be made.
    """

    def __init__(self, folder: Path, disk: Disk, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self.disk = disk
        try:
            disk.make(folder / SPOOL)
        except OSError as error:
            raise UpdateError("disk", f"{folder}: {error.strerror}") from error

    def path(self, sha256: str) -> Path:
        """Where content lies or would lie."""
        return self._folder / sha256

    def spool(self, sha256: str) -> Path:
        """Where content gathers that is on its way."""
        return self._folder / SPOOL / sha256

    def has(self, sha256: str) -> bool:
        """Whether it is here; it was verified when it came in."""
        return self.path(sha256).is_file()

    def room_for(self, length: int) -> None:
        """Make sure that ``length`` more bytes fit.

        Raises:
            UpdateError: ``disk``; names need, free and reserve.
        """
        try:
            free = self.disk.free(self._folder)
        except OSError as error:
            raise UpdateError("disk", f"{self._folder}: {error.strerror}") from error
        if free - self._reserve_bytes < length:
            raise UpdateError("disk", f"{length} bytes needed, {free} free, {self._reserve_bytes} of them reserved")

    def spooled(self, sha256: str) -> int:
        """How many bytes of it came already, right or wrong."""
        spool = self.spool(sha256)
        return spool.stat().st_size if spool.is_file() else 0

    def admit(self, sha256: str) -> Path:
        """Give spooled content its name, now that its digest was verified; returns when that lasts.

        Raises:
            OSError: as the disk gives it.
        """
        spool, place = self.spool(sha256), self.path(sha256)
        self.disk.sync(spool)  # the bytes last before the name that vouches for them
        self.disk.rename(spool, place)
        self.disk.sync(place.parent)
        return place

    def keep_only(self, wanted: AbstractSet[str]) -> None:
        """Remove all other content, and whatever else was on its way.

        Raises:
            UpdateError: ``disk``.
        """
        try:
            for folder in (self._folder, self._folder / SPOOL):
                for path in sorted(folder.iterdir()):
                    if path.is_file() and path.name not in wanted:
                        self.disk.remove(path)
                self.disk.sync(folder)
        except OSError as error:
            raise UpdateError("disk", f"{self._folder}: {error.strerror}") from error
