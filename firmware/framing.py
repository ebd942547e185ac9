"""Messages through a Unix stream: a 4-byte big-endian length, then one MessagePack value of a closed union.

Knows lengths and how a stream comes in pieces; refuses to know what any message means. A peer is not trusted: what is
too long or outside the schema ends the connection (msgspec: tagged unions, unknown fields refused).
"""

from __future__ import annotations

import socket
import struct
from typing import Generic, TypeVar

import msgspec

MAX_MESSAGE_BYTES = 512 * 1024
_LENGTH = struct.Struct(">I")
_M = TypeVar("_M")
_encoder = msgspec.msgpack.Encoder()
# msgspec lets a string that is not UTF-8 through as UnicodeDecodeError, outside its own family.
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class WireError(Exception):
    """A peer sent what the schema does not allow, or closed in the middle of a message. Drop the connection."""


def framed(message: msgspec.Struct) -> bytes:
    """One message as it goes through the socket.

    Raises:
        WireError: the message is larger than ``MAX_MESSAGE_BYTES``.
    """
    body = _encoder.encode(message)
    if len(body) > MAX_MESSAGE_BYTES:
        raise WireError(f"message of {len(body)} bytes exceeds the limit of {MAX_MESSAGE_BYTES}")
    return _LENGTH.pack(len(body)) + body


def send(peer: socket.socket, message: msgspec.Struct) -> None:
    """Write one framed message.

    Raises:
        WireError: the message is larger than ``MAX_MESSAGE_BYTES``.
        OSError: the peer is gone.
    """
    peer.sendall(framed(message))


def receive(peer: socket.socket, decoder: msgspec.msgpack.Decoder[_M]) -> _M | None:
    """Read one message; ``None`` when the peer closed between two messages.

    Raises:
        WireError: oversized, malformed or cut message.
    """
    head = _read_exactly(peer, _LENGTH.size)
    if not head:
        return None
    length = _checked_length(head)
    body = _read_exactly(peer, length)
    if len(body) < length:
        raise WireError("connection closed inside a message")
    return _decode(decoder, body)


class Frames(Generic[_M]):
    """Whole messages out of a stream that comes in pieces of any size. It holds less than one message and one piece."""

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


def _decode(decoder: msgspec.msgpack.Decoder[_M], body: bytes) -> _M:
    try:
        return decoder.decode(body)
    except _UNDECODABLE as error:
        raise WireError(f"message outside the schema: {error}") from error


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
