"""Which state of a van is newer, and what is remembered of that from one call of the console to the next.

Knows boots, numbers and one small file; refuses to know who signed a state: only verified ones come here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import msgspec

from firmware.messages import Boot, Count, State, UptimeS, VanId

MAX_LEFT_BOOTS = 50
Order = Literal["newer", "same", "older"]


class SeenError(Exception):
    """The file of what was seen cannot be used; the text names it. Without it an old state may pass for a new one."""


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is remembered of a van: its newest state's place in time, and the boots that it has left for good."""

    boot: Boot
    n: Count
    uptime_s: UptimeS
    said_utc: str
    clock_trusted: bool
    left: tuple[Boot, ...] = ()

    @staticmethod
    def first(state: State, left: tuple[Boot, ...] = ()) -> Seen:
        """``state`` is the newest, after these boots."""
        return Seen(state.boot, state.n, state.uptime_s, state.said_utc, state.clock_trusted, left)

    def order(self, state: State) -> Order:
        """How ``state`` stands to what was seen. Boots have no order of their own; a trusted clock gives them one."""
        if state.boot == self.boot:
            forward = state.n > self.n and state.uptime_s >= self.uptime_s
            return "newer" if forward else "same" if state.n == self.n else "older"
        trusted = state.clock_trusted and self.clock_trusted
        said, before = moment(state.said_utc), moment(self.said_utc)
        goes_back = trusted and said is not None and before is not None and said < before
        return "older" if state.boot in self.left or goes_back else "newer"

    def after(self, state: State) -> Seen:
        """With ``state`` as the newest."""
        return Seen.first(state, self.left if state.boot == self.boot else (self.boot, *self.left)[:MAX_LEFT_BOOTS])


def load_seen(path: Path) -> dict[VanId, Seen]:
    """What was remembered; nothing when there is no file yet.

    Raises:
        SeenError: there is one and it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[VanId, Seen])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SeenError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SeenError(f"{path}: {error}; look at it, then delete it") from error


def save_seen(path: Path, seen: Mapping[VanId, Seen]) -> None:
    """Replace the file; it is whole at every moment.

    Raises:
        SeenError: it cannot be written.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.write_bytes(msgspec.json.encode(dict(seen)))
        beside.replace(path)
    except OSError as error:
        raise SeenError(f"{path}: {error.strerror}") from error


def moment(utc: str) -> datetime | None:
    """The moment that an ISO 8601 text with ``Z`` or an offset names, in UTC without; ``None`` for other text."""
    try:
        parsed = datetime.fromisoformat(utc.replace("Z", "+00:00"))
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=timezone.utc)
