"""A broker that lies, a network that records and replays, strangers who publish: nothing is lost, nothing is obeyed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from firmware import envelope
from firmware.log import Log
from firmware.match.outbound import Outbound
from tests.broker.mosquitto import Mosquitto
from tests.keyring import KEYRING, Keyring
from tests.link.stage import VAN, Broker, Link, Listener, wait_until
from tests.match.desk import Bureau
from tests.match.orders_given import Console
from tests.room import ControlRoom
from tests.whole.hostile_broker import HostileBroker, Whim


class Van:
    """One boot of a van whose commands are carried out by whoever waits."""

    def __init__(self, folder: Path, socket: Path) -> None:
        started_s = time.monotonic()
        self.log = StringIO()
        self.bureau = Bureau(KEYRING.write(folder), lambda: time.monotonic() - started_s, Log("match", self.log))
        self._outbound = Outbound(socket, self.bureau.boot, self.bureau.mailbox, self.bureau.log)
        self._outbound.start()

    @property
    def refused(self) -> dict[str, int]:
        return dict(self.bureau.gate.refused)

    def logged(self, event: str) -> list[str]:
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line["reason"] for line in lines if line["event"] == event]

    def say(self, count: int) -> list[str]:
        return [self.bureau.say() for _ in range(count)]

    def wait_for_receipts(self) -> None:
        wait_until(lambda: self.bureau.outbox.count() == 0, "all receipts")

    def wait_for_refusals(self, count: int) -> None:
        wait_until(lambda: self.bureau.gate.refused.total() >= count, f"{count} refusals, not {self.refused}")

    def close(self) -> None:
        self._outbound.close()
        self.bureau.outbox.close()


class Road:
    """A real broker, the liar before it, link, and the control room behind."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder = folder
        self.liar = HostileBroker(broker_port)
        self.link = Link(folder, self.liar.port)
        self.link.start()
        self.room = ControlRoom(broker_port)

    def van(self) -> Van:
        return Van(self.folder / "van", self.link.socket)

    def close(self) -> None:
        self.room.leave()
        self.link.close()
        self.liar.close()


@pytest.fixture
def road(tmp_path: Path, broker: Broker) -> Iterator[Road]:
    with contextlib.closing(Road(tmp_path, broker.port)) as road:
        yield road


@pytest.fixture
def van(road: Road) -> Iterator[Van]:
    with contextlib.closing(road.van()) as van:
        wait_until(lambda: road.room.states, "its state")
        yield van


def test_what_a_broker_acknowledges_and_drops_is_sent_again_until_somebody_really_has_it(road: Road, van: Van) -> None:
    road.liar.whim = "swallow"
    ids = van.say(20)
    wait_until(lambda: road.liar.swallowed >= 20, "the lie")
    assert van.bureau.outbox.count() == 20
    road.liar.whim = "honest"
    road.room.wait_for(*ids)
    van.wait_for_receipts()


@pytest.mark.parametrize(("whim", "more"), [("double", 50), ("swap", 0)])
def test_what_a_broker_doubles_or_swaps_is_acted_on_once_and_can_be_put_in_order(
    road: Road, van: Van, whim: Whim, more: int
) -> None:
    road.liar.whim = whim
    ids = van.say(50)
    road.room.wait_for(*ids)
    van.wait_for_receipts()
    assert road.room.duplicates >= more
    in_order = [event.id for event in sorted(road.room.events, key=lambda event: event.sequence)]
    assert in_order == ids
    assert (road.room.ids == ids) == (whim == "double")


def test_yesterdays_session_moves_and_deletes_nothing_today(road: Road) -> None:
    with contextlib.closing(road.van()) as yesterday:
        wait_until(lambda: road.room.states, "its state")
        yesterday.say(3)
        yesterday.wait_for_receipts()
        for cmd in ("pause", "resume", "stop"):
            road.room.send(cmd, road.room.signed(road.room.command(cmd), "operator-1"))
        wait_until(lambda: len(yesterday.bureau.mailbox._orders) == 3, "the commands")
    recorded = [packet.again() for packet in road.liar.recorded]
    commands = sum(b"/cmd/" in packet.topic for packet in road.liar.recorded)
    assert commands == 3
    assert len(recorded) > commands
    road.room.receipts = False
    with contextlib.closing(road.van()) as today:
        wait_until(lambda: road.room.state().boot == today.bureau.boot, "its state")
        ids = today.say(3)
        road.room.wait_for(*ids)
        road.liar.inject(*recorded, *recorded)
        today.wait_for_refusals(2 * commands)
        assert today.refused == {"wrong boot": 2 * commands}
        assert today.bureau.outbox.count() == 3 + commands, "its events, and one record of each refused command"
        assert (today.bureau.orders.mode, len(today.bureau.mailbox._orders)) == ("seeing", 0)
        assert today.logged("not believed") == ["wrong boot"]


def test_today_a_command_that_is_replayed_is_carried_out_once(road: Road, van: Van) -> None:
    said = road.room.signed(road.room.command("pause"), "operator-1")
    road.room.send("pause", said)
    wait_until(lambda: van.bureau.mailbox._orders, "the command")
    van.bureau.carry_out()
    (packet,) = [packet for packet in road.liar.recorded if b"/cmd/" in packet.topic]
    road.liar.inject(*(packet.again() for _ in range(20)))
    wait_until(lambda: sum(road.room.answer_count.values()) >= 10, "the same answer again")
    assert van.bureau.mailbox.snapshot().counters.commands == 1
    assert len(road.room.answers) == 1


Forgery = Callable[[ControlRoom], bytes]
FORGERIES: dict[str, Forgery] = {
    "signatures": lambda room: Console(Keyring(), boot=room.state().boot).signed(room.command("purge"), "operator-1"),
    "wrong van": lambda room: room.signed(room.command("purge", van="van-08")),
    "expired": lambda room: room.signed(room.command("purge", exp_up=0.0)),
    "unknown command": lambda room: room.signed(room.command("export")),
    "wrong type": lambda room: envelope.sign(b"{}", envelope.STATE, KEYRING.people["operator-1"]),
    "malformed": lambda room: b"\x00purge\xff",
}


def test_what_somebody_publishes_to_the_van_is_refused_counted_and_logged_by_reason(road: Road, van: Van) -> None:
    for forge in FORGERIES.values():
        road.room.send("purge", forge(road.room))
    once = dict.fromkeys(FORGERIES, 1)
    van.wait_for_refusals(len(once))
    assert van.refused == once
    assert van.logged("not believed") == list(FORGERIES)
    assert (van.bureau.orders.mode, len(van.bureau.mailbox._orders)) == ("seeing", 0)
    wait_until(lambda: road.room.state().counters.refused == once, "the counts in the state")


def test_garbage_and_a_flood_crash_nothing_and_events_still_arrive(road: Road, van: Van) -> None:
    chance = random.Random(7)
    topics = [f"lfr/v1/{VAN}/{end}" for end in ("cmd/narrow", "ack/x", "cmd/release", "cmd/" + "y" * 60, "ack/%00")]
    real = road.room.signed(road.room.command("purge", van="van-08"))
    with Listener(road.liar.upstream, "nothing/at/all") as stranger:
        for _ in range(400):
            garbage = chance.randbytes(chance.choice([0, 1, 300, 9_000, 17_000]))
            cut = chance.randrange(len(real))
            stranger.say(chance.choice(topics), chance.choice([garbage, real[:cut], real[:cut] + garbage + real[cut:]]))
    ids = van.say(20)
    road.room.wait_for(*ids)
    van.wait_for_receipts()
    assert van.bureau.orders.mode == "seeing"
    assert not van.bureau.mailbox._orders
    van.wait_for_refusals(100)
    wait_until(lambda: van.bureau.mailbox.snapshot().counters.heard_dropped > 30, "a count of what was too large")


def test_a_broker_that_passes_a_megabyte_on_is_left_and_found_again(road: Road, van: Van) -> None:
    for _ in range(3):
        with contextlib.suppress(OSError):
            road.liar.inject(b"\x30\xc0\x84\x3d" + bytes(1_000_000))
        time.sleep(0.2)
    ids = van.say(5)
    road.room.wait_for(*ids)
    van.wait_for_receipts()
    assert any("packet of 1000000 bytes" in line["reason"] for line in road.link.said("broker_unavailable"))


def test_a_broker_that_talks_nonsense_is_left_and_found_again(road: Road, van: Van) -> None:
    connections = van.bureau.mailbox._linked.connections if van.bureau.mailbox._linked else 0
    for nonsense in (b"\xff\xff\xff\xff\xff", os.urandom(300), b"\x32\xff\xff\xff\x7f" + bytes(2_000_000)):
        with contextlib.suppress(OSError):
            road.liar.inject(nonsense)
        time.sleep(0.2)
    ids = van.say(5)
    road.room.wait_for(*ids)
    van.wait_for_receipts()
    assert van.bureau.mailbox._linked is not None
    assert van.bureau.mailbox._linked.connections > connections
    assert road.link.said("thread_died") == []


def test_a_retained_command_is_refused_whenever_it_was_retained(tmp_path: Path, plain_mosquitto: Mosquitto) -> None:
    with contextlib.closing(Road(tmp_path, plain_mosquitto.port)) as road, contextlib.closing(road.van()) as van:
        wait_until(lambda: road.room.states, "its state")
        road.room.send("pause", road.room.signed(road.room.command("pause"), "operator-1"), retain=True)
        van.wait_for_refusals(1)
        road.link.kill()
        road.link.launch()
        van.wait_for_refusals(2)
        assert van.refused == {"retained": 2}
        assert (van.bureau.orders.mode, len(van.bureau.mailbox._orders)) == ("seeing", 0)
