"""What link carries between the match process and a real broker: two of them, because each reads the standard anew."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.link.quick_client import PACKET_MAX_BYTES
from firmware.topics import RULES, topic
from firmware.wire import Heard, Linked, OutChannel, Sent
from tests.link.mosquitto import EXECUTABLE, Mosquitto
from tests.link.stage import BOOT, VAN, Broker, Link, Listener, Match, broker_to_be, wait_until

STATE = topic(VAN, "state")
LATER_BOOT = "f" * 32
HINT = b'{"online":false,"boot":"%s"}'


def hint(boot: str) -> bytes:
    return HINT % boot.encode()


@pytest.fixture(
    params=[
        "iotcore",
        pytest.param("mosquitto", marks=pytest.mark.skipif(EXECUTABLE is None, reason="mosquitto is not installed")),
    ]
)
def absent_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """In place of the one broker of the other stories."""
    with broker_to_be() as embedded:
        mosquitto = Mosquitto(tmp_path, embedded.port)
        yield {"iotcore": embedded, "mosquitto": mosquitto}[request.param]
        mosquitto.die()


@pytest.fixture
def match(broker: Broker, link: Link, connect: Callable[[], Match]) -> Match:
    """A match process with a line to the broker."""
    link.start()
    match = connect()
    match.come_up()
    return match


@pytest.mark.parametrize(
    ("channel", "tail"), [("state", ""), ("match", ""), ("audit", ""), ("health", ""), ("rsp", "c-1")]
)
def test_a_message_goes_out_by_the_rules_of_its_topic(
    broker: Broker, match: Match, channel: OutChannel, tail: str
) -> None:
    with Listener(broker.port, topic(VAN, channel, tail)) as live:
        assert match.deliver(channel, b"sealed", tail, expiry_s=77) < 0x80
        wait_until(lambda: live.heard, "the message")
    with Listener(broker.port, topic(VAN, channel, tail)) as late:
        late.say(topic(VAN, channel, tail), b"a moment later")
        wait_until(lambda: late.heard and late.heard[-1].payload == b"a moment later", "the moment")
        kept = [message.payload for message in late.heard if message.retain]
    assert live.heard[0].payload == b"sealed"
    assert 0 < live.heard[0].properties.MessageExpiryInterval <= 77  # type: ignore[union-attr]
    assert kept == [b"sealed"] * RULES[channel].retain


def test_many_messages_arrive_once_in_order_and_each_is_answered(broker: Broker, match: Match) -> None:
    with Listener(broker.port, topic(VAN, "match")) as control_room:
        for number in range(500):
            match.publish("match", b"%d" % number)
            wait_until(lambda number=number: number - len(match.all(Sent)) < 60, "answers")  # type: ignore[misc]
        wait_until(lambda: len(control_room.heard) >= 500, "all")
    assert [message.payload for message in control_room.heard] == [b"%d" % number for number in range(500)]
    wait_until(lambda: len(match.all(Sent)) >= 500, "all answers")
    assert sorted(sent.ref for sent in match.all(Sent)) == list(range(1, 501))


def test_the_largest_payload_goes_out(broker: Broker, match: Match) -> None:
    with Listener(broker.port, topic(VAN, "match")) as control_room:
        assert match.deliver("match", bytes(500 * 1024)) < 0x80
        wait_until(lambda: control_room.heard, "the message")
    assert len(control_room.heard[0].payload) == 500 * 1024


def test_commands_and_receipts_come_in(broker: Broker, match: Match) -> None:
    with Listener(broker.port, "other") as console:
        console.say(topic(VAN, "cmd", "pause"), b"a command")
        console.say(topic(VAN, "ack", "e-1"), b"a receipt")
    match.wait_for(Heard, 2)
    assert match.all(Heard) == [
        Heard(channel="cmd", tail="pause", payload=b"a command", retained=False),
        Heard(channel="ack", tail="e-1", payload=b"a receipt", retained=False),
    ]


def test_an_old_command_says_that_it_is_old(broker: Broker, link: Link, connect: Callable[[], Match]) -> None:
    with Listener(broker.port, "other") as console:
        console.say(topic(VAN, "cmd", "resume"), b"of yesterday", retain=True)
    link.start()
    match = connect()
    match.greet()
    assert match.wait_for(Heard).retained


def test_what_is_for_another_van_or_no_command_is_not_heard(broker: Broker, match: Match) -> None:
    with Listener(broker.port, "other") as console:
        for name in ("van-08/cmd/pause", f"{VAN}/cmd/pause/now", f"{VAN}/state/x", f"{VAN}/rsp/1"):
            console.say(f"lfr/v1/{name}", b"not for us")
        console.say(topic(VAN, "cmd", "pause"), b"for us")
    match.wait_for(Heard)
    assert [heard.payload for heard in match.all(Heard)] == [b"for us"]


@pytest.mark.parametrize(
    ("tail", "size", "reason"),
    [
        ("cmd/pause", 16 * 1024 + 1, "size"),
        ("ack/e-1", 8 * 1024 + 1, "size"),
        ("cmd/pause", 60_000, "size"),
        ("cmd/pause now", 1, "tail"),
        ("cmd/", 1, "tail"),
        ("ack/" + 65 * "x", 1, "tail"),
        ("ack/é", 1, "tail"),
    ],
)
def test_what_is_too_large_or_badly_named_is_dropped_counted_and_logged(
    broker: Broker, link: Link, match: Match, tail: str, size: int, reason: str
) -> None:
    with Listener(broker.port, "other") as console:
        console.say(f"lfr/v1/{VAN}/{tail}", bytes(size))
        console.say(topic(VAN, "cmd", "pause"), bytes(16 * 1024))
        console.say(topic(VAN, "ack", "e-1"), bytes(8 * 1024))
    match.wait_for(Heard, 2)
    wait_until(lambda: match.all(Linked)[-1].overflowed == 1, "the count")
    assert [len(heard.payload) for heard in match.all(Heard)] == [16 * 1024, 8 * 1024]
    assert link.wait_for("heard_dropped")["reason"] == reason
    assert link.said("heard_dropped")[0]["count"] == 1


def test_a_killed_link_is_told_of_by_its_will(broker: Broker, link: Link, match: Match) -> None:
    match.deliver("state", b"signed")
    link.kill()
    with Listener(broker.port, STATE) as state:
        wait_until(lambda: state.heard and state.heard[-1].payload == hint(BOOT), "the will")
    with Listener(broker.port, STATE) as late:
        wait_until(lambda: late.heard, "what is kept")
        assert (late.heard[0].payload, late.heard[0].retain) == (hint(BOOT), True)


@pytest.mark.parametrize("end", ["match dies", "link is stopped"])
def test_a_goodbye_says_the_same_once(broker: Broker, link: Link, match: Match, end: str) -> None:
    match.deliver("state", b"signed")
    with Listener(broker.port, STATE) as state:
        wait_until(lambda: state.heard, "the state")
        {"match dies": match.die, "link is stopped": link.stop}[end]()
        link.wait_for("match_gone")
        wait_until(lambda: len(state.heard) > 1, "the goodbye")
        state.say(STATE, b"a moment later")
        wait_until(lambda: state.heard[-1].payload == b"a moment later", "the moment")
        assert [message.payload for message in state.heard] == [b"signed", hint(BOOT), b"a moment later"]


def test_a_new_match_process_replaces_the_old_one_and_its_will(
    broker: Broker, link: Link, match: Match, connect: Callable[[], Match]
) -> None:
    successor = connect()
    successor.greet(LATER_BOOT)
    successor.wait_until_linked(connections=2)
    wait_until(match.ended, "the end of the old one")
    assert successor.deliver("match", b"of the new one") < 0x80
    with Listener(broker.port, STATE) as state:
        wait_until(lambda: state.heard, "the goodbye")
        assert state.heard[-1].payload == hint(BOOT)
        link.kill()
        wait_until(lambda: state.heard[-1].payload == hint(LATER_BOOT), "the will")


def test_after_a_loss_match_is_told_and_what_it_sends_meanwhile_is_forgotten(
    broker: Broker, link: Link, match: Match
) -> None:
    broker.die()
    wait_until(lambda: not match.all(Linked)[-1].connected, "the loss")
    assert match.all(Linked)[-1].reason
    lost = match.publish("match", b"into the void")
    link.wait_for("broker_unavailable")
    broker.start()
    with Listener(broker.port, topic(VAN, "match")) as control_room:
        match.wait_until_linked(connections=2)
        assert match.deliver("match", b"again") < 0x80
        wait_until(lambda: control_room.heard, "the message")
        assert [message.payload for message in control_room.heard] == [b"again"]
    assert lost not in [sent.ref for sent in match.all(Sent)]


def test_a_broker_that_comes_later_is_found(absent_broker: Broker, link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    match = connect()
    match.greet()
    unavailable = link.wait_for("broker_unavailable")
    assert "Connection refused" in unavailable["reason"]
    assert 0.5 <= unavailable["retry_s"] <= 30
    assert not match.wait_for(Linked, 2).connected
    for _ in range(200):
        match.publish("match", b"into the void")
    absent_broker.start()
    match.wait_until_linked()
    assert match.deliver("match", b"x") < 0x80
    assert len(match.all(Sent)) == 1


def test_without_a_match_process_there_is_no_connection(
    broker: Broker, link: Link, connect: Callable[[], Match]
) -> None:
    link.start()
    with Listener(broker.port, "lfr/#") as everything:
        silent = connect()
        link.wait_for("match_connected")
        silent.die()
        link.wait_for("match_gone")
        connect().come_up()
        everything.say("lfr/end", b"")
        wait_until(lambda: everything.heard, "the moment")
        assert [message.topic for message in everything.heard] == ["lfr/end"]
    assert len(link.said("broker_connected")) == 1


@pytest.mark.skipif(EXECUTABLE is None, reason="mosquitto is not installed")
def test_a_retained_megabyte_cannot_end_connection_after_connection(tmp_path: Path) -> None:
    with broker_to_be() as embedded:
        broker = Mosquitto(tmp_path, embedded.port)
    broker.start()
    link = Link(tmp_path, broker.port)
    with Listener(broker.port, "other") as console, contextlib.closing(link), contextlib.closing(broker):
        for size in (1_000_000, PACKET_MAX_BYTES + 1):
            console.say(topic(VAN, "cmd", f"c{size}"), bytes(size), retain=True)
        link.start()
        match = Match(link.socket)
        match.come_up()
        console.say(topic(VAN, "cmd", "pause"), b"for us")
        match.wait_for(Heard)
        assert match.all(Linked)[-1].connections == 1
        match.die()


def test_log_lines_never_hold_a_payload(broker: Broker, link: Link, match: Match) -> None:
    match.deliver("match", b"SEALED-OUT")
    with Listener(broker.port, "other") as console:
        console.say(topic(VAN, "cmd", "pause"), b"SEALED-IN")
        console.say(topic(VAN, "cmd", "pause"), b"SEALED-IN" * 2_000)
    match.wait_for(Heard)
    link.wait_for("heard_dropped")
    assert link.stop() == 0
    assert "SEALED" not in str(link.lines)
    assert [line["event"] for line in link.lines] == [
        *("link_started", "match_connected", "broker_connected", "heard_dropped", "match_gone", "link_stopped")
    ]


def test_stopping_takes_seconds_only(broker: Broker, link: Link, match: Match) -> None:
    match.publish("match", bytes(500_000))
    started = time.monotonic()
    assert link.stop() == 0
    assert time.monotonic() - started < 5
