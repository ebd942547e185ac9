"""Keep what was looked at, so that a build that was cut short goes on. Knows keys and bytes; not what they show.

It holds templates and small portraits: it lies in a folder that the admin names, readable by its owner only, and is
deleted with the list. Rows belong to one set of networks; those of others are never read and are removed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from pathlib import Path
from typing import TypeVar

import msgspec

from firmware.fleet.lists.private import PrivateError, refuse_open

FILE = "templates.sqlite"
_BATCH = 32
"""Looks that a kill can cost: each commit waits for the disk."""
_FORM = 3
"""Of a look; a change makes old rows foreign."""
_SCHEMA = "CREATE TABLE IF NOT EXISTS looks (space TEXT, file TEXT, look BLOB, PRIMARY KEY (space, file)) WITHOUT ROWID"
_Kept = TypeVar("_Kept", bound=msgspec.Struct)


class Cache:
    """Looks by the file's digest, for one set of networks. Any thread may use it.

    Args:
        folder: where it lies; None keeps it in memory only.
        networks: digest of the networks that look.

    Raises:
        PrivateError: the folder is open to others, or the file cannot be used.
    """

    def __init__(self, folder: Path | None, networks: str) -> None:
        self._space = f"{_FORM}:{networks}"
        self._lock = threading.Lock()
        self._waiting = 0
        path = ":memory:" if folder is None else str(_private_file(folder))
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level="IMMEDIATE")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute("PRAGMA journal_mode = TRUNCATE")
            self._db.execute(_SCHEMA)
            self._db.execute("DELETE FROM looks WHERE space != ?", (self._space,))
            self._db.commit()
        except sqlite3.Error as error:
            raise PrivateError(f"{path}: {error}; forget it and build anew") from error

    def get(self, file: str, kind: type[_Kept]) -> _Kept | None:
        """What was kept for a file's digest, if it was and can be read."""
        with self._lock:
            row = self._db.execute(
                "SELECT look FROM looks WHERE space = ? AND file = ?", (self._space, file)
            ).fetchone()
        if row is None:
            return None
        try:
            return msgspec.msgpack.decode(row[0], type=kind)
        except msgspec.MsgspecError:
            return None

    def put(self, file: str, look: msgspec.Struct) -> None:
        """Keep it; on the disk with the next batch."""
        row = (self._space, file, msgspec.msgpack.encode(look))
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO looks VALUES (?, ?, ?)", row)
            self._waiting += 1
            if self._waiting >= _BATCH:
                self._keep()

    def keep(self) -> None:
        """Everything that was put is on the disk."""
        with self._lock:
            self._keep()

    def close(self) -> None:
        """Keep everything and let go of the file."""
        with self._lock:
            self._keep()
            self._db.close()

    def _keep(self) -> None:
        self._db.commit()
        self._waiting = 0


def forget(folder: Path) -> bool:
    """Overwrite and delete the folder's cache; whether there was one.

    Flash memory may keep copies that no program can reach: keep the folder on an encrypted disk.

    Raises:
        PrivateError: it cannot be deleted.
    """
    found = False
    for path in (folder / FILE, folder / f"{FILE}-journal"):
        with contextlib.suppress(FileNotFoundError):
            try:
                _overwrite(path)
                path.unlink()
            except FileNotFoundError:
                raise
            except OSError as error:
                raise PrivateError(f"{path}: {error.strerror}") from error
            found = True
    return found


def _overwrite(path: Path) -> None:
    with path.open("r+b", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(bytes(min(left, 2**20)))
        os.fsync(file.fileno())


def _private_file(folder: Path) -> Path:
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise PrivateError(f"{path}: {error.strerror}") from error
    refuse_open(folder)
    refuse_open(path)
    return path
