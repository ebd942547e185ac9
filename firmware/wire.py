"""Everything that may cross the wall between ``match`` and ``link``: a closed schema, and how it is framed.

Knows the message types and their size limit; refuses to know sockets' owners, MQTT and how a match is decided.
There is no message for a face that matched nobody, so such a face has no way out of the match process.

A frame is a 4-byte big-endian length followed by one MessagePack value (msgspec, tagged union, unknown fields refused).
Sealing (age) and signing (DSSE) of :class:`MatchEvent` will wrap :func:`encode_event`; nothing else needs to change.
"""

from __future__ import annotations

import socket
import struct
from typing import Annotated, TypeVar

import msgspec

MAX_MESSAGE_BYTES = 256 * 1024
_LENGTH = struct.Struct(">I")
_M = TypeVar("_M")
# Wider than [-1, 1] because a float32 product may be a hair over 1; bounded because JSON would turn NaN into null.
_Cosine = Annotated[float, msgspec.Meta(ge=-2.1, le=2.1)]


class WireError(Exception):
    """A peer sent what the schema does not allow, or closed in the middle of a message. Drop the connection."""


class MatchEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="match", kw_only=True):
    """One possible match. It proposes; an officer decides. Holds no name, no offence and no template.

    ``similarity`` and ``threshold`` are cosines in [-1, 1]; ``margin``, in [0, 2], is the distance to the next entry.
    Not a number is refused on receipt.
    ``crop_jpeg`` shows the matched face only: all else in it is blurred. ``*_t_ns`` are monotonic, ``*_utc`` ISO 8601.
    """

    id: str
    van: str
    camera: str
    entry: str
    category: str
    similarity: _Cosine
    threshold: _Cosine
    margin: _Cosine
    observations: int
    first_t_ns: int
    decided_t_ns: int
    decided_utc: str
    expires_utc: str
    clock_trusted: bool
    watchlist_digest: str
    model_digest: str
    crop_jpeg: bytes


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="status", kw_only=True):
    """What the match process says of itself: counters and words, never anything about one face.

    ``wall`` says in words whether the process truly has no network. ``alarms`` are words for a person.
    ``template_life_p99_s`` is the 99th percentile of the time from a track's last sighting to its templates' wiping.
    """

    mode: str
    wall: str
    alarms: tuple[str, ...]
    frames: int
    dropped: int
    faces: int
    tracks: int
    embeddings: int
    events: int
    templates_wiped: int
    template_life_p99_s: float
    entries: int
    cameras: dict[str, str]


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="stored"):
    """``link`` holds the event durably; ``match`` may forget it."""

    id: str


class NotStored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="not_stored"):
    """``link`` could not hold the event (for instance a full disk); ``match`` keeps it, alarms, and sends it again."""

    id: str
    reason: str


FromMatch = MatchEvent | Status
FromLink = Stored | NotStored

_encoder = msgspec.msgpack.Encoder()
_from_match = msgspec.msgpack.Decoder(FromMatch)
_from_link = msgspec.msgpack.Decoder(FromLink)
_event_json = msgspec.json.Decoder(MatchEvent)
# msgspec lets a string that is not UTF-8 through as UnicodeDecodeError, outside its own family.
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError)


def encode_event(event: MatchEvent) -> bytes:
    """The bytes that leave the van for one event: JSON now; the seal (encrypt, then sign) belongs exactly here."""
    return msgspec.json.encode(event)


def decode_event(payload: bytes) -> MatchEvent:
    """The control room's side of :func:`encode_event`.

    Raises:
        WireError: the payload is not a match event.
    """
    try:
        return _event_json.decode(payload)
    except _UNDECODABLE as error:
        raise WireError(f"not a match event: {error}") from error


def send(peer: socket.socket, message: FromMatch | FromLink) -> None:
    """Write one framed message.

    Raises:
        WireError: the message is larger than ``MAX_MESSAGE_BYTES``.
        OSError: the peer is gone.
    """
    body = _encoder.encode(message)
    if len(body) > MAX_MESSAGE_BYTES:
        raise WireError(f"message of {len(body)} bytes exceeds the limit of {MAX_MESSAGE_BYTES}")
    peer.sendall(_LENGTH.pack(len(body)) + body)


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


def _decode(decoder: msgspec.msgpack.Decoder[_M], body: bytes) -> _M:
    try:
        return decoder.decode(body)
    except _UNDECODABLE as error:
        raise WireError(f"message outside the schema: {error}") from error


def _read_body(peer: socket.socket) -> bytes | None:
    head = _read_exactly(peer, _LENGTH.size)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        raise WireError(f"message of {length} bytes exceeds the limit of {MAX_MESSAGE_BYTES}")
    body = _read_exactly(peer, length)
    if len(body) < length:
        raise WireError("connection closed inside a message")
    return body


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
