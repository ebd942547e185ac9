"""What time it certainly is not yet: the wall clock of a van, with a floor. Knows seconds; not who proved the floor.

A van's clock can be set back, by an empty battery or by somebody who wants expired things accepted. Signed metadata
proves that a moment has passed, so the floor is the latest of the release's own moment and of all that was proved. A
clock that jumps ahead while the machine runs is not believed either, until it is back or something signed vouches for
it; it raises nothing, since that would lock the van out when the clock comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone

BUILD_FLOOR = 1_795_478_400
"""2026-11-24T00:00:00Z: this release was made after it, so it is never earlier. To be moved with each release."""
LAST = 2**40
"""No moment is later; a figure beyond it comes from a broken clock."""
JUMP_S = 3600
"""Nobody sets a clock ahead by more than this while it runs, unless it was wrong before."""
VOUCHED_S = 25 * 3600
"""Fresh signed metadata is at most a day old, so it vouches for this much after it, with an hour to spare."""


class ClockError(Exception):
    """The clock is certainly wrong: nothing that has a time limit is to be installed, armed or kept."""


class Clock:
    """The wall clock, believed only from the floor on.

    Args:
        now: seconds since the epoch, UTC.
        floor: it is certainly not before this, in whole seconds since the epoch; see :func:`wall_clock`.
        running: seconds that nobody can set and that go on while the machine sleeps; None: a jump cannot be told.
    """

    def __init__(self, now: Callable[[], float], floor: int, running: Callable[[], float] | None = None) -> None:
        self._now = now
        self._floor = floor
        self._running = running
        self._ahead_s: float | None = None  # of `running`, at the least since something vouched for it
        self._proved = 0  # since the last reading that was believed

    @property
    def floor(self) -> int:
        """Seconds since the epoch: it is certainly not before this."""
        return self._floor

    def now(self) -> int:
        """Whole seconds since the epoch.

        Raises:
            ClockError: the clock stands before the floor, or jumped ahead and nothing signed vouches for it since.
        """
        now = self.claimed()
        if self._running is not None:
            self._tell_jump(now, now - self._running())
        self._proved = 0
        return now

    def claimed(self) -> int:
        """What the clock says, jumped ahead or not: only to judge by it what may vouch for it, see :meth:`raise_floor`.

        Raises:
            ClockError: the clock stands before the floor.
        """
        now = int(self._now())
        if not self._floor <= now <= LAST:
            raise ClockError(f"the clock says {_text(now)}, and it is certainly not before {_text(self._floor)}")
        return now

    def raise_floor(self, moment: int) -> None:
        """It is certainly not before ``moment``: something signed says so. The floor never sinks."""
        self._floor = max(self._floor, moment)
        self._proved = max(self._proved, moment)

    def _tell_jump(self, now: int, ahead_s: float) -> None:
        least_s = ahead_s if self._ahead_s is None else self._ahead_s
        if self._proved and now - self._proved <= VOUCHED_S:
            least_s = ahead_s
        if ahead_s - least_s > JUMP_S:
            jump = f"jumped ahead by {ahead_s - least_s:.0f} s to {_text(now)}, more than {JUMP_S}"
            raise ClockError(f"the clock {jump}, and nothing signed vouches for it")
        # the least, lest it creeps ahead by many small jumps
        self._ahead_s = min(least_s, ahead_s)


def wall_clock(saved: int) -> Clock:
    """This machine's clock. ``saved``: the floor as it was stored; the release's own is the least."""
    return Clock(time.time, max(saved, BUILD_FLOOR), _running_s)


def _running_s() -> float:
    """Seconds since this machine was switched on; nobody can set them, and they go on while it sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _text(moment: int) -> str:
    if not 0 <= moment <= LAST:
        return f"{moment} s"
    try:
        return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError):  # LAST is beyond the year 9999
        return f"{moment} s"
