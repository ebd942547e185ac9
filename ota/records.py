"""What this van remembers of updates: version floors, the time floor, what is installed. Knows one SQLite file.

It refuses to know how anything is verified. Each change is one transaction, and its commit the moment at which it is
so; floors only rise. Floors are kept for a role *and* its keys: when people replace a role's keys because somebody
burned its version numbers, it counts anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from ota.content import MAX_STEP, Custom, Kind
from ota.disk import Disk
from ota.target import Target, UpdateError

Phase = Literal["trial", "active", "refused"]
NEVER_BACK: tuple[Kind, ...] = ("watchlist", "revocation")
"""Of these there is no previous one: a list that is gone stays gone, and what was revoked stays so."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS floor (role TEXT, keys TEXT, version INTEGER NOT NULL, PRIMARY KEY (role, keys)) STRICT;
CREATE TABLE IF NOT EXISTS moment (name TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS counter (kind TEXT PRIMARY KEY, counter INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS installed (
    kind TEXT, place TEXT, sha256 TEXT NOT NULL, path TEXT NOT NULL, custom BLOB NOT NULL, phase TEXT NOT NULL,
    PRIMARY KEY (kind, place)
) STRICT;
CREATE TABLE IF NOT EXISTS refused (kind TEXT, sha256 TEXT, why TEXT NOT NULL, PRIMARY KEY (kind, sha256)) STRICT;
"""
RAISE_FLOOR = (
    "INSERT INTO floor VALUES (?, ?, ?) ON CONFLICT (role, keys) DO UPDATE SET version = max(version, excluded.version)"
)
RAISE_MOMENT = "INSERT INTO moment VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = max(at, excluded.at)"
RAISE_COUNTER = (
    "INSERT INTO counter VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET counter = max(counter, excluded.counter)"
)


@dataclass(frozen=True)
class Floor:
    """No version of ``role`` below ``version`` is believed while these are its keys (their ids, sorted)."""

    role: str
    keys: tuple[str, ...]
    version: int


@dataclass(frozen=True)
class Installed:
    """Content that is in force, on trial, or was; ``path`` is its TUF target path, ``sha256`` its name in the store."""

    kind: Kind
    sha256: str
    path: str
    custom: Custom
    phase: Phase


class Records:
    """The van's memory of updates; one process has it open, and one thread uses it.

    Args:
        path: of the SQLite file; made if there is none.

    Raises:
        UpdateError: ``disk``; it cannot be made or read. Without floors nothing is installed.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._disk = disk
        try:
            disk.make(path.parent)
            self._db = sqlite3.connect(path, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise UpdateError("disk", f"{path}: {error}") from error
        try:
            self._db.execute("PRAGMA journal_mode = DELETE")
            # FULL and more: without it, a rollback journal that comes back after a power cut undoes a commit.
            self._db.execute("PRAGMA synchronous = EXTRA")
            self._db.executescript(SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise UpdateError("disk", f"{path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def time_floor(self) -> int:
        """It is certainly not before this, in seconds since the epoch; 0 if nothing proved it yet."""
        return self._moment("floor")

    @property
    def checked(self) -> int:
        """When fresh metadata was verified last, in seconds since the epoch; 0 for never."""
        return self._moment("checked")

    def floor(self, role: str, keys: tuple[str, ...]) -> int:
        """Lowest version of a role that is believed while it has these keys; 0 if none was seen."""
        row = self._row("SELECT version FROM floor WHERE role = ? AND keys = ?", role, " ".join(keys))
        return int(row[0]) if row else 0

    def seen(self, role: str) -> bool:
        """Whether any version of a role was ever verified, under whatever keys."""
        return self._row("SELECT 1 FROM floor WHERE role = ?", role) is not None

    def raise_floors(self, floors: Iterable[Floor], time_floor: int = 0, checked: int = 0) -> None:
        """Raise, in one transaction; what is higher already stays.

        Raises:
            UpdateError: ``disk``; nothing was raised.
        """
        rows = [(floor.role, " ".join(floor.keys), floor.version) for floor in floors]
        with self._transaction() as db:
            db.executemany(RAISE_FLOOR, rows)
            db.executemany(RAISE_MOMENT, [("floor", time_floor), ("checked", checked)])

    def counter_floor(self, kind: Kind) -> int:
        """Highest counter that was ever begun of a kind; 0 for none. A revert does not lower it."""
        row = self._row("SELECT counter FROM counter WHERE kind = ?", kind)
        return int(row[0]) if row else 0

    def active(self, kind: Kind) -> Installed | None:
        """The one in force, settled or on trial."""
        return self._installed(kind, "active")

    def previous(self, kind: Kind) -> Installed | None:
        """The settled one before it; never of a list or a revocation."""
        return self._installed(kind, "previous")

    def begin(self, target: Target) -> None:
        """The commit point of an install: from here on ``target`` is in force, on trial.

        Raises:
            UpdateError: ``rollback``, its counter is not above all before it; ``refused``, it was once, or its counter
                is too far above; ``disk``.
        """
        kind, counter, floor = target.kind, target.custom.counter, self.counter_floor(target.kind)
        if counter <= floor:
            raise UpdateError("rollback", f"{target.path}: counter {counter} is not above {floor}")
        if counter > floor + MAX_STEP:
            raise UpdateError("refused", f"{target.path}: counter {counter} is more than {MAX_STEP} above {floor}")
        if self.refused(kind, target.sha256):
            raise UpdateError("refused", f"{target.path}: was refused before")
        row = (kind, "active", target.sha256, target.path, msgspec.json.encode(target.custom), "trial")
        with self._transaction() as db:
            db.execute(RAISE_COUNTER, (kind, counter))
            self._make_previous(db, kind)
            db.execute("DELETE FROM installed WHERE kind = ? AND place = 'active'", (kind,))
            db.execute("INSERT INTO installed VALUES (?, ?, ?, ?, ?, ?)", row)

    def settle(self, kind: Kind) -> None:
        """What is on trial has proved itself.

        Raises:
            UpdateError: ``disk``.
        """
        with self._transaction() as db:
            db.execute("UPDATE installed SET phase = 'active' WHERE kind = ? AND place = 'active'", (kind,))

    def revert(self, kind: Kind, why: str) -> Installed | None:
        """Refuse what is in force, for good, and return to the previous one; the floors stay.

        Returns:
            What is in force now: of a list or a revocation, nothing.

        Raises:
            UpdateError: ``disk``.
        """
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO refused "
                "SELECT kind, sha256, ? FROM installed WHERE kind = ? AND place = 'active'",
                (why, kind),
            )
            db.execute("DELETE FROM installed WHERE kind = ? AND place = 'active'", (kind,))
            db.execute("UPDATE installed SET place = 'active', phase = 'active' WHERE kind = ?", (kind,))
        return self.active(kind)

    def forget(self, kind: Kind) -> None:
        """Nothing of this kind is in force any more: a list was withdrawn. Its floors stay.

        Raises:
            UpdateError: ``disk``.
        """
        with self._transaction() as db:
            db.execute("DELETE FROM installed WHERE kind = ?", (kind,))

    def refused(self, kind: Kind, sha256: str) -> bool:
        """Whether a content was refused once; it is not tried again."""
        return self._row("SELECT 1 FROM refused WHERE kind = ? AND sha256 = ?", kind, sha256) is not None

    def _make_previous(self, db: sqlite3.Connection, kind: Kind) -> None:
        """The settled one can be returned to; one that was still on trial cannot."""
        active = self.active(kind)
        if active is None or active.phase != "active" or kind in NEVER_BACK:
            return
        db.execute("DELETE FROM installed WHERE kind = ? AND place = 'previous'", (kind,))
        db.execute("UPDATE installed SET place = 'previous' WHERE kind = ? AND place = 'active'", (kind,))

    def _moment(self, name: str) -> int:
        row = self._row("SELECT at FROM moment WHERE name = ?", name)
        return int(row[0]) if row else 0

    def _installed(self, kind: Kind, place: str) -> Installed | None:
        row = self._row("SELECT sha256, path, custom, phase FROM installed WHERE kind = ? AND place = ?", kind, place)
        if row is None:
            return None
        sha256, path, custom, phase = row
        return Installed(kind, sha256, path, msgspec.json.decode(custom, type=Custom), phase)

    def _row(self, question: str, *values: str) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._db.execute(question, values).fetchone()
        except sqlite3.Error as error:
            raise UpdateError("disk", f"records: {error}") from error
        return row

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._disk.commit(self._db)
        except (OSError, sqlite3.Error) as error:
            raise UpdateError("disk", f"records: {error}") from error
        finally:
            if self._db.in_transaction:
                self._db.rollback()
