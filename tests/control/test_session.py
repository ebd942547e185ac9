"""The console's session at real brokers: it comes back, it loses nothing unacknowledged, it stays bounded."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from firmware.control.session import WAITING_MAX, Address, Received, Session, Unavailable
from firmware.wire import MAX_PAYLOAD_BYTES
from tests.control.stage import PATIENCE_S, at, free_port, iotcore, wait_until
from tests.control.van import SimulatedVan
from tests.link.scripted_broker import Script, ScriptedBroker, publish

TOPIC = "lfr/v1/van-07/evt/match"
Open = Callable[..., Session]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Make sessions; all are closed at the end."""
    sessions: list[Session] = []

    def new(address: Address, keep_s: int = 0, topic: str = TOPIC) -> Session:
        sessions.append(Session(address, (topic,), time.monotonic, lambda: 0.0, keep_s))
        return sessions[-1]

    yield new
    for session in sessions:
        session.close()


def get_ready(session: Session) -> None:
    def ready() -> bool:
        assert session.next(0.05) is None
        return session.ready

    wait_until(ready, f"a subscription; {session.reason}")


def get(session: Session, count: int) -> list[Received]:
    taken = (session.next(PATIENCE_S) for _ in range(count))
    return [message for message in taken if message is not None]


def test_a_kept_session_gets_again_what_it_did_not_acknowledge_and_nothing_else(
    port: int, van: SimulatedVan, opened: Open
) -> None:
    first = opened(at(port, "daemon"), keep_s=600)
    get_ready(first)
    for number in range(6):
        van.publish(TOPIC, b"%d" % number)
    for message in get(first, 6)[:4]:
        first.done(message)
    first.close()
    van.publish(TOPIC, b"while away")
    second = opened(at(port, "daemon"), keep_s=600)
    seen: list[bytes] = []
    while b"while away" not in seen:
        seen += [message.payload for message in get(second, 1)]
    assert seen[-3:] == [b"4", b"5", b"while away"]
    assert seen[:-3] in ([], [b"3"]), "QoS 1: the last acknowledgement may not have been read before the end"


def test_a_message_of_an_earlier_connection_is_not_acknowledged_on_this_one(
    port: int, van: SimulatedVan, opened: Open
) -> None:
    session = opened(at(port, "daemon"), keep_s=600)
    get_ready(session)
    van.publish(TOPIC, b"a")
    (old,) = get(session, 1)
    session._lose("a test")
    (again,) = get(session, 1)
    assert (old.payload, again.payload) == (b"a", b"a")
    session.done(old)
    session.close()
    later = opened(at(port, "daemon"), keep_s=600)
    assert [message.payload for message in get(later, 1)] == [b"a"]


def test_a_session_of_the_moment_counts_as_taken_what_it_hands_out(port: int, van: SimulatedVan, opened: Open) -> None:
    session = opened(at(port))
    get_ready(session)
    for number in range(3 * WAITING_MAX):
        van.publish(TOPIC, b"%d" % number) if number % 100 == 0 else van._client.publish(TOPIC, b"%d" % number, 1)
    assert [message.payload for message in get(session, 3 * WAITING_MAX)] == [
        b"%d" % number for number in range(3 * WAITING_MAX)
    ]


def test_it_waits_for_a_broker_that_comes_later(opened: Open) -> None:
    port = free_port()
    session = opened(at(port))
    assert session.next(0.3) is None
    assert "refused" in session.reason
    with pytest.raises(Unavailable, match="refused"):
        session.publish(TOPIC, b"x")
    with iotcore(port):
        get_ready(session)


def test_a_host_that_is_no_host_is_a_reason_and_no_crash(opened: Open) -> None:
    session = opened(Address("no-such-host.invalid", 1883, "console"))
    assert session.next(0.2) is None
    assert not session.ready
    assert session.reason


@pytest.mark.parametrize("answer", [b"", b"\x20\x02\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x03\x00\x87\x00"])
def test_a_peer_that_is_no_broker_or_says_no_is_left_and_tried_again(opened: Open, answer: bytes) -> None:
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer_all, args=(server, answer, asked))
        thread.start()
        session = opened(at(server.getsockname()[1]))
        wait_until(lambda: session.next(0.05) is None and session.connections >= 3, f"attempts; {session.reason}")
        assert not session.ready
        asked.set()
        session.close()
        socket.create_connection(server.getsockname()).close()
        thread.join()


def test_a_packet_that_no_broker_should_send_ends_the_connection_and_not_the_session(opened: Open) -> None:
    granted, nonsense = b"\x20\x03\x00\x00\x00" + b"\x90\x04\x00\x01\x00\x01", b"\x32\x02\xff\xff"
    with socket.create_server(("127.0.0.1", 0)) as server:
        session = opened(at(server.getsockname()[1]))
        session.next(0.05)
        peer, _ = server.accept()
        peer.sendall(granted)
        get_ready(session)
        peer.sendall(nonsense)
        wait_until(lambda: session.next(0.05) is None and not session.ready, "the end of the connection")
        assert "error" in session.reason
        peer.close()


def _answer_all(server: socket.socket, answer: bytes, enough: threading.Event) -> None:
    while not enough.is_set():
        peer, _ = server.accept()
        with peer:
            peer.sendall(answer)


@dataclass
class Arriving:
    """A message as paho hands it over, and its acknowledgement."""

    payload: bytes
    topic: str = TOPIC
    qos: int = 1
    retain: bool = False
    mid: int = 7
    acknowledged: list[int] = field(default_factory=list)

    def ack(self, mid: int, _qos: int) -> None:
        self.acknowledged.append(mid)


class Unreadable(Arriving):
    @property
    def topic(self) -> str:
        return b"\xff".decode()

    @topic.setter
    def topic(self, _: str) -> None: ...


def hear(session: Session, message: Arriving, over: threading.Event) -> None:
    session._hear(1, message, over, message)  # type: ignore[arg-type]


@pytest.mark.parametrize("message", [Arriving(bytes(MAX_PAYLOAD_BYTES + 1)), Unreadable(b"x")])
def test_what_is_too_large_or_has_no_readable_topic_is_dropped_and_does_not_block(
    opened: Open, message: Arriving
) -> None:
    session = opened(at(1))
    hear(session, message, threading.Event())
    assert session.unreadable == 1
    assert message.acknowledged == [7]
    assert session._queue.empty()


def test_a_full_queue_makes_the_network_wait_and_the_end_of_the_connection_ends_that(opened: Open) -> None:
    session = opened(at(1))
    over = threading.Event()
    for _ in range(WAITING_MAX):
        hear(session, Arriving(b"x"), over)
    waiting = [threading.Thread(target=hear, args=(session, Arriving(b"late"), over)) for _ in range(2)]
    for thread in waiting:
        thread.start()
    assert session.next(0.0) is not None
    wait_until(lambda: sum(thread.is_alive() for thread in waiting) == 1, "room for one")
    over.set()
    for thread in waiting:
        thread.join(PATIENCE_S)
    assert session._queue.qsize() == WAITING_MAX


def test_a_session_that_nobody_listens_to_can_be_closed(port: int, van: SimulatedVan, opened: Open) -> None:
    session = opened(at(port))
    get_ready(session)
    for _ in range(WAITING_MAX):
        hear(session, Arriving(b"x"), threading.Event())
    van.publish(TOPIC, b"one too many")
    wait_until(lambda: session._room._value == 0, "the network to wait")
    closing = threading.Thread(target=session.close, daemon=True)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()


@pytest.mark.parametrize(
    ("hostile", "because"),
    [
        (publish(TOPIC, bytes(100_000), qos=2) * 50, "QoS 2"),
        (b"\x32\xff\xff\xff\x7f" + bytes(100_000), "a packet of 268435455 bytes"),
    ],
    ids=["kept until a release that never comes", "as large as MQTT allows"],
)
def test_what_a_hostile_broker_wants_us_to_hold_ends_the_connection(opened: Open, hostile: bytes, because: str) -> None:
    broker = ScriptedBroker(Script(suback=(1,), after=hostile))
    try:
        session = opened(at(broker.port, "console"))

        def lost() -> bool:
            assert session.next(0.05) is None
            return because in session.reason

        wait_until(lost, f"the loss, not: {session.reason}")
    finally:
        broker.close()
