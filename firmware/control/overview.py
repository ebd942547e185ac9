"""All vans at a glance, kept up to date. Knows which messages make up the picture; not how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware.control.fleet import Fleet
from firmware.control.place import place_of
from firmware.control.session import Received, Session
from firmware.control.unseal import NotForUs, UnsealError

POLL_S = 0.2


@dataclass(frozen=True)
class Overview:
    """A fleet and the session, subscribed to ``state`` and ``evt/health``, that tells of it; ``clock`` is monotonic."""

    session: Session
    fleet: Fleet
    clock: Callable[[], float]

    def gather(self, timeout_s: float) -> None:
        """Listen until something is known of each van, but for no longer than that."""
        give_up_s = self.clock() + timeout_s
        while self.clock() < give_up_s and not all(one.state or one.hinted for one in self.fleet.vans.values()):
            self.listen(min(POLL_S, give_up_s - self.clock()))

    def listen(self, timeout_s: float) -> None:
        """Take in one message, or none in that time."""
        message = self.session.next(timeout_s)
        place = place_of(message.topic) if message is not None else None
        if message is None or place is None or place.van not in self.fleet.vans:
            return
        try:
            self._take(place.van, place.channel, message)
        except NotForUs:
            return  # a console without the recipients' key sees counters only
        except UnsealError:
            self.fleet.disbelieve(place.van)

    def _take(self, van: str, channel: str, message: Received) -> None:
        if channel == "state":
            self.fleet.hear_state(van, message.payload, retained=message.retained, now_s=self.clock())
        elif channel == "health":
            self.fleet.hear_health(van, message.payload, now_s=self.clock())
