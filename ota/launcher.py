"""``python -m ota.launcher SLOTS -- MODULE ARGS``: keep ``python -m MODULE ARGS`` running, from the current slot.

Knows which folder starts, how, and when again; refuses to know what an application is. Small and old on purpose: it
stays with the base when everything else is replaced. ``ARGS`` are handed on as they are, so paths in them are absolute:
the working folder becomes the slot, whose modules thus come before any other's. Exit codes of the application: 0 and 2
(told to end, not configured right) end this too; 4 starts it again at once, any other after a pause.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ota.disk import Disk
from ota.installer import InstallError
from ota.slots import Slots

PAUSE_S = 5.0
ENDS = (0, 2)
START_ANEW = 4
FAILED = 1
_SLICE_S = 0.1
_USAGE = "usage: python -m ota.launcher SLOTS -- MODULE ARGS\n"


class Launcher:
    """One application, over its restarts.

    Args:
        folder: of the slots.
        command: module and arguments.
        pause_s: before it is started again after a failure.
    """

    def __init__(self, folder: Path, command: Sequence[str], pause_s: float = PAUSE_S) -> None:
        self._folder = folder
        self._command = command
        self._pause_s = pause_s
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped_by = 0

    def stop(self, number: int, _frame: object = None) -> None:
        """A signal: hand it on, and start nothing any more."""
        self._stopped_by = number
        if self._child is not None:
            self._child.send_signal(number)

    def run(self) -> int:
        """Until the application has ended for good; its exit code."""
        while True:
            code = self._run_once(self._slot())
            if self._stopped_by or code in ENDS:
                return max(code, 0)  # ended by the signal that it was told to end by
            _say(f"{self._command[0]} ended with {code}")
            if code != START_ANEW:
                self._pause()
            if self._stopped_by:
                return 0

    def _run_once(self, slot: Path | None) -> int:
        python = [sys.executable, "-m", *self._command]
        # env(1) hands the rest of the environment on, which is nobody's business here
        command = python if slot is None else ["/usr/bin/env", f"PYTHONPATH={slot}", *python]
        try:
            self._child = subprocess.Popen(command, cwd=slot)
        except OSError as error:
            _say(f"{self._command[0]} does not start: {error}")
            return FAILED
        if self._stopped_by:  # before there was a child to tell
            self._child.send_signal(self._stopped_by)
        return self._child.wait()

    def _slot(self) -> Path | None:
        """What starts now. Whatever the disk does, something does."""
        try:
            slots = Slots(self._folder, Disk(), _never)
        except OSError as error:
            _say(f"{self._folder}: {error.strerror}; the base starts")
            return None
        if slots.fault:
            _say(f"{slots.fault}; the base starts")
        try:
            slot = slots.start()
        except OSError as error:
            _say(f"{self._folder}: {error.strerror}: a trial cannot be counted, so what was before it starts")
            slot = slots.before()
        if slot is not None and not slot.is_dir():
            _say(f"{slot}: not there; the base starts")
            return None
        return slot

    def _pause(self) -> None:
        until_s = time.monotonic() + self._pause_s
        while time.monotonic() < until_s and not self._stopped_by:
            time.sleep(_SLICE_S)


def main(arguments: list[str], pause_s: float = PAUSE_S) -> int:
    """The application's exit code, or 2 for a wrong command line."""
    if len(arguments) < 3 or arguments[1] != "--":
        sys.stderr.write(_USAGE)
        return 2
    launcher = Launcher(Path(arguments[0]).absolute(), arguments[2:], pause_s)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, launcher.stop)
    return launcher.run()


def _say(words: str) -> None:
    sys.stderr.write(f"ota.launcher: {words}\n")


def _never(_content: Path, _into: Path, _disk: Disk) -> None:
    raise InstallError("the launcher installs nothing")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
