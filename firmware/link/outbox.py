"""Events that must survive until the broker has them: one SQLite table on disk, bounded in size and in time.

Knows durability, order, quota and expiry; refuses to know what an event says, MQTT and sockets.

The journal is a rollback journal, truncated at each commit, with ``synchronous=FULL``. WAL is as durable but keeps
copies of delivered crops in its side file until they happen to be overwritten; ``DELETE`` may undo a commit after a
power loss, since it does not sync the folder that it removed the journal from. ``secure_delete`` zeroes what rows held.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from firmware.log import Log

_PAGE_BYTES = 4096
_LOCK_TIMEOUT_S = 0.5
# A delivered row keeps its id and loses its payload: marking it never needs space that a full outbox does not have.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,
    payload   BLOB,
    stored_at REAL NOT NULL,
    expires   REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS pending ON events (seq) WHERE payload IS NOT NULL;
CREATE INDEX IF NOT EXISTS expiry ON events (expires);
"""
_PENDING = """
SELECT seq, id, payload, expires - ? FROM events
WHERE payload IS NOT NULL AND seq NOT IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?
"""


class OutboxError(Exception):
    """The outbox could not do what it was asked; nothing that it held before is lost."""


class OutboxFull(OutboxError):
    """The quota or the disk is full. The text names size and limit in MB."""


class Pending(msgspec.Struct, frozen=True):
    """A row that waits for delivery; ``seq`` grows in order of arrival, ``expires_in_s`` counts from its reading."""

    seq: int
    id: str
    payload: bytes
    expires_in_s: float


class Outbox:
    """The durable queue of one van; any thread may call it.

    Args:
        path: the database file; its folder is made, for this user only, when it is missing.
        max_mb: limit of the database file in units of 1,000,000 bytes.
        ttl_s: seconds after which a row, delivered or not, is removed by :meth:`expire`.
        log: told when an unreadable file was moved aside.
        now: seconds since the epoch.

    Raises:
        OutboxError: the file cannot be opened, or another process holds it.
    """

    def __init__(self, path: Path, max_mb: float, ttl_s: int, log: Log, now: Callable[[], float]) -> None:
        self._path = path
        self._max_pages = max(16, int(max_mb * 1_000_000) // _PAGE_BYTES)
        self._ttl_s = ttl_s
        self._now = now
        self._lock = threading.Lock()
        self._db = self._open_sound(log)

    def append(self, event_id: str, payload: bytes) -> bool:
        """Hold the event durably; ``False`` when this id is held already or was delivered within the TTL.

        Raises:
            OutboxFull: no space; every older row is still there.
            OutboxError: the disk refused.
        """
        now = self._now()
        row = (event_id, payload, now, now + self._ttl_s)
        insert = "INSERT INTO events (id, payload, stored_at, expires) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
        return self._write(insert, row) == 1

    def pending(self, limit: int, skip: Collection[int] = ()) -> list[Pending]:
        """Up to ``limit`` undelivered rows, oldest first, without the sequence numbers in ``skip``."""
        values = (self._now(), json.dumps(list(skip)), limit)
        with self._lock:
            rows = self._db.execute(_PENDING, values).fetchall()
        return [Pending(*row) for row in rows]

    def count(self) -> int:
        """How many events wait for delivery."""
        with self._lock:
            (waiting,) = self._db.execute("SELECT count(*) FROM events WHERE payload IS NOT NULL").fetchone()
        return int(waiting)

    def mark_delivered(self, seq: int) -> None:
        """Forget the payload; keep the id until it expires, so that a re-sent event is not published again.

        Raises:
            OutboxError: the disk refused; the row still counts as pending.
        """
        self._write("UPDATE events SET payload = NULL WHERE seq = ?", (seq,))

    def expire(self) -> int:
        """Remove every row past its time; returns how many of them were never delivered.

        Raises:
            OutboxError: the disk refused; try again.
        """
        now = self._now()
        lost = self._write("DELETE FROM events WHERE expires <= ? AND payload IS NOT NULL", (now,))
        self._write("DELETE FROM events WHERE expires <= ?", (now,))
        return lost

    def close(self) -> None:
        """Let go of the file; the outbox cannot be used afterwards."""
        with self._lock:
            self._db.close()

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        """One statement, one transaction; returns the rows changed."""
        with self._lock:
            try:
                return self._db.execute(statement, values).rowcount
            except sqlite3.OperationalError as error:
                raise self._explained(error) from error

    def _explained(self, error: sqlite3.OperationalError) -> OutboxError:
        # Python 3.10 has no sqlite_errorcode; the text of SQLITE_FULL is fixed in SQLite's source.
        if "full" not in str(error):
            return OutboxError(f"{self._path}: {error}")
        size_mb = self._path.stat().st_size / 1e6
        limit_mb = self._max_pages * _PAGE_BYTES / 1e6
        return OutboxFull(f"outbox or disk full: {self._path} has {size_mb:.2f} MB of at most {limit_mb:.2f} MB")

    def _open_sound(self, log: Log) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.OperationalError as error:
            raise OutboxError(f"{self._path}: {error}") from error
        except OSError as error:
            raise OutboxError(f"{self._path}: {error.strerror}") from error
        except sqlite3.DatabaseError as error:
            # It may hold undelivered events, so it is kept for a person, and the van goes on with a new file.
            aside = _move_aside(self._path, int(self._now()))
            log.alarm("outbox_unreadable", error=str(error), kept_as=str(aside))
            return self._open()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(self._path, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(db)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        # An exclusive lock: two links on one outbox would publish everything twice.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA secure_delete = ON")
        db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = TRUNCATE")
        db.execute("PRAGMA synchronous = FULL")
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT")
        db.execute(f"PRAGMA max_page_count = {self._max_pages}")


def _move_aside(path: Path, now_s: int) -> Path:
    """Rename the database, and its journal by the same name, to the first free ``.unreadable-`` name."""
    aside = path.with_name(f"{path.name}.unreadable-{now_s}")
    while aside.exists():
        now_s += 1
        aside = path.with_name(f"{path.name}.unreadable-{now_s}")
    journal = path.with_name(f"{path.name}-journal")
    if journal.exists():
        journal.rename(aside.with_name(f"{aside.name}-journal"))
    path.rename(aside)
    return aside
