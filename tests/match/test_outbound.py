"""An event that was decided waits until link has stored it, whatever happens to link meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from board.camera import Frame
from board.picture import ArrayPicture
from firmware.log import Log
from firmware.match.capture import Slots
from firmware.match.networks import Networks
from firmware.match.outbound import CAPACITY, Outbound
from firmware.match.pipeline import Pipeline
from firmware.match.service import Parts, _detected
from firmware.wire import Status
from models.vision import Vision
from tests.film import empty_street
from tests.link.stage import VAN, Broker, ControlRoom, Link, Listener, a_status, an_event, wait_until
from tests.match.stage import calm_throttle, pipeline, watchlist

SMALL = 50
"""Bytes of a crop that only has to be something."""


class Desk:
    """The match process's way out, and what it says of itself."""

    def __init__(self, path: Path) -> None:
        self.outbound = Outbound(path, lambda: a_status("seeing"), Log("match", StringIO()))
        self._closed = False

    def offer(self, *ids: str) -> None:
        for id_ in ids:
            self.outbound.offer(an_event(id_, SMALL))

    def wait_for_alarm(self, words: str) -> None:
        wait_until(lambda: words in " | ".join(self.outbound.alarms()), f"'{words}' in {self.outbound.alarms()}")

    def wait_for_calm(self) -> None:
        wait_until(lambda: self.outbound.alarms() == (), f"no alarm in {self.outbound.alarms()}")

    def close(self, final: Status) -> None:
        self.outbound.close(final)


@pytest.fixture
def desk(link: Link) -> Iterator[Desk]:
    desk = Desk(link.socket)
    desk.outbound.start()
    yield desk
    desk.close(a_status("ended"))


def test_events_that_were_decided_before_link_was_there_arrive(
    link: Link, control_room: ControlRoom, desk: Desk
) -> None:
    desk.offer("e1", "e2")
    desk.wait_for_alarm("link is not there")
    assert desk.outbound.drain(0) == 2
    link.start()
    control_room.wait_for("e1", "e2")
    desk.wait_for_calm()
    assert desk.outbound.drain(0) == 0
    assert control_room.ids == ["e1", "e2"]


def test_a_killed_link_loses_nothing_and_repeats_nothing(
    absent_broker: Broker, link: Link, desk: Desk, open_control_room: Callable[[], ControlRoom]
) -> None:
    link.start()
    desk.offer("stored before")
    wait_until(lambda: desk.outbound.drain(0) == 0, "the first is stored")
    link.kill()
    desk.wait_for_alarm("link is not there")
    desk.offer("decided meanwhile")
    absent_broker.start()
    room = open_control_room()
    link.start()
    room.wait_for("stored before", "decided meanwhile")
    assert sorted(room.ids) == ["decided meanwhile", "stored before"]
    assert room.watcher.watched.duplicates == 0


def test_an_event_that_could_not_be_stored_is_offered_again_and_a_person_is_told(
    link: Link, control_room: ControlRoom, desk: Desk
) -> None:
    link.start()
    desk.offer("before")
    control_room.wait_for("before")
    link.wait_for_delivered(1)
    link.fill_disk()
    desk.offer("during")
    desk.wait_for_alarm("events are not stored: ")
    link.free_disk()
    control_room.wait_for("during")
    desk.wait_for_calm()
    assert control_room.ids == ["before", "during"]


def test_the_control_room_is_told_what_match_says_of_itself(broker: Broker, link: Link, desk: Desk) -> None:
    link.start()
    with Listener(broker.port, f"lfr/v1/{VAN}/state") as listener:
        wait_until(lambda: listener.heard and listener.last().get("mode") == "seeing", "its status")
        desk.close(a_status("ended"))
        wait_until(lambda: b'"mode":"ended"' in b"".join(bytes(m.payload) for m in listener.heard), "its last status")


def test_matching_pauses_when_too_many_events_wait_and_goes_on_when_link_is_back(
    link: Link, control_room: ControlRoom, desk: Desk, vision: Vision
) -> None:
    stop = threading.Event()
    street = pipeline()
    parts = parts_of(vision, street)
    frames = _detected(parts, desk.outbound, stop, Log("match", StringIO()))
    parts.slots.put(street_frame(0))
    assert next(frames) is not None
    ids = [f"e{n}" for n in range(CAPACITY)]
    desk.offer(*ids)
    assert desk.outbound.full
    desk.wait_for_alarm(f"matching paused: {CAPACITY} events wait")
    parts.slots.put(street_frame(1))
    assert next(frames) is None
    link.start()
    control_room.wait_for(*ids)
    wait_until(lambda: not desk.outbound.full, "room for events")
    parts.slots.put(street_frame(2))
    assert next(frames) is not None
    frames.close()  # type: ignore[attr-defined]
    assert sorted(control_room.ids) == sorted(ids)


def parts_of(vision: Vision, street: Pipeline) -> Parts:
    return Parts(Networks(vision), watchlist(), street, Slots(("front",)), calm_throttle())


def street_frame(seq: int) -> Frame:
    return Frame("front", seq, seq * 40_000_000, ArrayPicture(empty_street()))
