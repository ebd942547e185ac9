"""The watcher as the demo uses it: one call, one van, each event once, whatever the broker does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from firmware.control.watch import Watcher
from firmware.messages import MatchEvent
from firmware.topics import topic
from tests.control.stage import OTHER, PATIENCE_S, VAN, Keys, at, free_port, iotcore, wait_until
from tests.control.van import SimulatedVan, a_match


class Audience:
    """A watcher in a thread, and what it shows."""

    def __init__(self, port: int, keys: Keys) -> None:
        self.events: list[MatchEvent] = []
        self.troubles: list[str] = []
        self.watcher = Watcher(at(port, "audience"), keys.unsealer(), VAN, time.monotonic, lambda: 0.0)
        self._stop = threading.Event()
        arguments = (self.events.append, self._stop, self.troubles.append)
        self._thread = threading.Thread(target=self.watcher.run, args=arguments)
        self._thread.start()

    def subscribed(self) -> None:
        assert self.watcher.subscribed.wait(PATIENCE_S)

    def leave(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def audience(port: int, keys: Keys) -> Iterator[Audience]:
    watching = Audience(port, keys)
    watching.subscribed()
    yield watching
    watching.leave()


def test_each_event_is_shown_once_and_only_of_the_van_that_was_asked_for(
    audience: Audience, port: int, van: SimulatedVan, keys: Keys
) -> None:
    other = SimulatedVan(port, keys, OTHER)
    other.say_match()
    first = van.say_match()
    van.say_again()
    van.publish(topic(VAN, "match"), other.sealer.match(a_match()))
    second = van.say_match()
    wait_until(lambda: len(audience.events) == 2, "two events")
    assert audience.events == [first, second]
    audience.leave()
    assert audience.watcher.counts["duplicates"] == 1
    assert audience.watcher.counts["not_signed_by_van"] == 1
    other.leave()


def test_it_comes_back_with_the_broker_and_says_what_happened(keys: Keys) -> None:
    port = free_port()
    watching = Audience(port, keys)
    with iotcore(port):
        watching.subscribed()
    wait_until(lambda: not watching.watcher.subscribed.is_set(), "the loss")
    with iotcore(port):
        watching.subscribed()
        van = SimulatedVan(port, keys)
        event = van.say_match()
        wait_until(lambda: watching.events == [event], "the event")
        van.leave()
    watching.leave()
    assert watching.troubles[0].endswith("Connection refused")
    assert sum(text.endswith(": connected") for text in watching.troubles) == 2
