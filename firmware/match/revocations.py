"""Which lists and entries are never to be used again, kept over restarts. Knows digests, times and one file; refuses to
know who revoked and what an entry is.

A list lives for a week at most, so its revocation is let go a month after it was written down, by a time that is
certainly past. A file that cannot be read, or is gone, revokes everything; so does more than can be kept, for a month.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from board.clock import Clock, ClockError
from firmware.log import Log
from models.durable import replace_durably
from ota.content import MAX_ENTRIES, Moment, Sha256

MAX_LISTS = 10_000
KEPT_DAYS = 30
_DAY_S = 86_400
_WHOLE: frozenset[str] = frozenset()


class RevocationsError(Exception):
    """It could not be kept; it is in force all the same, until the process ends."""


class _List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``at``: when it was revoked last, in seconds since the epoch. No marks revoke the whole list."""

    at: Moment
    marks: Annotated[tuple[Sha256, ...], msgspec.Meta(max_length=MAX_ENTRIES)] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``overflow``: when there was last no room for a list; 0 for never."""

    v: Literal[2]
    revoked: dict[Sha256, _List]
    overflow: Moment = 0


@dataclass(frozen=True)
class _Revoked:
    """An empty set of marks revokes the whole list."""

    at: int
    marks: frozenset[str]


class Revocations:
    """One thread changes them, any may read.

    Args:
        path: the file. That it is missing revokes everything on a van that has been here before.
        log: told when the file cannot be used.
        clock: its floor is a time that is certainly past.
        first_start: nothing of this van is here yet.
        make_room: asked when the disk is full; whether there is room now that there was not.

    Attributes:
        fault: why nothing can be armed although it was not revoked, or why a revocation is not kept.
    """

    def __init__(
        self,
        path: Path,
        log: Log,
        clock: Clock,
        *,
        first_start: bool,
        make_room: Callable[[str], bool] = lambda reason: False,
    ) -> None:
        self.fault = ""
        self._path = path
        self._log = log
        self._clock = clock
        self._make_room = make_room
        self._is_readable = self._is_kept = True
        self._overflow = 0
        self._revoked: dict[str, _Revoked] = self._read(first_start=first_start)
        if first_start and not self.fault:
            with contextlib.suppress(RevocationsError):
                self._keep()

    @property
    def everything(self) -> bool:
        """No list may be used."""
        return not self._is_readable or bool(self._overflow)

    def whole(self, sha256: str) -> bool:
        """Whether this list may not be used."""
        found = self._revoked.get(sha256)
        return self.everything or (found is not None and found.marks == _WHOLE)

    def entries(self, sha256: str) -> Collection[str]:
        """Marks of this list's entries that may not be used; says nothing of a list that is revoked as a whole."""
        found = self._revoked.get(sha256)
        return _WHOLE if found is None else found.marks

    def add(self, sha256: str, marks: Collection[str] = ()) -> None:
        """Never again these entries of this list; none means the whole list.

        Raises:
            RevocationsError: in force, but a restart would forget it.
        """
        self.add_all(((sha256, marks),))

    def add_all(self, revoked: Collection[tuple[str, Collection[str]]]) -> None:
        """Never again these entries of these lists, in one write; no entries mean the whole list.

        Raises:
            RevocationsError: in force, but a restart would forget it.
        """
        now = self._now()
        news = [self._add(sha256, marks, now) for sha256, marks in revoked]
        if any(news) or not self._is_kept:
            self._keep()

    def tend(self) -> None:
        """Let go what is over, and write down what could not be written down before."""
        if self._let_go() or not self._is_kept:
            with contextlib.suppress(RevocationsError):
                self._keep()

    def _add(self, sha256: str, marks: Collection[str], now: int) -> bool:
        """Whether that is news."""
        before = self._revoked.get(sha256)
        if before is None and len(self._revoked) >= MAX_LISTS:
            is_news = now - self._overflow >= _DAY_S  # not a write for each: somebody is filling the disk
            self._overflow = now if is_news else self._overflow
            return is_news
        had = None if before is None else before.marks
        after = _WHOLE if not marks or had == _WHOLE else frozenset(marks) | (had or _WHOLE)
        if len(after) > MAX_ENTRIES:
            after = _WHOLE  # more marks than a list can have entries
        if had == after:
            return False
        self._revoked[sha256] = _Revoked(now, after)
        return True

    def _let_go(self) -> bool:
        """Whether something was over."""
        ended = self._clock.floor - KEPT_DAYS * _DAY_S
        over = [sha256 for sha256, one in self._revoked.items() if one.at < ended]
        for sha256 in over:
            del self._revoked[sha256]
        relaxes = bool(self._overflow) and self._overflow + _DAY_S < ended
        if relaxes:
            self._overflow = 0
        return bool(over) or relaxes

    def _now(self) -> int:
        """Not before it is: the wall clock where that is later, so that nothing is let go too early."""
        try:
            return max(self._clock.now(), self._clock.floor)
        except ClockError:
            return self._clock.floor

    def _keep(self) -> None:
        if not self._is_readable:
            return  # it stays as it is for whoever looks into it
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lists = {sha256: _List(one.at, tuple(sorted(one.marks))) for sha256, one in self._revoked.items()}
            kept = _File(2, lists, self._overflow)
            replace_durably(self._path, msgspec.json.encode(kept), 0o600)
        except OSError as error:
            fault = f"revocations not kept: {self._path}: {error.strerror}"
            if self._make_room(fault):
                self._keep()
                return
            self._is_kept, self.fault = False, fault
            raise RevocationsError(fault) from error
        self._is_kept, self.fault = True, self._too_many()

    def _read(self, *, first_start: bool) -> dict[str, _Revoked]:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError as error:
            if first_start:
                return {}
            reason = str(error)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            reason = str(error)
        else:
            self._overflow = kept.overflow
            self.fault = self._too_many()
            return {sha256: _Revoked(one.at, frozenset(one.marks)) for sha256, one in kept.revoked.items()}
        self._is_readable = False
        self.fault = f"revocations unreadable, so nothing can be armed: {self._path}"
        self._log.alarm("revocations unreadable", file=str(self._path), error=reason)
        return {}

    def _too_many(self) -> str:
        if not self._overflow:
            return ""
        return f"more than {MAX_LISTS} lists were revoked within {KEPT_DAYS} days, so nothing can be armed until later"
