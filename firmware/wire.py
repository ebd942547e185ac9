"""What may cross the wall between ``match`` and ``link``, and how it is framed.

Knows the message types and their size limits; refuses to know what a payload says, MQTT and who decided what.
``link`` is not trusted: every payload that goes out is signed and, where it tells of a face, encrypted before it comes
here; every payload that comes in is believed by nobody before :mod:`firmware.match.gate` has checked its signatures.

:mod:`firmware.framing` has how they are framed.
"""

from __future__ import annotations

import socket
from typing import Annotated, Literal

import msgspec

from firmware import framing
from firmware.framing import Frames

MAX_PAYLOAD_BYTES = 500 * 1024
"""Of one MQTT message; brokers are set to 512 KiB."""
MAX_TAIL = 64
MAX_REASON = 500
"""Characters of link's words; they end up in logs and alarms."""
# ``\Z``, because ``$`` also matches in front of a line feed at the end.
_Tail = Annotated[str, msgspec.Meta(pattern=rf"^[A-Za-z0-9._-]{{0,{MAX_TAIL}}}\Z")]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Payload = Annotated[bytes, msgspec.Meta(max_length=MAX_PAYLOAD_BYTES)]

OutChannel = Literal["state", "match", "audit", "health", "rsp"]
InChannel = Literal["cmd", "ack"]


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hello"):
    """The match process's first message. ``boot`` is its epoch: 32 hexadecimal digits, new at each start."""

    boot: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]


class Publish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="publish", kw_only=True):
    """Bring ``payload`` to the broker. ``link`` answers with a :class:`Sent` of the same ``ref``, or is lost.

    ``tail`` is the last level of the topic ``rsp/{id}`` and empty on the other channels. ``expiry_s`` asks the broker
    to drop the message, undelivered, after that many seconds.
    """

    ref: int
    channel: OutChannel
    payload: _Payload
    tail: _Tail = ""
    expiry_s: Annotated[int, msgspec.Meta(ge=1, le=7 * 86_400)] | None = None


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sent"):
    """What the broker said to one :class:`Publish`: an MQTT 5 reason code; 0x80 and above are refusals.

    It means that the broker was reached, never that anybody has the message.
    """

    ref: int
    code: Annotated[int, msgspec.Meta(ge=0, le=255)]


class Heard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="heard", kw_only=True):
    """A message of the broker on ``cmd/{tail}`` or ``ack/{tail}``. ``retained``: it was an old one, kept there."""

    channel: InChannel
    tail: _Tail
    payload: _Payload
    retained: bool


class Linked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="linked", kw_only=True):
    """How it stands between ``link`` and the broker; sent at each change and at least every five seconds.

    ``connections`` since link started; ``overflowed`` counts messages of the broker that came faster than they could
    be handed over, or were larger than the limit, and were dropped; ``reason`` says in words why there is none.
    """

    connected: bool
    connections: _Count
    overflowed: _Count
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)]


FromMatch = Hello | Publish
FromLink = Sent | Heard | Linked

_from_match = msgspec.msgpack.Decoder(FromMatch)
_from_link = msgspec.msgpack.Decoder(FromLink)


def receive_from_match(peer: socket.socket) -> FromMatch | None:
    """Read one message of the match process; ``None`` when it closed between two messages.

    Raises:
        WireError: oversized, malformed or cut message.
    """
    return framing.receive(peer, _from_match)


def receive_from_link(peer: socket.socket) -> FromLink | None:
    """Read one message of the link process; ``None`` when it closed between two messages.

    Raises:
        WireError: oversized, malformed or cut message.
    """
    return framing.receive(peer, _from_link)


def frames_from_match() -> Frames[FromMatch]:
    """For ``link``, which never waits for a match process."""
    return Frames(_from_match)
