"""Software and OS image: two places, one of them in use; a new one must prove itself or what was before comes back.

Knows the port that both share and when something counts as healthy; refuses to know how a place is written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

HEALTHY_S = 180.0
"""So long without a break, and it is kept."""
GIVE_UP_S = 600.0
"""Not healthy in that time after a start: this start has failed."""
MAX_STARTS = 3
Stage = Literal["absent", "waiting", "trial", "good", "failed"]
"""``waiting``: it starts next. ``trial``: it runs, and has to prove itself. ``failed``: what was before is back, or
starts next."""
Judgement = Literal["", "healthy", "unhealthy"]


class InstallError(Exception):
    """It cannot be used; what runs stays. The text names the thing and the fault."""


class NotNow(Exception):
    """Nothing is known to be wrong with it, but it cannot be done now; it is tried again. The text says why."""


class Installer(Protocol):
    """Writes the place that is not in use. Each method can be cut at any byte and called again."""

    def install(self, content: Path, sha256: str) -> None:
        """Write it, and make it what starts next. Nothing that runs is touched.

        Raises:
            InstallError: it is not fit, or another one is still on trial.
            NotNow, OSError: try again.
        """

    def stage(self, sha256: str) -> Stage:
        """How far it has come.

        Raises:
            NotNow: it cannot be told.
        """

    def settle(self, sha256: str) -> None:
        """It is healthy: keep it. Nothing happens if it is not on trial.

        Raises:
            NotNow, OSError: try again.
        """

    def go_back(self, sha256: str) -> None:
        """What was before is what starts next.

        Raises:
            NotNow, OSError: try again.
        """


class HealthGate:
    """Judges one start.

    Args:
        healthy: whether all is well now.
        monotonic: seconds.
    """

    def __init__(self, healthy: Callable[[], bool], monotonic: Callable[[], float]) -> None:
        self._healthy = healthy
        self._monotonic = monotonic
        self._started_s = monotonic()
        self._well_since_s: float | None = None

    def judge(self) -> Judgement:
        """To be asked often: what happens between two questions is not seen."""
        now_s = self._monotonic()
        if not self._healthy():
            self._well_since_s = None
        elif self._well_since_s is None:
            self._well_since_s = now_s
        if self._well_since_s is not None and now_s - self._well_since_s >= HEALTHY_S:
            return "healthy"
        late = now_s - self._started_s >= GIVE_UP_S
        return "unhealthy" if late and self._well_since_s is None else ""
