"""What to try when a camera does not come back. Knows a ladder of remedies; refuses to know drivers.

    fails to bring a frame -> open it again -> ask for a restart of NVIDIA's camera daemon -> end this process

A failed open leaks inside the driver (dusty-nv/jetson-utils #148), and the daemon can hang alive with every CSI camera
dark (libnvscf's CaptureScheduler, JetPack 6.0 to 6.2.1), so opening again for ever is no remedy.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable
from pathlib import Path

ASK_AGAIN_NS = 60_000_000_000
"""A restart of the daemon darkens every CSI camera: at most one a minute, whichever camera asks."""


class CameraStuck(Exception):
    """Nothing that this process can do brings the camera back: it must end, so that its supervisor starts it afresh."""


class Remedy(enum.Enum):
    """What to do about a failure."""

    REOPEN = "open it again"
    ASK_RESTART = "ask for a restart of the camera daemon"
    END = "end the process"


LADDER = ((1, Remedy.REOPEN), (4, Remedy.ASK_RESTART), (8, Remedy.END))
"""From this many failures in a row on: the last after 40 s where opening fails, 2 minutes where it stays dark."""


class Recovery:
    """Counts failures of each camera, in a row.

    Args:
        request: file whose being there asks a privileged unit to restart the daemon.
        clock: monotonic nanoseconds.
    """

    def __init__(self, request: Path, clock: Callable[[], int]) -> None:
        self._request = request
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._asked_ns: int | None = None

    def brought_frames(self, camera: str) -> None:
        """It works."""
        self._failures.pop(camera, None)

    def failed(self, camera: str, *, on_daemon: bool) -> Remedy:
        """Note that ``camera`` could not be opened, or brought no frame, and do what the ladder says.

        Args:
            camera: its name.
            on_daemon: whether it is read through the daemon, as CSI cameras are.

        Raises:
            CameraStuck: the ladder has no more.
        """
        count = self._failures[camera] = self._failures.get(camera, 0) + 1
        remedy = [remedy for failures, remedy in LADDER if count >= failures][-1]
        if remedy is Remedy.END:
            raise CameraStuck(f"camera {camera} brought no frame in {count} attempts")
        if remedy is Remedy.ASK_RESTART and on_daemon:
            self._ask()
        return remedy

    def _ask(self) -> None:
        now_ns = self._clock()
        if self._asked_ns is None or now_ns - self._asked_ns >= ASK_AGAIN_NS:
            self._asked_ns = now_ns
            with contextlib.suppress(OSError):  # nobody to ask: the ladder goes on
                self._request.parent.mkdir(parents=True, exist_ok=True)
                self._request.touch()
