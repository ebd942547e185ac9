"""Which lists were taken back, for as long as somebody might still have one in memory. Knows digests; no list.

Written before the records forget a list: after a cut in between, it is the withdrawal that holds.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from ota.content import Sha256
from ota.disk import Disk

MOST = 16
"""The oldest is forgotten: a list lives for a week at most."""


class Withdrawn:
    """The digests, oldest first, in one small file.

    Args:
        path: of the file; its folder is there.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        try:
            self._digests = msgspec.json.decode(path.read_bytes(), type=tuple[Sha256, ...])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            self._digests = ()

    @property
    def digests(self) -> tuple[str, ...]:
        """As on disk."""
        return self._digests

    def add(self, sha256: str) -> None:
        """Take a list back.

        Raises:
            OSError: as the disk gives it.
        """
        self._set((*(digest for digest in self._digests if digest != sha256), sha256))

    def drop(self, sha256: str) -> None:
        """The same list was signed again.

        Raises:
            OSError: as the disk gives it.
        """
        if sha256 in self._digests:
            self._set(tuple(digest for digest in self._digests if digest != sha256))

    def _set(self, digests: tuple[str, ...]) -> None:
        self._disk.replace(self._path, msgspec.json.encode(digests[-MOST:]))
        self._digests = digests[-MOST:]
