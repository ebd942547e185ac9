"""What this van was last ordered to be, kept over restarts: who can crash it cannot make it look again.

Knows modes, which of two is narrower, and one file; refuses to know who gave the order. A file that cannot be read
locks the van, and so does one that is gone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from firmware.log import Log
from models.durable import replace_durably

Standing = Literal["seeing", "paused", "stopped", "purged", "locked"]
NARROWER: tuple[Standing, ...] = ("seeing", "paused", "stopped", "purged", "locked")
"""From the widest to the narrowest. An order to narrow never widens."""
NOT_KEPT = "in force, but a restart would forget it"
WIPED: frozenset[str] = frozenset({"stopped", "purged", "locked"})
"""In these the van has no list, and gets none before it was released again and has started anew."""


class OrdersError(Exception):
    """The order could not be kept; it is in force all the same, until the process ends."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    mode: Standing
    threshold: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0


class StandingOrders:
    """The mode and the raised threshold; one thread changes them, any may read.

    Args:
        path: the file. That it is missing locks a van that has been here before: deleting it must not widen.
        log: told when the file cannot be used.
        first_start: nothing of this van is here yet.
        make_room: asked when the disk is full; whether there is room now that there was not.

    Attributes:
        fault: why the van is locked although nobody ordered it, or why an order is not kept.
    """

    def __init__(
        self, path: Path, log: Log, *, first_start: bool, make_room: Callable[[str], bool] = lambda reason: False
    ) -> None:
        self.fault = ""
        self._path = path
        self._log = log
        self._make_room = make_room
        kept = self._read(first_start=first_start)
        self.mode: Standing = kept.mode
        self.threshold: float = kept.threshold
        self._is_kept = True
        if first_start and not self.fault:
            with contextlib.suppress(OrdersError):
                self._keep()

    @property
    def wiped(self) -> bool:
        """The van must have no list."""
        return self.mode in WIPED

    @property
    def kept(self) -> bool:
        """A restart would come back to what is in force."""
        return self._is_kept

    def narrow(self, mode: Standing) -> None:
        """At least as narrow as ``mode`` from now on.

        Raises:
            OrdersError: the order is in force, but a restart would forget it.
        """
        self.mode = max(self.mode, mode, key=NARROWER.index)
        self._keep()

    def widen(self) -> None:
        """Look again; from a wiped mode after the next start, with a list and the threshold that belongs to it.

        Raises:
            OrdersError: mode and threshold are what they were.
        """
        before = self.mode, self.threshold
        self.mode, self.threshold = "seeing", 0.0 if self.wiped else self.threshold
        try:
            self._keep()
        except OrdersError:
            self.mode, self.threshold = before
            raise

    def raise_threshold(self, threshold: float) -> None:
        """Ask for at least this similarity from now on, a cosine.

        Raises:
            OrdersError: the order is in force, but a restart would forget it.
        """
        self.threshold = max(self.threshold, threshold)
        self._keep()

    def tend(self) -> None:
        """Write down what could not be written down before."""
        if not self._is_kept:
            with contextlib.suppress(OrdersError):
                self._keep()

    def _keep(self) -> None:
        try:
            self._write()
        except OSError as error:
            fault = f"standing orders not kept: {self._path}: {error.strerror}"
            if self._make_room(fault):
                self._keep()
                return
            self._is_kept, self.fault = False, fault
            raise OrdersError(fault) from error
        self._is_kept, self.fault = True, ""

    def _write(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_durably(self._path, msgspec.json.encode(_File(1, self.mode, self.threshold)), 0o600)

    def _read(self, *, first_start: bool) -> _File:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError as error:
            if first_start:
                return _File(1, "seeing")
            reason = str(error)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            reason = str(error)
        self.fault = f"standing orders unreadable, so the van is locked: {self._path}"
        self._log.alarm("standing orders unreadable", file=str(self._path), error=reason)
        return _File(1, "locked")
