"""One SQLite file that survives a power cut, and says in words why the disk refuses. Knows files and pages; no table.

The journal is a rollback journal, truncated at each commit, with ``synchronous=FULL``: ``DELETE`` may undo a commit
after a power loss, since it does not sync the folder that it removed the journal from, and WAL keeps what was deleted
in its side file until that happens to be overwritten. ``secure_delete`` zeroes what rows held.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE_BYTES = 4096
_LOCK_TIMEOUT_S = 0.5


class DiskError(Exception):
    """The file could not do what it was asked; nothing that it held before is lost."""


class Unsound(Exception):
    """The file holds something that is no database, or a damaged one."""


class Database:
    """A connection that any thread may use, one at a time.

    Args:
        path: the file; its folder is made, for this user only, when it is missing.
        max_mb: most size of the file in units of 1,000,000 bytes.
        schema: statements that make the tables where they are missing.

    Raises:
        DiskError: the file cannot be opened, or another process holds it.
        Unsound: the file is damaged.
    """

    def __init__(self, path: Path, max_mb: float, schema: str) -> None:
        self._path = path
        self._max_pages = max(16, int(max_mb * 1_000_000) // PAGE_BYTES)
        self._lock = threading.RLock()
        try:
            self._db = self._open(schema)
        except sqlite3.OperationalError as error:
            raise DiskError(f"{path}: {error}") from error
        except OSError as error:
            raise DiskError(f"{path}: {error.strerror}") from error
        except sqlite3.DatabaseError as error:
            raise Unsound(f"{path}: {error}") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside is done, durably, or none of it.

        Raises:
            DiskError: the disk refused.
        """
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._explained(error) from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def read(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query.

        Raises:
            DiskError: the file cannot be read.
        """
        with self._lock:
            try:
                return list(self._db.execute(query, values))
            except sqlite3.Error as error:
                raise self._explained(error) from error

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _open(self, schema: str) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(self._path, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(db, schema)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection, schema: str) -> None:
        # An exclusive lock: two processes on one file would say everything twice.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA secure_delete = ON")
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = TRUNCATE")
        db.execute("PRAGMA synchronous = FULL")
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))
        db.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT")
        db.execute(f"PRAGMA max_page_count = {self._max_pages}")

    def _explained(self, error: sqlite3.Error) -> DiskError:
        # Python 3.10 has no sqlite_errorcode; the text of SQLITE_FULL is fixed in SQLite's source.
        if "full" not in str(error):
            return DiskError(f"{self._path}: {error}")
        size_mb = self._path.stat().st_size / 1e6
        limit_mb = self._max_pages * PAGE_BYTES / 1e6
        return DiskError(f"quota or disk full: {self._path} has {size_mb:.2f} MB of at most {limit_mb:.2f} MB")


def move_aside(path: Path) -> Path:
    """Rename the database, and its journal by the same name, to the first free ``.unreadable-`` name."""
    numbers = itertools.count(1)
    aside = next(
        name for number in numbers if not (name := path.with_name(f"{path.name}.unreadable-{number}")).exists()
    )
    journal = path.with_name(f"{path.name}-journal")
    if journal.exists():
        journal.rename(aside.with_name(f"{aside.name}-journal"))
    path.rename(aside)
    return aside
