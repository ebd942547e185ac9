"""How long to wait after a failure, and which refused rows wait. Knows seconds; refuses to know outbox and broker."""

from __future__ import annotations

RETRY_MIN_S = 0.5
RETRY_MAX_S = 30.0


class Backoff:
    """Seconds to wait before the next attempt: doubling from ``RETRY_MIN_S`` to ``longest_s``."""

    def __init__(self, longest_s: float = RETRY_MAX_S) -> None:
        self._longest_s = longest_s
        self._next_s = RETRY_MIN_S

    def reset(self) -> None:
        """The last attempt worked."""
        self._next_s = RETRY_MIN_S

    def grow(self) -> float:
        """The last attempt failed; returns how long to wait now."""
        wait_s, self._next_s = self._next_s, min(self._longest_s, 2 * self._next_s)
        return wait_s


class Hold:
    """The rows that were refused for one kind of reason; times are monotonic seconds.

    Each waits for its own time. The wait grows once for all that was sent before a pause ended, however many of it are
    refused; and only when the pause is over is any tried again, so a long queue of refused rows is not sent each time.
    """

    def __init__(self, longest_s: float) -> None:
        self._backoff = Backoff(longest_s)
        self._wait_s = 0.0
        self._paused_until = 0.0
        self._not_before: dict[int, float] = {}

    @property
    def rows(self) -> set[int]:
        """All rows held, due or not."""
        return set(self._not_before)

    def refuse(self, row: int, sent: float, now: float) -> float:
        """Hold a row; returns for how long."""
        if sent >= self._paused_until:
            self._wait_s = self._backoff.grow()
            self._paused_until = now + self._wait_s
        self._not_before[row] = now + self._wait_s
        return self._wait_s

    def due(self, now: float) -> set[int]:
        """The rows that may be tried again."""
        return {row for row, time in self._not_before.items() if max(time, self._paused_until) <= now}

    def next_due(self) -> float:
        """When a row may be tried again; infinite without any."""
        return max(self._paused_until, min(self._not_before.values(), default=float("inf")))

    def release(self, rows: set[int]) -> None:
        """Hold these no longer."""
        for row in rows:
            self._not_before.pop(row, None)

    def forget(self) -> None:
        """Hold nothing: a new connection may be of another mind. The wait keeps growing from where it was."""
        self._not_before.clear()
        self._paused_until = 0.0

    def reset(self) -> None:
        """A row got through: the next pause is a short one. Rows held keep their times."""
        self._backoff.reset()
        self._paused_until = 0.0
