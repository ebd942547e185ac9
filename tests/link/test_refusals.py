"""What link does with a broker that refuses, withholds, lies or says nonsense."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.link.quick_client import PACKET_MAX_BYTES
from firmware.topics import RULES, topic
from firmware.wire import Heard, Linked, OutChannel, Sent
from tests.link.scripted_broker import Script, ScriptedBroker, packet, puback, publish
from tests.link.stage import BOOT, PATIENCE_S, VAN, Link, Match, wait_until

NOT_AUTHORIZED = 0x87
COMMAND = publish(topic(VAN, "cmd", "pause"), b"a command")
Start = Callable[..., tuple[ScriptedBroker, Link, Match]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a broker with these scripts, a link and a match process."""
    started: list[tuple[ScriptedBroker, Link, Match]] = []

    def run(*scripts: Script) -> tuple[ScriptedBroker, Link, Match]:
        broker = ScriptedBroker(*scripts)
        link = Link(tmp_path, broker.port)
        link.start()
        match = Match(link.socket)
        started.append((broker, link, match))
        match.greet()
        return started[-1]

    yield run
    for broker, link, match in started:
        link.close()
        match.die()
        broker.close()


def test_the_broker_sees_mqtt_5_a_clean_start_the_vans_name_and_the_will(start: Start) -> None:
    broker, _, match = start()
    match.wait_until_linked()
    connect = broker.connects[0]
    assert connect[:7] == b"\x00\x04MQTT\x05"
    assert connect[7] == 0b0010_1110  # will retained, of QoS 1, a will, clean start
    will = b'{"online":false,"boot":"%s"}' % BOOT.encode()
    assert connect.endswith(VAN.encode() + b"\0" + _text(topic(VAN, "state").encode()) + _text(will))
    topics = [topic(VAN, channel, "+").encode() for channel in ("cmd", "ack")]
    assert [body[3:] for body in broker.subscribes] == [b"".join(_text(name) + b"\x09" for name in topics)]


@pytest.mark.parametrize("channel", ["state", "match", "audit", "health", "rsp"])
def test_qos_and_retain_are_those_of_the_table(start: Start, channel: OutChannel) -> None:
    broker, _, match = start()
    match.wait_until_linked()
    assert match.deliver(channel, b"x", "c-1" * (channel == "rsp")) == 0
    wait_until(lambda: broker.published, "the message")
    assert (broker.published[0].qos, broker.published[0].retain) == (RULES[channel].qos, RULES[channel].retain)


def test_a_refused_connection_is_tried_again(start: Start) -> None:
    _, link, match = start(Script(connack=NOT_AUTHORIZED), Script())
    match.wait_until_linked()
    assert [line["reason"] for line in link.said("broker_unavailable")] == ["Not authorized"]
    assert (False, 0, "Not authorized") in [(one.connected, one.connections, one.reason) for one in match.all(Linked)]


@pytest.mark.parametrize("codes", [(NOT_AUTHORIZED, 1), (1, NOT_AUTHORIZED)])
def test_a_refused_subscription_alarms_and_is_no_line(start: Start, codes: tuple[int, ...]) -> None:
    _, link, match = start(Script(suback=codes), Script())
    match.wait_until_linked()
    assert link.said("subscription_refused")[0]["kind"] == "alarm"
    assert match.all(Linked)[-1].connections == 1
    assert len(link.said("broker_unavailable")) == 1


@pytest.mark.parametrize(
    ("offer", "value", "reason"),
    [
        ("MaximumQoS", 0, "does not offer QoS 1"),
        ("RetainAvailable", 0, "does not keep retained"),
        ("ServerKeepAlive", 0, "keep-alive of 0 s"),
        ("ServerKeepAlive", 61, "keep-alive of 61 s"),
    ],
)
def test_a_broker_without_what_the_topics_need_is_refused(start: Start, offer: str, value: int, reason: str) -> None:
    _, link, match = start(Script(offers=((offer, value),)), Script())
    match.wait_until_linked()
    assert reason in link.said("broker_unavailable")[0]["reason"]


def test_a_refused_message_is_answered_with_the_brokers_code(start: Start) -> None:
    broker, _, match = start(Script(answer=lambda mid: puback(mid, NOT_AUTHORIZED)))
    match.wait_until_linked()
    assert match.deliver("match", b"x") == NOT_AUTHORIZED
    assert broker.payloads("match") == [b"x"]


def test_answers_to_nothing_and_answers_twice_are_ignored(start: Start) -> None:
    def confused(mid: int) -> bytes:
        strangers = [puback(other % 65_535 + 1, 0) for other in range(mid, mid + 50)]
        return b"".join([*strangers, puback(mid, 0x10), puback(mid, NOT_AUTHORIZED), packet(7, mid.to_bytes(2, "big"))])

    _, _, match = start(Script(answer=confused))
    match.wait_until_linked()
    assert [match.deliver("match", b"x") for _ in range(3)] == [0x10, 0x10, 0x10]
    assert len(match.all(Sent)) == 3
    assert match.all(Linked)[-1].connections == 1


@pytest.mark.parametrize(("receive_maximum", "at_a_time"), [(1, 1), (2, 1), (5, 4), (1_000, 64)])
def test_no_more_is_under_way_than_the_broker_takes(start: Start, receive_maximum: int, at_a_time: int) -> None:
    broker, _, match = start(Script(offers=(("ReceiveMaximum", receive_maximum),), answer=lambda _mid: b""))
    match.wait_until_linked()
    for number in range(100):
        match.publish("match", b"%d" % number)
    match.deliver("health", b"a moment later")
    wait_until(lambda: broker.payloads("health"), "the moment")
    assert broker.payloads("match") == [b"%d" % number for number in range(at_a_time)]
    broker.say(puback(broker.published[0].mid))
    wait_until(lambda: len(broker.payloads("match")) == at_a_time + 1, "the next")
    match.die()
    wait_until(lambda: broker.payloads("state"), "the goodbye, for which there was a place")


def test_a_match_process_that_floods_is_dropped(start: Start) -> None:
    broker, link, match = start(Script(answer=lambda _mid: b""))
    match.wait_until_linked()
    for _ in range(128):
        match.publish("match", b"x")
    match.deliver("health", b"x")
    assert not match.ended()
    match.publish("match", b"one too many")
    wait_until(match.ended, "its end")
    assert "128" in link.said("peer_dropped")[0]["reason"]
    assert b"one too many" not in broker.payloads("match")


def test_what_the_broker_says_is_too_large_for_it_is_not_sent(start: Start) -> None:
    broker, _, match = start(Script(offers=(("MaximumPacketSize", 1_000),)))
    match.wait_until_linked()
    assert match.deliver("match", bytes(1_000)) == 0x95
    assert match.deliver("match", bytes(700)) == 0
    assert broker.payloads("match") == [bytes(700)]


def test_after_a_loss_nothing_is_sent_that_match_did_not_send_again(start: Start) -> None:
    broker, _, match = start(Script(answer=lambda _mid: b""), Script())
    match.wait_until_linked()
    for number in range(100):
        match.publish("match", b"%d" % number)
    wait_until(lambda: len(broker.published) == 64, "the window")
    broker.say(packet(14, b"\x8e\x00"))  # another client took over the session
    match.wait_until_linked(connections=2)
    assert "Session taken over" in [linked.reason for linked in match.all(Linked)]
    assert match.deliver("match", b"again") == 0
    assert broker.payloads("match")[64:] == [b"again"]
    assert [sent.ref for sent in match.all(Sent)] == [101]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x00\x00",
        packet(2, b"\x00\x87\x00"),
        b"\xff\xff\xff\xff\xff\xff",
        packet(3, b"\xff\xff"),
        packet(3, b"\x00\x01x\x00\x01\x05\x7f", 2),
        packet(4, b""),
        packet(4, b"\x00\x01\x42\x00"),
        packet(9, b"\x00"),
        packet(9, b"\x00\x01\x00\x99"),
        packet(15, b"\x18\x00"),
        packet(14, b"\x42"),
        publish(topic(VAN, "cmd", "pause"), b"x", qos=3),
        publish(topic(VAN, "cmd", "pause"), b"x", qos=2),
        b"\x30\xff\xff\xff\x7f" + bytes(100_000),
    ],
)
def test_nonsense_ends_the_connection_and_not_the_process(start: Start, nonsense: bytes) -> None:
    _, link, match = start(Script(after=nonsense), Script(after=COMMAND))
    match.wait_until_linked(connections=1)
    match.wait_for(Heard)
    assert len(link.said("broker_unavailable")) == 1
    assert link.said("thread_died") == []


@pytest.mark.parametrize(
    "oddity",
    [
        packet(2, b"\x00\x00\x00"),
        packet(9, b"\x77\x77\x00\x01\x01"),
        packet(9, b"\x77\x77\x00\x87\x87"),
        packet(12, b""),
        packet(13, b""),
        packet(5, b"\x00\x09"),
        packet(6, b"\x00\x09", 2),
        publish(b"\xff\xfe", b"x"),
        publish("", b"x"),
        publish("lfr/v1/van-08/cmd/pause", b"x"),
        publish(f"lfr/v1/{VAN}/state", b"x"),
        publish(f"lfr/v1/{VAN}/cmd", b"x"),
        publish(topic(VAN, "cmd", "pause\n"), b"x"),
        publish(topic(VAN, "cmd", "pause"), bytes(60_000)),
    ],
)
def test_oddities_are_survived(start: Start, oddity: bytes) -> None:
    _, link, match = start(Script(after=oddity + COMMAND + COMMAND))
    match.wait_for(Heard, 2)
    match.wait_for(Linked)
    assert {heard.payload for heard in match.all(Heard)} == {b"a command"}
    assert link.said("thread_died") == []
    assert link.said("broker_unavailable") == []


def test_an_announced_packet_of_256_mib_takes_no_memory(start: Start) -> None:
    _, link, match = start(Script(after=b"\x30\xff\xff\xff\x7f" + bytes(100_000)), Script())
    match.wait_until_linked(connections=1)
    wait_until(lambda: link.said("broker_unavailable"), "the loss")
    assert f"limit is {PACKET_MAX_BYTES}" in link.said("broker_unavailable")[0]["reason"]


@pytest.fixture
def stuck(start: Start) -> Iterator[tuple[ScriptedBroker, Link, Match]]:
    """A broker that stopped reading, with a window of the largest messages on the way to it."""
    reads_again = threading.Event()

    def never(_mid: int) -> bytes:
        reads_again.wait(PATIENCE_S)
        return b""

    broker, link, match = start(Script(answer=never))
    match.wait_until_linked()
    for _ in range(64):
        match.publish("match", bytes(500 * 1024))
    wait_until(lambda: broker.published, "the first message")
    yield broker, link, match
    reads_again.set()


def test_a_broker_that_sends_and_never_reads_is_left(stuck: tuple[ScriptedBroker, Link, Match]) -> None:
    broker, link, _ = stuck
    broker.say(COMMAND * 5_000)
    assert link.wait_for("broker_unavailable")["reason"] == "the broker does not read"


def test_for_a_broker_that_does_not_read_counters_do_not_pile_up(stuck: tuple[ScriptedBroker, Link, Match]) -> None:
    _, _, match = stuck
    codes = [match.deliver("health", b"x") for _ in range(140)]
    assert codes[0] == 0
    assert codes[-1] == 0x97  # quota exceeded
    assert set(codes) == {0, 0x97}


def _text(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
