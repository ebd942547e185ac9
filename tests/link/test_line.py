"""The line to the broker by a clock of the test's own; and what reading a hostile broker cannot do."""

from __future__ import annotations

import gc
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.link.connection import Acked, Address, Arrived, Connection, Happening, Lost, Message, Unavailable
from firmware.link.line import Line
from firmware.log import Log
from firmware.topics import topic
from firmware.wire import Publish
from tests.link.scripted_broker import Script, ScriptedBroker, packet, puback, publish
from tests.link.stage import BOOT, PATIENCE_S, VAN, wait_until

WILL = Message(topic(VAN, "state"), b"{}", retain=True)
LATER_BOOT = "f" * 32
COMMAND = publish(topic(VAN, "cmd", "pause"), b"a command")


class Stage:
    """A line at a scripted broker, and its log."""

    def __init__(self, *scripts: Script) -> None:
        self.broker = ScriptedBroker(*scripts)
        self.told: list[Acked | Arrived] = []
        self.text = StringIO()
        self.line = Line(Address("127.0.0.1", self.broker.port, VAN), VAN, lambda: 1.0, Log("link", self.text))

    def reasons(self) -> list[str]:
        lines = [json.loads(line) for line in self.text.getvalue().splitlines()]
        return [line["reason"] for line in lines if line["event"] == "broker_unavailable"]

    def turn_until(self, condition: Callable[[], object], now_s: float, what: str) -> None:
        def turned() -> object:
            self.told += self.line.turn(now_s)
            return condition()

        wait_until(turned, what)


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def new(*scripts: Script) -> Stage:
        stages.append(Stage(*scripts))
        return stages[-1]

    yield new
    for one in stages:
        one.line.serve(None)
        one.broker.close()


def test_a_broker_that_does_not_answer_subscribe_is_left_after_five_seconds(stage: Callable[..., Stage]) -> None:
    now = stage(Script(suback=()))
    now.line.serve(BOOT)
    now.turn_until(lambda: now.broker.subscribes, 100.0, "SUBSCRIBE")
    now.line.turn(104.9)
    assert now.reasons() == []
    now.line.turn(105.1)
    assert now.reasons() == ["no answer to SUBSCRIBE"]
    assert not now.line.up


def test_a_subscription_is_granted_by_its_own_answer_only(stage: Callable[..., Stage]) -> None:
    now = stage(Script(suback=(), after=packet(9, b"\x77\x77\x00\x01\x01") + COMMAND))
    now.line.serve(BOOT)
    now.turn_until(lambda: now.told, 100.0, "what came behind that answer")
    assert not now.line.up


def test_a_second_greeting_of_the_broker_changes_nothing(stage: Callable[..., Stage]) -> None:
    now = stage()
    now.line.serve(BOOT)
    now.turn_until(lambda: now.line.up, 100.0, "a line")
    now.broker.say(packet(2, b"\0\0\x03\x21\x00\x05") + COMMAND)
    now.turn_until(lambda: now.told, 100.0, "what came behind it")
    now.line.publish(WILL)
    now.turn_until(lambda: now.broker.published, 100.0, "the message")
    assert (len(now.broker.subscribes), now.line.window) == (1, 64)


def test_a_broker_that_does_not_answer_connect_is_left_after_five_seconds() -> None:
    text = StringIO()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = Line(Address("127.0.0.1", silent.getsockname()[1], VAN), VAN, lambda: 1.0, Log("link", text))
        line.serve(BOOT)

        def turned() -> bool:
            line.turn(100.0)
            return line.connection is not None

        wait_until(turned, "TCP")
        line.turn(104.9)
        assert line.connection is not None
        line.turn(105.1)
    assert line.reason == "no answer to CONNECT"


def test_it_waits_as_long_as_it_said_and_longer_each_time(stage: Callable[..., Stage]) -> None:
    now = stage(Script(connack=0x87))
    now.line.serve(BOOT)
    at_s = 100.0
    for attempt, wait_s in enumerate([1.0, 2.0, 4.0], 1):
        now.turn_until(lambda: len(now.reasons()) == attempt, at_s, "refusal")  # noqa: B023  called at once
        now.line.turn(at_s + wait_s - 0.01)
        assert not now.line.dialling
        at_s += wait_s
        now.line.turn(at_s)
        assert now.line.dialling
    assert len(now.broker.connects) == 3


@pytest.mark.parametrize(
    ("code", "steady_s", "next_wait_s"), [(0, 1.0, 1.0), (0x10, 1.0, 1.0), (0x87, 1.0, 4.0), (0x87, 30.0, 1.0)]
)
def test_a_first_answer_or_half_a_minute_makes_the_next_wait_short(
    stage: Callable[..., Stage], code: int, steady_s: float, next_wait_s: float
) -> None:
    refused = Script(connack=0x87)
    now = stage(refused, refused, Script(answer=lambda mid: puback(mid, code)))
    now.line.serve(BOOT)
    now.turn_until(lambda: len(now.reasons()) == 1, 100.0, "refusal")
    now.turn_until(lambda: len(now.reasons()) == 2, 101.0, "refusal")
    now.turn_until(lambda: now.line.up, 103.0, "a line")
    now.line.publish(Message(topic(VAN, "match"), b"x"))
    now.turn_until(lambda: now.broker.published, 103.0, "the message")
    now.line.turn(103.0 + steady_s)
    now.broker.say(packet(14, b"\x00"))
    now.turn_until(lambda: len(now.reasons()) == 3, 103.0 + steady_s, "the loss")
    assert f'"retry_s":{next_wait_s}' in now.text.getvalue().splitlines()[-1]


def test_a_match_process_that_came_while_dialling_gets_a_will_of_its_own(stage: Callable[..., Stage]) -> None:
    now = stage()
    now.line.serve(BOOT)
    now.line.turn(100.0)
    now.line.serve(LATER_BOOT)
    now.turn_until(lambda: now.line.up, 100.0, "a line")
    assert [LATER_BOOT.encode() in connect for connect in now.broker.connects] == [True]


def test_a_room_for_a_message_is_less_than_the_broker_takes(stage: Callable[..., Stage]) -> None:
    now = stage(Script(offers=(("MaximumPacketSize", 1_000),)))
    now.line.serve(BOOT)
    now.turn_until(lambda: now.line.up, 100.0, "a line")
    assert now.line.takes(Publish(ref=1, channel="match", payload=bytes(744)))
    assert not now.line.takes(Publish(ref=1, channel="match", payload=bytes(745)))


def test_nothing_can_be_said_on_no_line(stage: Callable[..., Stage]) -> None:
    with pytest.raises(Unavailable):
        stage().line.publish(WILL)


def test_the_goodbye_is_given_a_second_and_no_more(stage: Callable[..., Stage]) -> None:
    now = stage(Script(answer=lambda _mid: b""))
    now.line.serve(BOOT)
    now.turn_until(lambda: now.line.up, 100.0, "a line")
    leaving = threading.Thread(target=now.line.serve, args=(None,))
    leaving.start()
    leaving.join(PATIENCE_S)
    assert not leaving.is_alive()
    assert now.broker.payloads("state") == [b'{"online":false,"boot":"%s"}' % BOOT.encode()]
    assert now.broker.goodbyes == []


def test_a_broker_that_leaves_one_message_unanswered_for_all_ids_is_left() -> None:
    with _connected(window=2) as (connection, peer):
        peer.sendall(packet(2, b"\0\0\0"))
        first = connection.publish(WILL)
        for _ in range(65_534):
            peer.sendall(puback(connection.publish(Message("t", b""))))
            _turn_until(connection, bool)
        with pytest.raises(Unavailable, match="unanswered"):
            connection.publish(Message("t", b""))
    assert first == 1


# What a broker may start with, so that mutations reach the parsers of all packets.
_SEEDS = [
    packet(2, b"\0\0\x08\x21\x00\x05\x27\x00\x00\x10\x00"),
    packet(9, b"\0\x01\0\x01\x01"),
    puback(1),
    puback(2, 0x97),
    packet(5, b"\0\x01\0\0"),
    packet(6, b"\0\x01\0\0", 2),
    packet(7, b"\0\x01\0\0"),
    packet(11, b"\0\x01\0\0"),
    packet(12, b""),
    packet(13, b""),
    packet(14, b"\x8e\x00"),
    packet(15, b"\x18\x00"),
    publish(topic(VAN, "cmd", "pause"), b"payload"),
    publish("é", b"payload", qos=0, retain=True),
    packet(3, b"\x00\x01x\x00\x01\x07\x26\x00\x01a\x00\x01b", 2),
]


@st.composite
def _streams(draw: st.DrawFn) -> bytes:
    """Some packets, some of them with a byte or two changed, cut or added."""
    stream = b""
    for seed in draw(st.lists(st.sampled_from(_SEEDS), min_size=1, max_size=6)):
        data = bytearray(seed)
        for at, byte in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=3)):
            data[at] = byte
        stream += bytes(data) + draw(st.binary(max_size=3))
    return stream


@settings(max_examples=400, deadline=None)
@given(stream=_streams())
def test_nothing_a_broker_sends_raises(stream: bytes) -> None:
    with _connected() as (connection, peer):
        connection.publish(WILL)
        peer.sendall(packet(2, b"\0\0\0") + stream)
        peer.shutdown(socket.SHUT_WR)
        happened = _turn_until(connection, lambda happened: any(isinstance(one, Lost) for one in happened))
        assert len([one for one in happened if isinstance(one, Lost)]) == 1


def test_a_fault_of_the_parser_ends_the_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """paho before 2.2 raised what a malformed packet made its parser stumble over; a later one may again."""
    with _connected() as (connection, peer):
        monkeypatch.setattr("paho.mqtt._packet.decode_publish", lambda *_: 1 / 0)
        peer.sendall(publish(topic(VAN, "cmd", "pause"), b"x"))
        happened = _turn_until(connection, bool)
        assert happened == [Lost("what the broker sent cannot be read (ZeroDivisionError)")]


def test_what_comes_in_pieces_is_put_together() -> None:
    command = publish(topic(VAN, "cmd", "pause"), bytes(60_000))
    with _connected() as (connection, peer):
        for at in range(0, len(command), 9_999):
            peer.sendall(command[at : at + 9_999])
            happened = connection.turn()
        happened += _turn_until(connection, bool) if not happened else []
        assert happened == [Arrived(topic(VAN, "cmd", "pause"), bytes(60_000), retained=False)]


def test_a_connection_that_nobody_asks_for_closes_with_its_last_use() -> None:
    gc.collect()
    gc.disable()  # its last use, not the next collection
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            connection = Connection(Address("127.0.0.1", listener.getsockname()[1], VAN), WILL, 64)
            with listener.accept()[0] as peer:
                assert connection.fileno() > 0
                del connection
                peer.settimeout(PATIENCE_S)
                assert peer.recv(1_000) == b""
    finally:
        gc.enable()


def test_much_at_once_is_handled_in_turns_and_a_quiet_broker_needs_none() -> None:
    with _connected() as (connection, peer):
        peer.sendall(COMMAND * 1_000)
        happened = _turn_until(connection, bool)
        assert 0 < len(happened) < 1_000
        assert connection.unfinished
        happened += _turn_until(connection, lambda more: len(more) + len(happened) == 1_000)
        assert connection.turn() == []
        assert not connection.unfinished


class _connected:  # noqa: N801  used as a function
    """A connection and the broker's end of it."""

    def __init__(self, window: int = 64) -> None:
        self._window = window

    def __enter__(self) -> tuple[Connection, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = Address("127.0.0.1", listener.getsockname()[1], VAN)
            self._ends = Connection(address, WILL, self._window), listener.accept()[0]
        return self._ends

    def __exit__(self, *_: object) -> None:
        self._ends[0].drop()
        self._ends[1].close()


def _turn_until(connection: Connection, condition: Callable[[list[Happening]], bool]) -> list[Happening]:
    happened: list[Happening] = []

    def turned() -> bool:
        if connection.fileno() >= 0:
            select.select([connection], [], [], 0.0 if connection.unfinished else PATIENCE_S)
        happened.extend(connection.turn())
        return condition(happened)

    wait_until(turned, "what the broker sent")
    return happened
