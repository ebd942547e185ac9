"""What crosses the wall comes out as it went in, or not at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import framing, wire
from firmware.framing import WireError
from firmware.wire import FromLink, FromMatch, Heard, Hello, Linked, Publish, Sent

BOOT = "0123456789abcdef" * 2
_COUNT = st.integers(0, 2**53)
_TAIL = st.from_regex(r"[A-Za-z0-9._-]{0,64}", fullmatch=True)
_PAYLOAD = st.binary(max_size=2_000)
_FROM_MATCH = st.builds(Hello, boot=st.from_regex(r"[0-9a-f]{32}", fullmatch=True)) | st.builds(
    Publish,
    ref=_COUNT,
    channel=st.sampled_from(["state", "match", "audit", "health", "rsp"]),
    payload=_PAYLOAD,
    tail=_TAIL,
    expiry_s=st.none() | st.integers(1, 7 * 86_400),
)
_FROM_LINK = (
    st.builds(Sent, ref=_COUNT, code=st.integers(0, 255))
    | st.builds(Heard, channel=st.sampled_from(["cmd", "ack"]), tail=_TAIL, payload=_PAYLOAD, retained=st.booleans())
    | st.builds(Linked, connected=st.booleans(), connections=_COUNT, overflowed=_COUNT, reason=st.text(max_size=40))
)


def pass_through(sent: bytes) -> FromMatch | None:
    """What the link side reads when exactly these bytes come and then the end."""
    here, there = socket.socketpair()
    with here, there:
        here.sendall(sent)
        here.shutdown(socket.SHUT_WR)
        return wire.receive_from_match(there)


def in_a_frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


@settings(max_examples=100, deadline=None)
@given(message=_FROM_MATCH)
def test_messages_of_match_come_out_as_they_went_in(message: FromMatch) -> None:
    assert pass_through(framing.framed(message)) == message


@settings(max_examples=100, deadline=None)
@given(message=_FROM_LINK)
def test_messages_of_link_come_out_as_they_went_in(message: FromLink) -> None:
    here, there = socket.socketpair()
    with here, there:
        framing.send(here, message)
        assert wire.receive_from_link(there) == message


@settings(max_examples=100, deadline=None)
@given(messages=st.lists(_FROM_MATCH, max_size=8), size=st.integers(1, 3_000))
def test_pieces_of_any_size_make_the_same_messages(messages: list[FromMatch], size: int) -> None:
    stream = b"".join(framing.framed(message) for message in messages)
    frames = wire.frames_from_match()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [message for piece in pieces for message in frames.feed(piece)] == messages
    assert not frames.partial
    frames.feed(b"\0")
    assert frames.partial


@settings(max_examples=200, deadline=None)
@given(payload=st.binary(max_size=200))
def test_rubbish_is_refused_in_one_way_only(payload: bytes) -> None:
    with pytest.raises(WireError):
        pass_through(in_a_frame(payload))
    with pytest.raises(WireError):
        wire.frames_from_match().feed(in_a_frame(payload))


def test_several_messages_in_one_stream_stay_apart(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    for ref in (1, 2, 3):
        framing.send(here, Sent(ref, 0))
    here.close()
    assert [wire.receive_from_link(there) for _ in range(4)] == [Sent(1, 0), Sent(2, 0), Sent(3, 0), None]


def test_an_end_between_messages_is_no_fault() -> None:
    assert pass_through(b"") is None


@pytest.mark.parametrize(
    "cut", [b"\x00\x00", b"\x00\x00\x00\x05", b"\x00\x00\x00\x05abc"], ids=["in the length", "before the body", "in it"]
)
def test_an_end_inside_a_message_is(cut: bytes) -> None:
    with pytest.raises(WireError, match="inside a message"):
        pass_through(cut)


def test_too_much_is_refused_by_the_sender_and_by_the_receiver(pair: tuple[socket.socket, socket.socket]) -> None:
    too_much = Publish(ref=1, channel="match", payload=bytes(framing.MAX_MESSAGE_BYTES))
    with pytest.raises(WireError, match="exceeds the limit"):
        framing.send(pair[0], too_much)
    announced = (framing.MAX_MESSAGE_BYTES + 1).to_bytes(4, "big")
    with pytest.raises(WireError, match="exceeds the limit"):
        pass_through(announced)
    with pytest.raises(WireError, match="exceeds the limit"):
        wire.frames_from_match().feed(announced)


def test_the_largest_payload_passes_and_one_byte_more_does_not() -> None:
    largest = Publish(ref=1, channel="match", payload=bytes(wire.MAX_PAYLOAD_BYTES))
    assert wire.frames_from_match().feed(framing.framed(largest)) == [largest]
    larger = msgspec.structs.replace(largest, payload=bytes(wire.MAX_PAYLOAD_BYTES + 1))
    with pytest.raises(WireError, match="payload"):
        wire.frames_from_match().feed(framing.framed(larger))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("tail", tail) for tail in ("a/b", "+", "#", "a b", "a\n", "é", 65 * "x", "\0")],
        *[("expiry_s", expiry_s) for expiry_s in (0, -1, 7 * 86_400 + 1, 1.5)],
        *[("channel", channel) for channel in ("cmd", "ack", "evt/match", "")],
        ("payload", "text"),
        ("ref", None),
        ("name", "x"),
        ("template", b"x"),
    ],
)
def test_there_is_no_room_for_more_than_the_schema_says(field: str, value: str | float | bytes | None) -> None:
    good = {"type": "publish", "ref": 1, "channel": "rsp", "payload": b"x", "tail": "c-1", "expiry_s": 60}
    assert pass_through(in_a_frame(msgspec.msgpack.encode(good))) is not None
    with pytest.raises(WireError):
        pass_through(in_a_frame(msgspec.msgpack.encode(good | {field: value})))


@pytest.mark.parametrize("boot", ["", BOOT[1:], BOOT + "0", BOOT.upper(), BOOT + "\n"])
def test_an_epoch_is_32_hexadecimal_digits(boot: str) -> None:
    with pytest.raises(WireError, match="boot"):
        pass_through(framing.framed(Hello(boot)))
