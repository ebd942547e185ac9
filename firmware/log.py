"""One JSON line per event on standard output, for journald. A name and fields; never a face, vector, name or key.

Knows how a line looks; refuses to know what happened. There are no levels to tune: a line is an event or an alarm.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

import msgspec

Field = str | int | float | bool | None


class Log:
    """Writes events of one process; any thread may call it.

    Args:
        process: the name that every line carries, ``match`` or ``link``.
        stream: where lines go; standard output unless told.
        now: seconds since the epoch, for the line's ``t``.
    """

    def __init__(self, process: str, stream: TextIO | None = None, now: Callable[[], float] = time.time) -> None:
        self._process = process
        self._stream = stream if stream is not None else sys.stdout
        self._now = now
        self._lock = threading.Lock()

    def info(self, event: str, **fields: Field) -> None:
        """Something that happened as it should."""
        self._write("info", event, fields)

    def alarm(self, event: str, **fields: Field) -> None:
        """Something that a person has to know."""
        self._write("alarm", event, fields)

    def _write(self, kind: str, event: str, fields: dict[str, Field]) -> None:
        line = {"t": round(self._now(), 3), "process": self._process, "kind": kind, "event": event, **fields}
        text = msgspec.json.encode(line).decode() + "\n"
        # Several threads share one stream, and a line must stay whole. A log that cannot be written ends nothing.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
