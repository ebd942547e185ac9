"""What may cross the wall between ``match`` and ``link``, and how it is framed.

Knows the message types and their size limits; refuses to know what a payload says, MQTT and who decided what.
``link`` is not trusted: every payload that goes out is signed and, where it tells of a face, encrypted before it comes
here; every payload that comes in is believed by nobody before :mod:`firmware.match.gate` has checked its signatures.

A frame is a 4-byte big-endian length followed by one MessagePack value (msgspec, tagged union, unknown fields refused).
"""

from __future__ import annotations

import socket
import struct
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

MAX_PAYLOAD_BYTES = 500 * 1024
"""Of one MQTT message; brokers are set to 512 KiB."""
MAX_MESSAGE_BYTES = 512 * 1024
MAX_TAIL = 64
MAX_REASON = 500
"""Characters of link's words; they end up in logs and alarms."""
_LENGTH = struct.Struct(">I")
_M = TypeVar("_M")
# ``\Z``, because ``$`` also matches in front of a line feed at the end.
_Tail = Annotated[str, msgspec.Meta(pattern=rf"^[A-Za-z0-9._-]{{0,{MAX_TAIL}}}\Z")]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Payload = Annotated[bytes, msgspec.Meta(max_length=MAX_PAYLOAD_BYTES)]

OutChannel = Literal["state", "match", "audit", "health", "rsp"]
InChannel = Literal["cmd", "ack"]


class WireError(Exception):
    """A peer sent what the schema does not allow, or closed in the middle of a message. Drop the connection."""


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

_encoder = msgspec.msgpack.Encoder()
_from_match = msgspec.msgpack.Decoder(FromMatch)
_from_link = msgspec.msgpack.Decoder(FromLink)
# msgspec lets a string that is not UTF-8 through as UnicodeDecodeError, outside its own family.
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def framed(message: FromMatch | FromLink) -> bytes:
    """One message as it goes through the socket.

    Raises:
        WireError: the message is larger than ``MAX_MESSAGE_BYTES``.
    """
    body = _encoder.encode(message)
    if len(body) > MAX_MESSAGE_BYTES:
        raise WireError(f"message of {len(body)} bytes exceeds the limit of {MAX_MESSAGE_BYTES}")
    return _LENGTH.pack(len(body)) + body


def send(peer: socket.socket, message: FromMatch | FromLink) -> None:
    """Write one framed message.

    Raises:
        WireError: the message is larger than ``MAX_MESSAGE_BYTES``.
        OSError: the peer is gone.
    """
    peer.sendall(framed(message))


def receive_from_match(peer: socket.socket) -> FromMatch | None:
    """Read one message of the match process; ``None`` when it closed between two messages.

    Raises:
        WireError: oversized, malformed or cut message.
    """
    body = _read_body(peer)
    return None if body is None else _decode(_from_match, body)


def receive_from_link(peer: socket.socket) -> FromLink | None:
    """Read one message of the link process; ``None`` when it closed between two messages.

    Raises:
        WireError: oversized, malformed or cut message.
    """
    body = _read_body(peer)
    return None if body is None else _decode(_from_link, body)


class Frames(Generic[_M]):
    """Whole messages out of a stream that comes in pieces of any size; see :func:`frames_from_match`.

    It holds less than one message and one piece.
    """

    def __init__(self, decoder: msgspec.msgpack.Decoder[_M]) -> None:
        self._decoder = decoder
        self._data = bytearray()

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._data)

    def feed(self, piece: bytes) -> list[_M]:
        """The messages that ``piece`` completes.

        Raises:
            WireError: oversized or malformed message; the stream is of no more use.
        """
        self._data += piece
        messages: list[_M] = []
        at = 0
        with memoryview(self._data) as data:
            while len(data) - at >= _LENGTH.size:
                start = at + _LENGTH.size
                end = start + _checked_length(data[at:start])
                if end > len(data):
                    break
                messages.append(_decode(self._decoder, bytes(data[start:end])))
                at = end
        del self._data[:at]
        return messages


def frames_from_match() -> Frames[FromMatch]:
    """For ``link``, which never waits for a match process."""
    return Frames(_from_match)


def _decode(decoder: msgspec.msgpack.Decoder[_M], body: bytes) -> _M:
    try:
        return decoder.decode(body)
    except _UNDECODABLE as error:
        raise WireError(f"message outside the schema: {error}") from error


def _read_body(peer: socket.socket) -> bytes | None:
    head = _read_exactly(peer, _LENGTH.size)
    if not head:
        return None
    length = _checked_length(head)
    body = _read_exactly(peer, length)
    if len(body) < length:
        raise WireError("connection closed inside a message")
    return body


def _checked_length(head: bytes | memoryview) -> int:
    length: int = _LENGTH.unpack(head)[0]
    if length > MAX_MESSAGE_BYTES:
        raise WireError(f"message of {length} bytes exceeds the limit of {MAX_MESSAGE_BYTES}")
    return length


def _read_exactly(peer: socket.socket, count: int) -> bytes:
    """``count`` bytes, or ``b""`` when the peer closed before the first one."""
    data = bytearray()
    while len(data) < count:
        chunk = peer.recv(count - len(data))
        if not chunk:
            if data:
                raise WireError("connection closed inside a message")
            return b""
        data += chunk
    return bytes(data)
