"""The way out through a real link and a real broker: what was decided arrives, whatever happens on the way."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.match.outbound import Outbound
from tests.keyring import KEYRING
from tests.link.stage import Broker, Link, wait_until
from tests.match.desk import Bureau
from tests.room import ControlRoom

Room = Callable[[], ControlRoom]


class Van:
    """A bureau and its socket; its time can be made to pass."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self.passed_s = 0.0
        self.bureau = Bureau(KEYRING.write(folder), self.clock)
        self.outbound = Outbound(socket, self.bureau.boot, self.bureau.mailbox, self.bureau.log, self.clock)

    def clock(self) -> float:
        return time.monotonic() + self.passed_s

    def say(self, count: int) -> list[str]:
        return [self.bureau.say() for _ in range(count)]

    def wait_for_alarm(self, words: str) -> None:
        wait_until(lambda: words in " | ".join(self.bureau.mailbox.alarms()), f"the alarm '{words}'")

    def wait_for_receipts(self) -> None:
        wait_until(lambda: self.bureau.outbox.count() == 0, "all receipts")

    def close(self) -> None:
        self.outbound.close()
        self.bureau.outbox.close()


@pytest.fixture
def van(tmp_path: Path, link: Link) -> Iterator[Van]:
    with contextlib.closing(Van(tmp_path / "van", link.socket)) as van:
        van.outbound.start()
        yield van


def test_what_was_decided_before_link_was_there_arrives_in_order(
    link: Link, control_room: ControlRoom, van: Van
) -> None:
    ids = van.say(100)
    van.wait_for_alarm("link is not there")
    link.start()
    control_room.wait_for(*ids)
    assert control_room.ids == ids
    van.wait_for_receipts()
    assert van.bureau.mailbox.alarms() == ()
    assert [event.sequence for event in control_room.events] == list(range(1, 101))


def test_a_killed_link_and_a_broker_that_was_away_lose_nothing(
    absent_broker: Broker, link: Link, van: Van, open_control_room: Room
) -> None:
    link.start()
    van.wait_for_alarm("no broker")
    first = van.say(10)
    link.kill()
    van.wait_for_alarm("link is not there")
    second = van.say(10)
    absent_broker.start()
    room = open_control_room()
    link.start()
    room.wait_for(*first, *second)
    assert room.ids == [*first, *second]
    van.wait_for_receipts()


def test_a_broker_that_is_back_after_ten_minutes_gets_everything_in_order_within_seconds(
    absent_broker: Broker, link: Link, van: Van, open_control_room: Room
) -> None:
    link.start()
    van.wait_for_alarm("no broker")
    ids = []
    for _ in range(600):
        van.passed_s += 1.0
        ids += van.say(2)
    assert van.bureau.mailbox._dispatch.flying == 0
    assert len(van.bureau.mailbox._dispatch._unreceipted) == 0, "what waits lies on disk only"
    absent_broker.start()
    room = open_control_room()
    wait_until(lambda: van.bureau.mailbox.connected, "the connection")
    begun_s = time.monotonic()
    van.wait_for_receipts()
    assert room.ids == ids
    assert time.monotonic() - begun_s < 20.0, "it takes about one"


def test_without_receipts_rows_stay_and_are_sent_again(link: Link, broker: Broker, van: Van) -> None:
    link.start()
    mute = ControlRoom(broker.port, receipts=False)
    ids = van.say(3)
    mute.wait_for(*ids)
    wait_until(lambda: mute.duplicates >= 3, "the second delivery")
    assert van.bureau.outbox.count() == 3
    mute.leave()


def test_when_nobody_listens_yet_events_arrive_soon_after_somebody_does(
    link: Link, broker: Broker, van: Van, open_control_room: Room
) -> None:
    link.start()
    ids = van.say(3)
    wait_until(lambda: van.bureau.mailbox._dispatch._unreceipted, "the broker's answer")
    open_control_room().wait_for(*ids)
    van.wait_for_receipts()


def test_a_full_disk_is_an_alarm_and_events_go_on_leaving_from_memory(
    link: Link, control_room: ControlRoom, van: Van
) -> None:
    link.start()
    van.bureau.outbox._db._db.execute("PRAGMA max_page_count = 1")
    control_room.receipts = False
    ids = van.say(20)
    control_room.wait_for(*ids)
    van.wait_for_alarm("20 messages are in memory only: ")
    control_room.receipts = True
    van.wait_for_receipts()
    van.bureau.outbox._db._db.execute("PRAGMA max_page_count = 1000")
    control_room.wait_for(*van.say(1))


def test_the_last_word_is_the_end_and_then_the_hint(link: Link, control_room: ControlRoom, van: Van) -> None:
    link.start()
    wait_until(lambda: control_room.states, "the first state")
    van.outbound.close()
    wait_until(lambda: control_room.hints, "the hint")
    assert control_room.hints[-1] == {"online": False, "boot": van.bureau.boot}
