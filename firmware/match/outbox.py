"""Sealed messages that must survive until the control room has them: a table on disk, bounded in size and in time.

Knows order, quota, reserve and expiry; refuses to know keys, MQTT and sockets, and is never given anything that is not
encrypted. A row goes when the control room's receipt for it was checked, or 24 hours after its deployment ended.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from firmware.log import Log
from firmware.match.database import Database, DiskError, Unsound, move_aside

TTL_S = 24 * 3600
STEP_S = 60.0
"""How often running time is written down."""
MEMORY_MAX = 500
_CROWDED_BYTES = 4_000_000
"""With less left than that, it is the disk that is full and not our quota."""
Channel = Literal["match", "audit"]
# ``left_s`` is null while a deployment runs, and then what is left of its time, counted by this van's running time: a
# clock that is set forward must not delete what nobody has received.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    boot    TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS deployments (boot TEXT PRIMARY KEY, left_s REAL);
"""
_COLUMNS = "SELECT seq, id, channel, payload FROM rows"
_INSERT = "INSERT INTO rows (seq, id, channel, boot, payload) VALUES (?, ?, ?, ?, ?)"
_END_ALL = "UPDATE deployments SET left_s = ? WHERE left_s IS NULL"
_END_OTHERS = "UPDATE deployments SET left_s = ? WHERE left_s IS NULL AND boot != ?"
_EXPIRE = "DELETE FROM rows WHERE boot IN (SELECT boot FROM deployments WHERE left_s <= 0) RETURNING id"


class Row(msgspec.Struct, frozen=True):
    """One sealed message; ``seq`` grows in order of arrival, over restarts too."""

    seq: int
    id: str
    channel: Channel
    payload: bytes


@dataclass(frozen=True)
class Quota:
    """How much disk the outbox may use, in units of 1,000,000 bytes.

    Attributes:
        max_mb: most size of the database file; what comes after waits in memory.
        reserve_mb: a file of that size stands beside it and is given up when others have filled the disk.
    """

    max_mb: float = 256
    reserve_mb: float = 16


class Outbox:
    """The durable queue of one van; any thread may call it.

    Args:
        path: the database file.
        quota: of the disk.
        boot: this run; rows of earlier ones belong to deployments that have ended.
        log: told when an unreadable file was moved aside, and when the disk refuses.
        clock: monotonic seconds.

    Attributes:
        fault: why the disk takes or gives nothing now, in words; what comes meanwhile waits in memory only.

    Raises:
        DiskError: the file cannot be opened, or another process holds it.
    """

    def __init__(self, path: Path, quota: Quota, boot: str, log: Log, clock: Callable[[], float]) -> None:
        self.fault = ""
        self._quota = quota
        self._reserve = path.with_name(f"{path.name}.reserve")
        self._run = self._boot = boot
        self._deployments = 0
        self._log = log
        self._clock = clock
        self._lock = threading.RLock()
        self._in_memory: dict[int, Row] = {}
        self._db = self._open(path)
        self._held: dict[str, int] = dict(self._db.read("SELECT id, seq FROM rows"))
        found = self._db.read("SELECT seq FROM sqlite_sequence WHERE name = 'rows'")
        self._last = int(found[0][0]) if found else 0
        self._counted_s = clock()
        self._keep_reserve()
        self._end_others()

    @property
    def in_memory_only(self) -> int:
        """Rows that a loss of power would lose."""
        return len(self._in_memory)

    @property
    def full(self) -> bool:
        """Neither disk nor memory takes more: match nothing until some has gone."""
        return len(self._in_memory) >= MEMORY_MAX

    def append(self, id_: str, channel: Channel, payload: bytes) -> int:
        """Hold a message, on disk when this returns, or in memory while the disk refuses; returns its ``seq``.

        Never raises for want of space: the caller asks ``full`` before it makes more.
        """
        with self._lock:
            self._last += 1
            row = Row(self._last, id_, channel, payload)
            self._in_memory[row.seq] = row
            self._held[id_] = row.seq
            self._to_disk()
            return row.seq

    def after(self, seq: int, limit: int) -> list[Row]:
        """Up to ``limit`` rows that came after ``seq``, oldest first."""
        with self._lock:
            found = self._rows("seq > ? ORDER BY seq LIMIT ?", (seq, limit))
            return (found + [row for row in self._in_memory.values() if row.seq > seq])[:limit]

    def rows(self, seqs: Collection[int]) -> list[Row]:
        """Those of the rows ``seqs`` that are still held, oldest first."""
        with self._lock:
            found = self._rows(f"seq IN ({','.join('?' * len(seqs))}) ORDER BY seq", tuple(seqs))
            return found + [row for row in self._in_memory.values() if row.seq in seqs]

    def count(self) -> int:
        """How many rows wait for their receipt."""
        return len(self._held)

    def delete(self, ids: Collection[str]) -> list[int]:
        """Forget the rows that were receipted, in one transaction; returns the ``seq`` of each that was held.

        Raises:
            DiskError: the disk refused; those on it are still held.
        """
        with self._lock:
            held = {id_: self._held[id_] for id_ in ids if id_ in self._held}
            on_disk = [id_ for id_, seq in held.items() if self._in_memory.pop(seq, None) is None]
            for id_ in held.keys() - set(on_disk):
                del self._held[id_]
            if on_disk:
                self._with_room(lambda: self._delete(on_disk))
            return list(held.values())

    def begin_deployment(self) -> None:
        """What is stored from now on belongs to a deployment of its own."""
        with self._lock:
            self._deployments += 1
            self._boot = f"{self._run}.{self._deployments}"

    def end_deployment(self) -> None:
        """From now on what this run has stored has ``TTL_S`` to be receipted, and so has what it stores until
        :meth:`begin_deployment`. The first call counts.

        Raises:
            DiskError: the disk refused.
        """
        self._with_room(lambda: self._end(_END_ALL))

    def tend(self) -> int:
        """Bring to disk what waits in memory, and delete what is past its time; returns how many were deleted.

        Raises:
            DiskError: the disk refused; try again.
        """
        with self._lock:
            self._to_disk()
            if not self._in_memory:
                self._keep_reserve()
            ran_s = self._clock() - self._counted_s
            if ran_s < STEP_S:
                return 0
            lost = self._expire(ran_s) if self._db.read("SELECT 1 FROM deployments WHERE left_s NOT NULL") else []
            self._counted_s += ran_s
            for id_ in lost:
                del self._held[id_]
            return len(lost)

    def close(self) -> None:
        """Let go of the file; the outbox cannot be used afterwards."""
        self._db.close()

    def _rows(self, where: str, values: tuple[object, ...]) -> list[Row]:
        """From the disk; none while it cannot be read."""
        try:
            return [Row(*values) for values in self._db.read(f"{_COLUMNS} WHERE {where}", values)]
        except DiskError as error:
            self._note(str(error))
            return []

    def _to_disk(self) -> None:
        """All that waits in memory, in its order: nothing overtakes it."""
        if not self._in_memory:
            return
        try:
            self._with_room(lambda: self._insert(list(self._in_memory.values())))
        except DiskError as error:
            self._note(str(error))
        else:
            self._in_memory.clear()
            self.fault = ""

    def _note(self, fault: str) -> None:
        news, self.fault = fault != self.fault, fault
        if news:
            self._log.alarm("outbox in memory only", reason=fault)

    def _with_room(self, write: Callable[[], None]) -> None:
        """Write; when others have filled the disk, give the reserve up and write again."""
        try:
            write()
        except DiskError as error:
            if not self.make_room(str(error)):
                raise
            write()

    def make_room(self, reason: str) -> bool:
        """Give the reserve up if others have filled the disk; whether there is room now that there was not."""
        with self._lock:
            if not self._reserve.exists() or self._free_bytes() >= _CROWDED_BYTES:
                return False
            self._reserve.unlink()
            self._log.alarm("outbox lives on its reserve", reason=reason)
            return True

    def _insert(self, rows: list[Row]) -> None:
        with self._db.transaction() as db:
            db.execute("INSERT OR IGNORE INTO deployments (boot) VALUES (?)", (self._boot,))
            db.executemany(_INSERT, [(row.seq, row.id, row.channel, self._boot, row.payload) for row in rows])

    def _delete(self, ids: list[str]) -> None:
        with self._db.transaction() as db:
            db.executemany("DELETE FROM rows WHERE id = ?", [(id_,) for id_ in ids])
        for id_ in ids:
            del self._held[id_]

    def _expire(self, ran_s: float) -> list[str]:
        with self._db.transaction() as db:
            db.execute("UPDATE deployments SET left_s = left_s - ? WHERE left_s NOT NULL", (ran_s,))
            lost = [id_ for (id_,) in db.execute(_EXPIRE).fetchall()]
            db.execute("DELETE FROM deployments WHERE left_s <= 0")
        return lost

    def _end(self, statement: str, *values: str) -> None:
        with self._db.transaction() as db:
            db.execute(statement, (TTL_S, *values))

    def _end_others(self) -> None:
        """Deployments whose end nobody saw have ended by now. A disk that refuses is no reason to be dumb."""
        if not self._db.read("SELECT 1 FROM deployments WHERE left_s IS NULL"):
            return
        try:
            self._with_room(lambda: self._end(_END_OTHERS, self._boot))
        except DiskError as error:
            self._note(str(error))

    def _keep_reserve(self) -> None:
        """Own the reserve's blocks before somebody else does."""
        size = int(self._quota.reserve_mb * 1_000_000)
        if not size or self._reserve.exists() or self._free_bytes() < 2 * size:
            return
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:  # there is no room for one now
            self._reserve.unlink(missing_ok=True)

    def _free_bytes(self) -> int:
        disk = os.statvfs(self._reserve.parent)
        return disk.f_bavail * disk.f_frsize

    def _open(self, path: Path) -> Database:
        try:
            return Database(path, self._quota.max_mb, _SCHEMA)
        except Unsound as error:
            # It may hold messages that nobody has, so it is kept for a person, and the van goes on with a new file.
            aside = move_aside(path)
            self._log.alarm("outbox_unreadable", error=str(error), kept_as=str(aside))
            return Database(path, self._quota.max_mb, _SCHEMA)
