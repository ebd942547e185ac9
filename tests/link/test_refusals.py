"""What the publisher does with a broker that says no."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from firmware.link import patience
from firmware.link.connection import Address
from firmware.link.outbox import Outbox
from firmware.link.patience import RETRY_MIN_S
from firmware.link.publisher import Publisher
from firmware.link.topics import Counters, Topics
from firmware.log import Log
from tests.link.scripted_broker import ScriptedBroker
from tests.link.stage import VAN, Link, Match, an_event, wait_until

NOT_AUTHORIZED = 0x87
NO_MATCHING_SUBSCRIBERS = 0x10
MOMENT = [f"e{n}" for n in range(16)]


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


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """Sixteen events of one moment."""
    log = Log("link", StringIO())
    with contextlib.closing(Outbox(tmp_path / "outbox.db", max_mb=1, ttl_s=60, log=log, now=time.time)) as opened:
        for event_id in MOMENT:
            store(opened, event_id)
        yield opened


def store(outbox: Outbox, event_id: str) -> None:
    outbox.append(event_id, json.dumps({"id": event_id}).encode())


def test_one_moment_without_a_subscriber_is_one_refusal_not_many(
    outbox: Outbox, start: Callable[[ScriptedBroker], Link]
) -> None:
    store(outbox, "new")
    outbox.close()
    broker = ScriptedBroker(answers=[NO_MATCHING_SUBSCRIBERS] * len(MOMENT))
    link = start(broker)
    link.wait_for_delivered(len(MOMENT) + 1)
    assert [line["retry_s"] for line in link.said("event_refused")] == [RETRY_MIN_S] * len(MOMENT)
    assert broker.events == [*MOMENT, "new", *MOMENT]


@pytest.mark.parametrize("code", [NO_MATCHING_SUBSCRIBERS, NOT_AUTHORIZED])
def test_a_new_event_does_not_wait_for_the_refused(outbox: Outbox, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(patience, "RETRY_MIN_S", 3600.0)  # so what is delivered has not waited for the refused ones
    counters = Counters()
    broker = ScriptedBroker(answers=[code] * len(MOMENT))
    address = Address("127.0.0.1", broker.port, VAN)
    publisher = Publisher(address, Topics(VAN), outbox, counters, Log("link", StringIO()))
    thread = threading.Thread(target=publisher.run)
    thread.start()
    try:
        wait_until(lambda: counters.refused == len(MOMENT), "refusals")
        store(outbox, "new")
        publisher.wake()
        wait_until(lambda: counters.delivered == 1, "the new event")
    finally:
        publisher.stop(0)
        thread.join()
        broker.close()
    assert broker.events == [*MOMENT, "new"]


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
