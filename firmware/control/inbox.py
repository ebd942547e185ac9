"""What the control room holds of its vans: each message once, durably, as it came, for a day.

Knows durability, order, quota and retention; refuses to know MQTT, keys and what a message says: it keeps envelopes,
still encrypted. A deleted message leaves its id behind for a while, so that a copy of it that somebody kept is known
for what it is. ``secure_delete`` zeroes what rows held. The journal is truncated at each commit and ``synchronous`` is
FULL: WAL would keep copies of deleted rows beside it, and a journal that is removed may undo a commit at a power loss.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

_PAGE_BYTES = 4096
_LOCK_TIMEOUT_S = 0.5
FIRST_SEQUENCE = 1
"""Of each boot of a van."""
IDS_KEPT_S = 30 * 86_400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    van         TEXT NOT NULL,
    id          TEXT NOT NULL,
    kind        TEXT NOT NULL,
    boot        TEXT NOT NULL,
    sequence    INTEGER NOT NULL,
    received_at REAL NOT NULL,
    envelope    BLOB,
    PRIMARY KEY (van, id)
);
CREATE INDEX IF NOT EXISTS numbered ON messages (van, boot, sequence);
CREATE INDEX IF NOT EXISTS held ON messages (received_at) WHERE envelope IS NOT NULL;
"""
_INSERT = """
INSERT INTO messages (van, id, kind, boot, sequence, received_at, envelope)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (van, id) DO NOTHING
"""

Kind = Literal["match", "audit"]
Fate = Literal["new", "duplicate", "conflict"]


class InboxError(Exception):
    """The disk or the quota refused: nothing of the batch is held, nothing of it may be receipted. Try again later."""


@dataclass(frozen=True)
class Item:
    """One message that was believed. ``boot`` and ``sequence`` number what a van says."""

    van: str
    id: str
    kind: Kind
    boot: str
    sequence: int
    envelope: bytes


class Inbox:
    """The durable store of one receipt daemon; one thread uses it.

    Args:
        path: the database file; its folder is made, for this user only, when it is missing.
        max_mb: limit of the file in units of 1,000,000 bytes.

    Raises:
        InboxError: the file cannot be opened or is damaged, or another process holds it.
    """

    def __init__(self, path: Path, max_mb: float) -> None:
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise InboxError(f"{path}: {error.strerror}") from error
        self._owner = _owned(path)
        self._db = sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)
        try:
            self._prepare(max(16, int(max_mb * 1_000_000) // _PAGE_BYTES))
        except sqlite3.Error as error:
            self.close()
            raise InboxError(f"{path}: {error}") from error

    def _prepare(self, pages: int) -> None:
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        self._db.execute("PRAGMA journal_mode = TRUNCATE")
        self._db.execute("PRAGMA synchronous = FULL")
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))
        self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT")
        self._db.execute(f"PRAGMA max_page_count = {pages}")

    def hold(self, items: Sequence[Item], received_at: float) -> list[Fate]:
        """Hold a batch in one transaction; all of it is durable when this returns.

        Returns:
            For each item: ``new``; ``duplicate`` of one that is or was held; or ``conflict``: another message has its
            id, and it was not held.

        Raises:
            InboxError: nothing of the batch is held.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            fates = [self._hold(item, received_at) for item in items]
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise InboxError(f"{self._path}: {error}") from error
        return fates

    def _hold(self, item: Item, received_at: float) -> Fate:
        place = (item.kind, item.boot, item.sequence)
        row = (item.van, item.id, *place, received_at, item.envelope)
        if self._db.execute(_INSERT, row).rowcount == 1:
            return "new"
        query = "SELECT kind, boot, sequence FROM messages WHERE van = ? AND id = ?"
        return "duplicate" if self._db.execute(query, (item.van, item.id)).fetchone() == place else "conflict"

    def missing(self, van: str, boot: str) -> int:
        """How many numbers, from the first to the highest that came, did not come in this boot of the van."""
        query = "SELECT max(sequence), count(DISTINCT sequence) FROM messages WHERE van = ? AND boot = ?"
        highest, came = self._db.execute(query, (van, boot)).fetchone()
        return 0 if highest is None else max(0, highest - FIRST_SEQUENCE + 1 - came)

    def count(self) -> int:
        """How many messages are held."""
        (held,) = self._db.execute("SELECT count(*) FROM messages WHERE envelope IS NOT NULL").fetchone()
        return int(held)

    def expire(self, before: float, now: float) -> int:
        """Delete what was received before that moment; returns how many messages that were.

        Raises:
            InboxError: the disk refused; try again.
        """
        try:
            forgotten = self._db.execute(
                "UPDATE messages SET envelope = NULL WHERE envelope IS NOT NULL AND received_at < ?", (before,)
            ).rowcount
            self._db.execute("DELETE FROM messages WHERE received_at < ?", (min(before, now - IDS_KEPT_S),))
        except sqlite3.Error as error:
            self._undo()
            raise InboxError(f"{self._path}: {error}") from error
        return forgotten

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # SQLite undoes it by itself after some errors, then there is none
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
        self._owner.close()


def read_items(path: Path) -> list[Item]:
    """What a store holds now, in order of van and arrival; a daemon may be at work on it.

    Raises:
        InboxError: it cannot be read.
    """
    query = """SELECT van, id, kind, boot, sequence, envelope FROM messages
               WHERE envelope IS NOT NULL ORDER BY van, received_at, boot, sequence"""
    try:
        # Not mode=ro: what a daemon that was killed left half done has to be undone first, which writes.
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as db:
            db.execute("PRAGMA query_only = ON")
            return [Item(*row) for row in db.execute(query)]
    except sqlite3.Error as error:
        raise InboxError(f"{path}: {error}") from error


def _owned(path: Path) -> BinaryIO:
    """A lock beside the store: two daemons would each receipt what the other one deletes. Readers need none."""
    lock = path.with_name(f"{path.name}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise InboxError(f"{path}: locked by another daemon") from error
    return lock
