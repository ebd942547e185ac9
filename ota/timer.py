"""When to look for updates: every so often, at no common moment, and less often while it is in vain. Knows seconds."""

from __future__ import annotations

from collections.abc import Callable

FIRST_RETRY_S = 15.0
JITTER = 0.2
"""Of the period, so that a fleet that was switched on together does not ask together."""


class Timer:
    """Due at once, then after each result again.

    Args:
        every_s: between two looks that succeeded; the longest wait after a failure too.
        chance: evenly spread in [0, 1).
        monotonic: seconds.
    """

    def __init__(self, every_s: float, chance: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._every_s = every_s
        self._chance = chance
        self._monotonic = monotonic
        self._next_s = monotonic()
        self._retry_s = min(FIRST_RETRY_S, every_s)

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self._monotonic() >= self._next_s

    def at_once(self) -> None:
        """Somebody asked."""
        self._next_s = self._monotonic()

    def succeeded(self) -> None:
        """The next look is one period away."""
        self._retry_s = min(FIRST_RETRY_S, self._every_s)
        self._wait(self._every_s)

    def failed(self) -> None:
        """Try again soon, and each time after twice as long."""
        self._wait(self._retry_s)
        self._retry_s = min(self._retry_s * 2, self._every_s)

    def _wait(self, wait_s: float) -> None:
        self._next_s = self._monotonic() + wait_s * (1 + JITTER * (2 * self._chance() - 1))
