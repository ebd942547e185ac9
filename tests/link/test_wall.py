"""What may come through the wall's door, and what does not."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from firmware import framing
from firmware.framing import WireError
from firmware.link.connection import Address
from firmware.link.door import Door, Gone, Peer
from firmware.link.line import Line
from firmware.link.relay import UNREAD_MAX_BYTES, Relay
from firmware.log import Log
from firmware.topics import topic
from firmware.wire import Heard, Hello, Linked, Publish, Sent
from tests.link.scripted_broker import Script, ScriptedBroker, publish
from tests.link.stage import BOOT, PATIENCE_S, VAN, Broker, Link, Match, wait_until

NOBODY = 65534
HEALTH = [framing.framed(Publish(ref=1, channel="health", payload=b"x"))]
ANSWER = framing.framed(Sent(1, 0))
A_MATCH = Publish(ref=1, channel="match", payload=b"x")


def test_only_this_user_may_connect(link: Link) -> None:
    link.start()
    assert stat.S_IMODE(link.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(link.socket.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "bytes_sent",
    [
        struct.pack(">I", framing.MAX_MESSAGE_BYTES + 1),
        struct.pack(">I", 3) + b"\xc1\xc1\xc1",
        struct.pack(">I", 0),
        struct.pack(">I", 7) + b"\x81\xa4type\xa0"[:7],
        struct.pack(">I", 9) + b"\x81\xa4type\xa2\xff\xfe",
        framing.framed(A_MATCH),
        framing.framed(Hello(BOOT)) + framing.framed(Hello(BOOT)),
        framing.framed(Hello(BOOT)) + framing.framed(Publish(ref=1, channel="rsp", payload=b"x")),
        framing.framed(Hello(BOOT)) + framing.framed(Publish(ref=1, channel="match", payload=b"x", tail="x")),
        framing.framed(Sent(1, 0)),
    ],
    ids=[
        *("oversized", "malformed", "empty", "cut", "not UTF-8"),
        *("no greeting", "two greetings", "no tail", "a tail", "link's own"),
    ],
)
def test_a_message_outside_the_rules_drops_the_connection_and_the_next_one_works(
    broker: Broker, link: Link, connect: Callable[[], Match], bytes_sent: bytes
) -> None:
    link.start()
    bad = connect()
    bad.peer.sendall(bytes_sent)
    assert bad.is_dropped()
    assert link.wait_for("peer_dropped")["kind"] == "alarm"
    connect().come_up()


def test_dropped_peers_are_counted(link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    for count in (1, 2, 3):
        bad = connect()
        bad.peer.sendall(b"\xff" * 8)
        assert bad.is_dropped()
        wait_until(lambda count=count: len(link.said("peer_dropped")) == count, "the alarm")  # type: ignore[misc]
    assert [line["count"] for line in link.said("peer_dropped")] == [1, 2, 3]


@pytest.mark.parametrize("said", [b"", b"\x00\x00", framing.framed(Hello(BOOT)) + b"\x00\x00"])
def test_a_peer_that_does_not_finish_what_it_says_is_dropped(
    link: Link, connect: Callable[[], Match], said: bytes
) -> None:
    link.start()
    silent = connect()
    silent.peer.sendall(said)
    assert silent.is_dropped()
    assert link.wait_for("peer_dropped")


def test_a_peer_that_closes_inside_a_message_is_at_fault_and_between_two_is_not() -> None:
    for end, fault in ((b"\x00\x00", WireError), (b"", Gone)):
        here, there = socket.socketpair()
        peer = Peer(there, 100.0)
        here.sendall(framing.framed(Hello(BOOT)) + end)
        here.close()
        assert peer.receive(100.0) == [Hello(BOOT)]
        with pytest.raises(fault):
            peer.receive(100.0)
        peer.close()


def test_a_peer_that_never_reads_is_dropped_and_holds_up_nobody(
    broker: Broker, link: Link, connect: Callable[[], Match]
) -> None:
    link.start()
    deaf = connect()
    deaf.send(Hello(BOOT))
    link.wait_for("broker_connected")
    deaf.peer.sendall(b"".join(HEALTH * 20_000))
    assert "does not read" in link.wait_for("peer_dropped")["reason"]
    successor = connect()
    successor.greet("f" * 32)
    successor.wait_until_linked(connections=2)


def test_a_socket_file_left_by_a_killed_link_is_replaced(
    broker: Broker, link: Link, connect: Callable[[], Match]
) -> None:
    link.start()
    link.kill()
    assert link.socket.exists()
    link.start()
    connect().come_up()


def test_a_file_that_is_no_socket_is_left_alone(link: Link) -> None:
    link.socket.parent.mkdir()
    link.socket.write_text("somebody's notes")
    link.configure()
    link.launch()
    assert link.wait_for_exit() == 1
    assert link.said("link_cannot_run")
    assert link.socket.read_text() == "somebody's notes"


def test_a_second_link_does_not_take_the_socket_of_the_first(
    broker: Broker, link: Link, connect: Callable[[], Match], tmp_path: Path
) -> None:
    link.start()
    second = Link(tmp_path, broker_port=1)
    second.configure()
    with contextlib.closing(second):
        second.launch()
        assert second.wait_for_exit() == 1
    assert "locked" in second.said("link_cannot_run")[0]["error"]
    link.configure()
    connect().come_up()


@pytest.fixture
def as_nobody() -> Iterator[Callable[[], None]]:
    """Act as another user until the test ends."""
    yield lambda: os.seteuid(NOBODY)
    os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can pass."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_is_refused_even_if_the_file_lets_him_in(
    link: Link, open_folder: Path, as_nobody: Callable[[], None]
) -> None:
    link.socket = open_folder / "link.sock"
    link.start()
    link.socket.chmod(0o666)
    as_nobody()
    stranger = Match(link.socket)
    assert stranger.is_dropped()
    stranger.die()
    wait_until(lambda: link.said("peer_dropped"), "the refusal")
    assert str(NOBODY) in link.said("peer_dropped")[0]["reason"]
    assert link.said("match_connected") == []


class Clock:
    """Monotonic seconds that stand still until somebody moves them."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def broker_that_says() -> Iterator[Callable[[bytes], ScriptedBroker]]:
    brokers: list[ScriptedBroker] = []

    def new(after: bytes) -> ScriptedBroker:
        brokers.append(ScriptedBroker(Script(after=after)))
        return brokers[-1]

    yield new
    for broker in brokers:
        broker.close()


@pytest.fixture
def relay_to(tmp_path: Path, clock: Clock) -> Iterator[Callable[[ScriptedBroker], StringIO]]:
    """Run a relay in a thread, by the clock of the test; returns its log."""
    over, threads, text = threading.Event(), list[threading.Thread](), StringIO()

    def run(broker: ScriptedBroker) -> StringIO:
        log = Log("link", text)
        line = Line(Address("127.0.0.1", broker.port, VAN), VAN, lambda: 0.0, log)
        relay = Relay(VAN, Door(tmp_path / "link.sock"), line, clock, log)
        threads.append(threading.Thread(target=relay.run, args=(over,)))
        threads[-1].start()
        return text

    yield run
    over.set()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_how_it_stands_is_said_every_five_seconds(
    relay_to: Callable[[ScriptedBroker], StringIO],
    broker_that_says: Callable[[bytes], ScriptedBroker],
    clock: Clock,
    tmp_path: Path,
) -> None:
    relay_to(broker_that_says(b""))
    match = Match(tmp_path / "link.sock")
    match.come_up()
    said = len(match.all(Linked))
    for count in range(1, 4):
        clock.now_s += 4.9
        assert match.deliver("health", b"x") == 0  # the relay has seen this moment
        assert len(match.all(Linked)) == said + count - 1
        clock.now_s += 0.1
        wait_until(lambda count=count: len(match.all(Linked)) == said + count, "five seconds")  # type: ignore[misc]
    match.die()


def test_a_flood_of_nonsense_is_one_line_a_second(
    relay_to: Callable[[ScriptedBroker], StringIO],
    broker_that_says: Callable[[bytes], ScriptedBroker],
    clock: Clock,
    tmp_path: Path,
) -> None:
    nonsense = publish(topic(VAN, "cmd", "no tail"), b"x")
    broker = broker_that_says(b"")
    text = relay_to(broker)
    match = Match(tmp_path / "link.sock")
    match.come_up()
    broker.say(nonsense * 2_000 + publish(topic(VAN, "cmd", "pause"), b"x"))
    match.wait_for(Heard)
    wait_until(lambda: match.all(Linked)[-1].overflowed, "the count, at once")
    assert text.getvalue().count("heard_dropped") == 1
    clock.now_s += 1.0
    wait_until(lambda: text.getvalue().count("heard_dropped") == 2, "the second line")
    lines = [json.loads(line) for line in text.getvalue().splitlines()]
    assert sum(line["count"] for line in lines if line["event"] == "heard_dropped") == 2_000
    match.die()


def test_what_a_slow_match_process_cannot_take_is_dropped_and_counted(
    relay_to: Callable[[ScriptedBroker], StringIO],
    broker_that_says: Callable[[bytes], ScriptedBroker],
    clock: Clock,
    tmp_path: Path,
) -> None:
    command = publish(topic(VAN, "cmd", "pause"), bytes(16 * 1024))
    flood = UNREAD_MAX_BYTES // len(command) * 2
    text = relay_to(broker_that_says(command * flood))
    match = Match(tmp_path / "link.sock")
    match.send(Hello(BOOT))  # and does not read
    wait_until(lambda: "heard_dropped" in text.getvalue(), "the log line")
    clock.now_s += 0.9
    match.listen()
    wait_until(lambda: match.all(Linked) and match.all(Linked)[-1].overflowed, "the count")
    heard = len(match.all(Heard))
    assert UNREAD_MAX_BYTES // len(command) <= heard < flood
    assert text.getvalue().count("heard_dropped") == 1
    clock.now_s += 5
    wait_until(lambda: match.all(Linked)[-1].overflowed == flood - heard, "all of them")
    match.die()


def test_from_a_match_process_that_does_not_read_nothing_more_is_taken(
    relay_to: Callable[[ScriptedBroker], StringIO],
    broker_that_says: Callable[[bytes], ScriptedBroker],
    tmp_path: Path,
) -> None:
    text = relay_to(broker_that_says(b""))
    match = Match(tmp_path / "link.sock")
    match.send(Hello(BOOT))  # and does not read
    wait_until(lambda: "broker_connected" in text.getvalue(), "a line")
    match.peer.settimeout(1.0)
    with pytest.raises(TimeoutError):
        match.peer.sendall(b"".join(HEALTH * (3 * UNREAD_MAX_BYTES // len(ANSWER))))
    match.die()
