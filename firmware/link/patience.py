"""How long to wait after a failure. Knows seconds and chance; refuses to know what failed."""

from __future__ import annotations

from collections.abc import Callable

RETRY_MIN_S = 0.5
RETRY_MAX_S = 10.0
"""An alert is of use for a minute: a broker that is back is to be found in a fraction of it."""


class Backoff:
    """Seconds to wait before the next attempt: by chance, within a bound that doubles.

    A thousand vans that lost one broker in one moment must not come back in one moment.

    Args:
        chance: a number in [0, 1) at each call.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self.reset()

    def reset(self) -> None:
        """The last attempt worked."""
        self._longest_s = 2 * RETRY_MIN_S

    def grow(self) -> float:
        """The last attempt failed; returns how long to wait now, from ``RETRY_MIN_S`` to ``RETRY_MAX_S``."""
        wait_s = RETRY_MIN_S + self._chance() * (self._longest_s - RETRY_MIN_S)
        self._longest_s = min(RETRY_MAX_S, 2 * self._longest_s)
        return wait_s
