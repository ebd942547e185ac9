"""An event that was answered with ``Stored`` reaches the control room, whatever dies on the way."""

from __future__ import annotations

from collections.abc import Callable

from firmware.wire import NotStored, Stored
from tests.link.stage import VAN, Broker, ControlRoom, Link, Listener, Match, an_event, wait_until


def test_an_event_goes_from_match_to_the_control_room(
    link: Link, control_room: ControlRoom, connect: Callable[[], Match]
) -> None:
    link.start()
    assert connect().hand_over(an_event("e1")) == Stored("e1")
    control_room.wait_for("e1")
    assert control_room.events == [an_event("e1")]


def test_the_largest_crop_goes_through(link: Link, control_room: ControlRoom, connect: Callable[[], Match]) -> None:
    link.start()
    large = an_event("large", crop_bytes=255_000)
    assert connect().hand_over(large) == Stored("large")
    control_room.wait_for("large")
    assert control_room.events == [large]


def test_events_arrive_in_order_and_once(link: Link, control_room: ControlRoom, connect: Callable[[], Match]) -> None:
    link.start()
    match = connect()
    ids = [f"e{n}" for n in range(60)]
    for event_id in ids:
        match.hand_over(an_event(event_id))
    control_room.wait_for(*ids)
    assert control_room.ids == ids
    assert control_room.watcher.watched.duplicates == 0


def test_the_broker_is_told_when_an_event_expires(
    broker: Broker, link: Link, control_room: ControlRoom, connect: Callable[[], Match]
) -> None:
    link.start("event_ttl_s = 3600")
    with Listener(broker.port, f"lfr/v1/{VAN}/evt/match") as listener:
        connect().hand_over(an_event("e1"))
        control_room.wait_for("e1")
        wait_until(lambda: listener.heard, "the event")
        assert 0 < listener.heard[0].properties.MessageExpiryInterval <= 3600  # type: ignore[union-attr]
        assert listener.heard[0].qos == 1
        assert not listener.heard[0].retain


def test_a_broker_that_comes_later_gets_the_event_once(
    absent_broker: Broker,
    link: Link,
    connect: Callable[[], Match],
    open_control_room: Callable[[], ControlRoom],
) -> None:
    link.start()
    assert connect().hand_over(an_event("early")) == Stored("early")
    link.wait_for("broker_unavailable")
    link.kill()
    absent_broker.start()
    room = open_control_room()
    link.start()
    link.wait_for_delivered(1)
    room.wait_for("early")
    assert room.ids == ["early"]
    assert room.watcher.watched.duplicates == 0


def test_a_link_that_started_without_a_broker_finds_it(
    absent_broker: Broker, link: Link, connect: Callable[[], Match], open_control_room: Callable[[], ControlRoom]
) -> None:
    link.start()
    link.wait_for("broker_unavailable")
    absent_broker.start()
    room = open_control_room()
    link.wait_for("broker_connected")
    connect().hand_over(an_event("e1"))
    room.wait_for("e1")


def test_events_of_an_outage_arrive_after_it(
    broker: Broker, link: Link, control_room: ControlRoom, connect: Callable[[], Match]
) -> None:
    link.start()
    match = connect()
    match.hand_over(an_event("before"))
    control_room.wait_for("before")
    broker.die()
    link.wait_for("broker_unavailable")
    held = [f"during-{n}" for n in range(5)]
    assert [match.hand_over(an_event(event_id)) for event_id in held] == [Stored(event_id) for event_id in held]
    link.kill()  # so that the control room, which the broker forgot, can be back before the van is
    broker.start()
    control_room.wait_for_subscription()
    link.start()
    control_room.wait_for(*held)
    assert control_room.ids == ["before", *held]


def test_a_link_connects_again_after_an_outage(
    broker: Broker, link: Link, control_room: ControlRoom, connect: Callable[[], Match]
) -> None:
    link.start()
    link.wait_for("broker_connected")
    broker.die()
    link.wait_for("broker_unavailable")
    broker.start()
    control_room.wait_for_subscription()
    wait_until(lambda: len(link.said("broker_connected")) == 2, "second connection")
    connect().hand_over(an_event("after"))
    control_room.wait_for("after")


def test_a_killed_link_delivers_what_it_had_stored(
    absent_broker: Broker, link: Link, connect: Callable[[], Match], open_control_room: Callable[[], ControlRoom]
) -> None:
    link.start()
    match = connect()
    stored = [match.hand_over(an_event(f"e{n}")) for n in range(3)]
    link.kill()
    assert stored == [Stored("e0"), Stored("e1"), Stored("e2")]
    absent_broker.start()
    room = open_control_room()
    link.start()
    room.wait_for("e0", "e1", "e2")


def test_what_a_dying_match_had_sent_is_delivered(
    link: Link, control_room: ControlRoom, connect: Callable[[], Match]
) -> None:
    link.start()
    match = connect()
    for n in range(4):
        match.send(an_event(f"e{n}"))
    match.die()
    control_room.wait_for("e0", "e1", "e2", "e3")
    assert connect().hand_over(an_event("from its successor")) == Stored("from its successor")


def test_an_event_sent_again_after_delivery_is_not_published_again(
    link: Link, control_room: ControlRoom, connect: Callable[[], Match]
) -> None:
    link.start()
    match = connect()
    match.hand_over(an_event("e1"))
    control_room.wait_for("e1")
    link.wait_for_delivered(1)
    assert match.hand_over(an_event("e1")) == Stored("e1")
    link.stop()
    link.start()
    again = connect()
    assert again.hand_over(an_event("e1")) == Stored("e1")
    again.hand_over(an_event("e2"))
    control_room.wait_for("e2")
    assert control_room.watcher.watched.duplicates == 0


def test_a_full_outbox_refuses_keeps_the_old_and_recovers(
    absent_broker: Broker, link: Link, connect: Callable[[], Match], open_control_room: Callable[[], ControlRoom]
) -> None:
    link.start("outbox_max_mb = 0.5")
    match = connect()
    answers = [match.hand_over(an_event(f"e{n}", crop_bytes=100_000)) for n in range(5)]
    stored = [answer.id for answer in answers if isinstance(answer, Stored)]
    refused = [answer for answer in answers if isinstance(answer, NotStored)]
    assert stored == ["e0", "e1", "e2"]
    assert "of at most 0.50 MB" in refused[0].reason
    assert link.wait_for("event_not_stored")["kind"] == "alarm"
    absent_broker.start()
    room = open_control_room()
    room.wait_for("e0", "e1", "e2")
    link.wait_for_delivered(3)
    assert match.hand_over(an_event("e3", crop_bytes=100_000)) == Stored("e3")
    room.wait_for("e3")


def test_a_full_disk_refuses_and_recovers(link: Link, control_room: ControlRoom, connect: Callable[[], Match]) -> None:
    link.start()
    match = connect()
    match.hand_over(an_event("before"))
    control_room.wait_for("before")
    link.wait_for_delivered(1)
    link.fill_disk()
    assert isinstance(match.hand_over(an_event("during")), NotStored)
    link.free_disk()
    assert match.hand_over(an_event("during")) == Stored("during")
    control_room.wait_for("during")
    assert control_room.ids == ["before", "during"]


def test_a_delivery_that_the_disk_cannot_note_is_not_repeated(
    absent_broker: Broker, link: Link, connect: Callable[[], Match], open_control_room: Callable[[], ControlRoom]
) -> None:
    link.start()
    match = connect()
    match.hand_over(an_event("e1"))
    link.fill_disk()
    absent_broker.start()
    room = open_control_room()
    assert link.wait_for("outbox_unwritable")["kind"] == "alarm"
    room.wait_for("e1")
    link.free_disk()
    match.hand_over(an_event("e2"))
    link.wait_for_delivered(2)
    assert room.ids == ["e1", "e2"]
    assert room.watcher.watched.duplicates == 0


def test_an_event_nobody_could_be_given_expires_with_an_alarm(link: Link, connect: Callable[[], Match]) -> None:
    link.start("event_ttl_s = 1")
    connect().hand_over(an_event("e1"))
    assert link.wait_for("events_expired_unsent")["count"] == 1
