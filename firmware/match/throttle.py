"""Ask the machine how it is, and let through only the frames that it can bear. Knows when to ask; no limit, no picture.

The limits are the table of :mod:`firmware.match.shedding`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from board.camera import Frame
from board.power_mode import PowerMode
from board.thermal import Heat
from firmware.match.shedding import EVERY, Level, Load, Pacer, Shedder

ASK_EVERY_NS = 1_000_000_000
Clock = Callable[[], int]


@dataclass(frozen=True)
class Machine:
    """What can be asked.

    Attributes:
        heat: None where it cannot be told.
        power_mode: NVIDIA's.
        fallback: the networks run on the fallback runner.
    """

    heat: Callable[[], Heat | None]
    power_mode: Callable[[], PowerMode]
    fallback: bool


class Throttle:
    """One thread asks whether frames may pass; any thread may read the level.

    Args:
        machine: what is asked.
        clock: monotonic nanoseconds, the one that frames are stamped with.
    """

    def __init__(self, machine: Machine, clock: Clock = time.monotonic_ns) -> None:
        self.level: Level = EVERY
        self._machine = machine
        self._clock = clock
        self._shedder = Shedder()
        self._pacer = Pacer()
        self._oldest_ns = 0
        self._asked_ns: int | None = None

    def passes(self, frame: Frame) -> bool:
        """Whether a frame that was taken just now is to be looked at. The machine is asked at most once a second."""
        now_ns = self._clock()
        self._oldest_ns = max(self._oldest_ns, now_ns - frame.t_ns)
        if self._asked_ns is None or now_ns - self._asked_ns >= ASK_EVERY_NS:
            self._ask(now_ns)
        return self._pacer.due(frame.camera, frame.t_ns, self.level)

    def looked(self, frame: Frame) -> None:
        """The look at a frame is over: its age now is what an overloaded machine shows (the queue holds one frame)."""
        self._oldest_ns = max(self._oldest_ns, self._clock() - frame.t_ns)

    def _ask(self, now_ns: int) -> None:
        self._asked_ns = now_ns
        load = Load(
            heat=self._machine.heat(),
            age_s=self._oldest_ns / 1e9,
            power=self._machine.power_mode(),
            fallback=self._machine.fallback,
        )
        self.level = self._shedder.update(load, now_ns)
        self._oldest_ns = 0
