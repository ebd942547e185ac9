"""What the publisher does with a broker that says no."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.link.scripted_broker import ScriptedBroker
from tests.link.stage import Link, Match, an_event, wait_until

NOT_AUTHORIZED = 0x87
NO_MATCHING_SUBSCRIBERS = 0x10


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[ScriptedBroker], Link]]:
    """Start a link at a scripted broker."""
    started: list[tuple[ScriptedBroker, Link]] = []

    def run(broker: ScriptedBroker) -> Link:
        started.append((broker, Link(tmp_path, broker.port)))
        started[-1][1].start()
        return started[-1][1]

    yield run
    for broker, link in started:
        link.close()
        broker.close()


def test_a_refused_event_alarms_stays_and_is_tried_again(start: Callable[[ScriptedBroker], Link]) -> None:
    broker = ScriptedBroker(answers=[NOT_AUTHORIZED])
    link = start(broker)
    match = Match(link.socket)
    match.hand_over(an_event("e1"))
    link.wait_for_delivered(1)
    match.die()
    assert link.said("event_refused")[0]["kind"] == "alarm"
    assert link.said("event_refused")[0]["code"] == NOT_AUTHORIZED
    assert broker.events == ["e1", "e1"]


def test_a_refused_event_does_not_hold_up_the_others(start: Callable[[ScriptedBroker], Link]) -> None:
    broker = ScriptedBroker(answers=[NOT_AUTHORIZED])
    link = start(broker)
    match = Match(link.socket)
    match.hand_over(an_event("bad"))
    link.wait_for("event_refused")
    match.hand_over(an_event("good"))
    link.wait_for_delivered(2)
    match.die()
    assert broker.events == ["bad", "good", "bad"]


def test_an_event_that_nobody_subscribed_to_stays(start: Callable[[ScriptedBroker], Link]) -> None:
    broker = ScriptedBroker(answers=[NO_MATCHING_SUBSCRIBERS])
    link = start(broker)
    match = Match(link.socket)
    match.hand_over(an_event("e1"))
    link.wait_for_delivered(1)
    match.die()
    assert broker.events == ["e1", "e1"]


def test_a_refused_connection_is_tried_again(start: Callable[[ScriptedBroker], Link]) -> None:
    link = start(ScriptedBroker(answers=[], closes=1))
    link.wait_for("broker_connected")
    assert link.said("broker_unavailable")[0]["reason"] == "Not authorized"


def test_more_events_than_the_window_all_arrive(start: Callable[[ScriptedBroker], Link]) -> None:
    broker = ScriptedBroker(answers=[NOT_AUTHORIZED] * 3)
    link = start(broker)
    match = Match(link.socket)
    ids = [f"e{n}" for n in range(50)]
    for event_id in ids:
        match.hand_over(an_event(event_id))
    wait_until(lambda: len(link.said("event_delivered")) == len(ids), "all events")
    match.die()
    assert set(broker.events) == set(ids)
    assert len(broker.events) == len(ids) + 3
