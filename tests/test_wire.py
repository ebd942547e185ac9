"""What crosses the wall comes out as it went in, or not at all."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import wire
from firmware.wire import FromMatch, MatchEvent, NotStored, Status, Stored, WireError

_TEXT = st.text(max_size=40)
_COUNT = st.integers(0, 2**63 - 1)
_EVENTS = st.builds(
    MatchEvent,
    **dict.fromkeys(("id", "van", "camera", "entry", "category", "decided_utc", "expires_utc"), _TEXT),
    **dict.fromkeys(("watchlist_digest", "model_digest"), _TEXT),
    **dict.fromkeys(("similarity", "threshold", "margin"), st.floats(-1, 1)),
    **dict.fromkeys(("observations", "first_t_ns", "decided_t_ns"), _COUNT),
    clock_trusted=st.booleans(),
    crop_jpeg=st.binary(max_size=2_000),
)
_COUNTERS = ("frames", "dropped", "faces", "tracks", "embeddings", "events", "templates_wiped", "entries")
_STATUSES = st.builds(
    Status,
    **dict.fromkeys(_COUNTERS, _COUNT),
    mode=_TEXT,
    wall=_TEXT,
    alarms=st.lists(_TEXT, max_size=5).map(tuple),
    template_life_p99_s=st.floats(0, 1e6),
    cameras=st.dictionaries(_TEXT, _TEXT, max_size=4),
)


def pass_through(sent: bytes) -> FromMatch | None:
    """What the link side reads when exactly these bytes come and then the end."""
    here, there = socket.socketpair()
    with here, there:
        here.sendall(sent)
        here.shutdown(socket.SHUT_WR)
        return wire.receive_from_match(there)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


@settings(max_examples=60, deadline=None)
@given(message=_EVENTS | _STATUSES)
def test_messages_of_match_come_out_as_they_went_in(message: FromMatch) -> None:
    here, there = socket.socketpair()
    with here, there:
        wire.send(here, message)
        assert wire.receive_from_match(there) == message


@settings(max_examples=60, deadline=None)
@given(event=_EVENTS)
def test_events_reach_the_control_room_as_they_left(event: MatchEvent) -> None:
    assert wire.decode_event(wire.encode_event(event)) == event


@settings(max_examples=200, deadline=None)
@given(payload=st.binary(max_size=200))
def test_rubbish_is_refused_in_one_way_only(payload: bytes) -> None:
    with pytest.raises(WireError):
        wire.decode_event(payload)
    with pytest.raises(WireError):
        pass_through(len(payload).to_bytes(4, "big") + payload)


@pytest.mark.parametrize("answer", [Stored("e1"), NotStored("e1", "disk full")])
def test_answers_come_back(pair: tuple[socket.socket, socket.socket], answer: Stored | NotStored) -> None:
    here, there = pair
    wire.send(here, answer)
    assert wire.receive_from_link(there) == answer


def test_several_messages_in_one_stream_stay_apart(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    for name in "abc":
        wire.send(here, Stored(name))
    here.close()
    assert [wire.receive_from_link(there) for _ in range(4)] == [Stored("a"), Stored("b"), Stored("c"), None]


def test_an_end_between_messages_is_no_fault() -> None:
    assert pass_through(b"") is None


@pytest.mark.parametrize(
    "cut", [b"\x00\x00", b"\x00\x00\x00\x05", b"\x00\x00\x00\x05abc"], ids=["in the length", "before the body", "in it"]
)
def test_an_end_inside_a_message_is(cut: bytes) -> None:
    with pytest.raises(WireError, match="inside a message"):
        pass_through(cut)


def test_too_much_is_refused_by_the_sender_and_by_the_receiver(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(WireError, match="exceeds the limit"):
        wire.send(pair[0], Stored("x" * (wire.MAX_MESSAGE_BYTES + 1)))
    with pytest.raises(WireError, match="exceeds the limit"):
        pass_through((wire.MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"))


@pytest.mark.parametrize("extra", [{"name": "x"}, {"offence": "x"}, {"template": b"x"}])
def test_there_is_no_room_for_more_than_the_schema_says(extra: dict[str, str | bytes]) -> None:
    event = msgspec.to_builtins(_an_event(0.7), builtin_types=(bytes,)) | extra
    body = msgspec.msgpack.encode(event)
    with pytest.raises(WireError, match="unknown field"):
        pass_through(len(body).to_bytes(4, "big") + body)


def test_a_similarity_that_is_no_number_does_not_pass(pair: tuple[socket.socket, socket.socket]) -> None:
    wire.send(pair[0], _an_event(math.nan))
    with pytest.raises(WireError, match="similarity"):
        wire.receive_from_match(pair[1])


def test_a_similarity_a_hair_over_one_passes(pair: tuple[socket.socket, socket.socket]) -> None:
    wire.send(pair[0], _an_event(1.0000001))
    assert wire.receive_from_match(pair[1]) == _an_event(1.0000001)


def _an_event(similarity: float) -> MatchEvent:
    names = (
        "id",
        "van",
        "camera",
        "entry",
        "category",
        "decided_utc",
        "expires_utc",
        "watchlist_digest",
        "model_digest",
    )
    return MatchEvent(
        **dict.fromkeys(names, "x"),
        similarity=similarity,
        threshold=0.5,
        margin=0.1,
        observations=1,
        first_t_ns=1,
        decided_t_ns=2,
        clock_trusted=False,
        crop_jpeg=b"",
    )
