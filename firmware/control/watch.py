"""Possible matches as they arrive, each once. Knows one subscription and whom to believe; not how an event is shown."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from firmware.control.place import filters, place_of
from firmware.control.session import Address, Received, Session
from firmware.control.unseal import NotSigned, Unsealer, UnsealError
from firmware.messages import MatchEvent

REMEMBERED_IDS = 10_000
POLL_S = 0.2


@dataclass
class Watcher:
    """A subscription to the possible matches of one van, or of all vans whose keys are known.

    Args:
        address: the broker.
        unsealer: whom to believe, and what opens.
        van: the van, or ``None`` for all.
        clock: monotonic seconds.
        jitter: a number in [0, 1), new at each call.

    Attributes:
        counts: ``events``, ``duplicates``, and messages that were not believed by reason.
        subscribed: set while the broker grants the subscription.
    """

    address: Address
    unsealer: Unsealer
    van: str | None
    clock: Callable[[], float]
    jitter: Callable[[], float]
    counts: Counter[str] = field(default_factory=Counter)
    subscribed: threading.Event = field(default_factory=threading.Event)
    _shown: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    def run(
        self,
        on_event: Callable[[MatchEvent], None],
        stop: threading.Event,
        on_trouble: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Call ``on_event`` in this thread, once for each event of a van, until ``stop``; connects after every loss.

        Args:
            on_event: shows it.
            stop: ends this.
            on_trouble: told, in words that are not for a terminal as they are, when the connection is lost and when a
                message is not believed.
        """
        session = Session(self.address, filters(("match",), self.van), self.clock, self.jitter)
        said = session.reason
        try:
            while not stop.is_set():
                message = session.next(POLL_S)
                _set(self.subscribed, on=session.ready)
                if session.reason != said:
                    said = session.reason
                    on_trouble(f"broker {self.address.host}:{self.address.port}: {said or 'connected'}")
                event = self._event(message, on_trouble) if message is not None else None
                if event is not None:
                    on_event(event)
        finally:
            self.counts["unreadable"] += session.unreadable
            session.close()

    def _event(self, message: Received, on_trouble: Callable[[str], None]) -> MatchEvent | None:
        """The event of a message, when it is believed and was not shown before."""
        place = place_of(message.topic)
        try:
            if place is None or place.channel != "match" or self.van not in (None, place.van):
                raise NotSigned("not a topic that was asked for")
            event = self.unsealer.match(place.van, message.payload)
        except UnsealError as error:
            self.counts[error.reason] += 1
            on_trouble(f"not believed, {error.reason}: {error}")
            return None
        return event if self._is_new(event) else None

    def _is_new(self, event: MatchEvent) -> bool:
        if (event.van, event.id) in self._shown:
            self.counts["duplicates"] += 1
            return False
        self._shown[event.van, event.id] = None
        if len(self._shown) > REMEMBERED_IDS:
            self._shown.popitem(last=False)
        self.counts["events"] += 1
        return True


def _set(flag: threading.Event, *, on: bool) -> None:
    if on:
        flag.set()
    else:
        flag.clear()
