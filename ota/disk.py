"""All that updates ever write: files, renames, commits, and what makes them last. Knows paths; not what is in them.

One class, so that a test can take its place that loses power between any two steps. A write lasts once
:meth:`Disk.sync` has returned for the file, and its name once it has returned for the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

BESIDE = ".new"
"""Ending of a file that is not yet in its place."""


class Disk:
    """The real one. Each method raises :class:`OSError` as the system gives it."""

    def make(self, folder: Path) -> None:
        """Make a folder and its parents, for this user only, unless it is there."""
        if folder.is_dir():
            return
        self.make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        self.sync(folder.parent)

    def write(self, path: Path, data: bytes) -> None:
        """Make or overwrite a file. It does not last yet."""
        path.write_bytes(data)

    def append(self, path: Path, data: bytes) -> None:
        """Add to the end of a file, or make it. It does not last yet."""
        with path.open("ab") as file:
            file.write(data)

    def rename(self, here: Path, there: Path) -> None:
        """Put a file in the place of another, or of none. It does not last until the folder is synced."""
        here.replace(there)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there. It does not last until the folder is synced."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

    def sync(self, path: Path) -> None:
        """Return when a file's bytes, or a folder's names, survive a power cut."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def commit(self, connection: sqlite3.Connection) -> None:
        """End a transaction; return when it survives a power cut, which is SQLite's part."""
        connection.commit()

    def free(self, folder: Path) -> int:
        """Bytes that this user may still write."""
        return shutil.disk_usage(folder).free

    def replace(self, path: Path, data: bytes) -> None:
        """Old or new content under a name, never a part of it, also after a power cut; returns when it is the new."""
        beside = path.with_name(path.name + BESIDE)
        self.write(beside, data)
        self.sync(beside)
        self.rename(beside, path)
        self.sync(path.parent)
