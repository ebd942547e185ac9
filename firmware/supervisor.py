"""Keep the processes of the appliance alive on a host; on a van systemd does. Knows processes; not what they do."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from firmware.log import Log

STOP_S = 20.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
NOT_CONFIGURED, START_ANEW, START_ALL_ANEW = 2, 3, 4
"""Exit codes of the processes. The last: software on trial did not prove itself, so whoever started all starts all."""


@dataclass
class _Child:
    module: str
    process: subprocess.Popen[bytes] | None = None
    pause_s: float = FIRST_PAUSE_S
    start_at_s: float = 0.0
    restarts: int = field(default=0)


class Supervisor:
    """Runs ``firmware.agent``, if there is one, ``firmware.link`` and ``firmware.match`` with one configuration.

    Args:
        config: the TOML file.
        log: for starts and restarts.
        agent: whether the configuration has an update agent.
        before_match: called, and waited for, before a match process that asked to be started anew is: it may have taken
            another model, whose engines are to be built.
        output: where the processes' lines go; this process's own output unless told.
    """

    def __init__(
        self,
        config: Path,
        log: Log,
        output: IO[bytes] | None = None,
        *,
        agent: bool = False,
        before_match: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._log = log
        self._output = output
        self._before_match = before_match
        self._link = _Child("firmware.link")
        self._match = _Child("firmware.match")
        self._all = (*([_Child("firmware.agent")] if agent else []), self._link, self._match)

    def run(self, stop: threading.Event) -> int:
        """Until ``stop`` is set or the match process has nothing left to see; returns the exit code."""
        try:
            while not stop.is_set():
                for child in self._all:
                    code = self._tend(child)
                    if code in (NOT_CONFIGURED, START_ALL_ANEW) or (child is self._match and code == 0):
                        return code or 0
                stop.wait(0.1)
            return 0
        finally:
            for child in reversed(self._all):
                self._end(child)

    def _tend(self, child: _Child) -> int | None:
        """Start a child that does not run; returns the exit code of one that has just ended."""
        if child.process is None:
            if time.monotonic() >= child.start_at_s:
                command = [sys.executable, "-m", child.module, str(self._config)]
                child.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._output)
            return None
        code = child.process.poll()
        if code == START_ANEW:
            self._log.info("ordered to start anew", module=child.module)
            child.process, child.start_at_s = None, 0.0
            self._end(self._link)
            self._link.process = None
            self._before_match()
        elif code is not None:
            if time.monotonic() - child.start_at_s > LONGEST_PAUSE_S:  # it ran well: this is a new trouble
                child.pause_s = FIRST_PAUSE_S
            self._log.info("process ended", module=child.module, code=code, restart_in_s=child.pause_s)
            child.process = None
            child.start_at_s = time.monotonic() + child.pause_s
            child.pause_s = min(child.pause_s * 2, LONGEST_PAUSE_S)
            child.restarts += 1
        return code

    def _end(self, child: _Child) -> None:
        if child.process is None:
            return
        child.process.terminate()
        try:
            child.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._log.alarm("process killed", module=child.module, after_s=STOP_S)
            child.process.kill()
            child.process.wait()
