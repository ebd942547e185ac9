"""Whether this van still sees: a self-test at the start and every few minutes. Knows when; not what a face is.

A self-test is cut into steps of a frame each, taken between two frames of the street: none of these is held up longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware.log import Log
from models.manifest import ModelError


@dataclass(frozen=True)
class Vigilance:
    """How the look is watched.

    Attributes:
        sizes_px: (width, height) of the cameras' pictures.
        self_test_s: from one self-test to the next.
        no_faces_s: how long a camera may show none.
    """

    sizes_px: tuple[tuple[int, int], ...] = ((1280, 720),)
    self_test_s: float = 300.0
    no_faces_s: float = 600.0


class Vigil:
    """One self-test after the other.

    Args:
        begin: a self-test's steps; raises ModelError at the one that fails.
        every_s: from one to the next.
        clock: monotonic seconds.
        log: told what failed.
    """

    def __init__(
        self, begin: Callable[[], Iterator[None]], every_s: float, clock: Callable[[], float], log: Log
    ) -> None:
        self._begin = begin
        self._every_s = every_s
        self._clock = clock
        self._log = log
        self._steps: Iterator[None] | None = None
        self._passed_s: float | None = None

    @property
    def passed_ago_s(self) -> float | None:
        """Seconds since the last one passed; None before the first."""
        return None if self._passed_s is None else self._clock() - self._passed_s

    def go_on(self) -> None:
        """Take one step of the self-test that is due.

        Raises:
            ModelError: it failed.
        """
        if self._steps is None:
            if self._passed_s is not None and self._clock() - self._passed_s < self._every_s:
                return
            self._steps = self._begin()
        if self._step(self._steps):
            self._steps, self._passed_s = None, self._clock()

    def whole(self) -> None:
        """A self-test from its beginning to its end, now; raises as :meth:`go_on`."""
        self._passed_s, self._steps = None, self._begin()
        while self._steps is not None:
            self.go_on()

    def _step(self, steps: Iterator[None]) -> bool:
        """Whether that was the last."""
        try:
            return next(steps, self) is self
        except ModelError as error:
            self._steps, self._passed_s = None, None
            self._log.alarm("self-test failed", reason=str(error))
            raise
