"""A simulator of a broker that refuses, lies or says nonsense: a real one never does. MQTT 5.0, OASIS 2019."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A control packet (2.1): type, flags, remaining length, body."""
    length, left = b"", len(body)
    while True:
        length += bytes([left % 128 | (0x80 if left >= 128 else 0)])
        left //= 128
        if not left:
            return bytes([kind << 4 | flags]) + length + body


def puback(mid: int, code: int = 0) -> bytes:
    return packet(4, mid.to_bytes(2, "big") + bytes([code, 0]))


def publish(topic: str | bytes, payload: bytes, qos: int = 1, mid: int = 1, *, retain: bool = False) -> bytes:
    name = topic if isinstance(topic, bytes) else topic.encode()
    number = mid.to_bytes(2, "big") if qos else b""
    return packet(3, len(name).to_bytes(2, "big") + name + number + b"\0" + payload, qos << 1 | retain)


def acknowledged(mid: int) -> bytes:
    return puback(mid)


@dataclass(frozen=True)
class Published:
    """What came on one PUBLISH."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int


@dataclass(frozen=True)
class Script:
    """How one connection is answered.

    Attributes:
        connack: reason code of CONNACK.
        offers: properties of CONNACK by name.
        suback: reason codes of SUBACK; none: it is not answered.
        answer: what is sent to a PUBLISH of QoS 1, from its message id.
        after: what is sent behind SUBACK.
    """

    connack: int = 0
    offers: tuple[tuple[str, int], ...] = ()
    suback: tuple[int, ...] = (1, 1)
    answer: Callable[[int], bytes] = acknowledged
    after: bytes = b""


class ScriptedBroker:
    """A broker of one connection at a time; it forwards nothing. The last script serves all later connections."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.connects: list[bytes] = []
        self.subscribes: list[bytes] = []
        self.published: list[Published] = []
        self.goodbyes: list[int] = []
        self._scripts = list(scripts) or [Script()]
        self._peer: socket.socket | None = None
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._shut(self._listener)
        while self._thread.is_alive():  # a connection may have been accepted a moment ago
            self._shut(self._peer)
            self._thread.join(0.05)
        self._listener.close()

    def _shut(self, sock: socket.socket | None) -> None:
        with contextlib.suppress(OSError):
            if sock is not None:
                sock.shutdown(socket.SHUT_RDWR)

    def say(self, data: bytes) -> None:
        assert self._peer is not None
        self._peer.sendall(data)

    def payloads(self, channel: str) -> list[bytes]:
        return [one.payload for one in list(self.published) if one.topic.endswith(channel)]

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                peer, _ = self._listener.accept()
                with contextlib.suppress(OSError):  # this one ended, or was not let in
                    self._let_in(peer)

    def _let_in(self, plain: socket.socket) -> None:
        with plain if self._tls is None else self._tls.wrap_socket(plain, server_side=True) as peer:
            self._peer = peer
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            with peer.makefile("rb") as stream:
                self._talk(peer, stream, script)

    def _talk(self, peer: socket.socket, stream: Any, script: Script) -> None:
        while head := stream.read(1):
            body = stream.read(_remaining_length(stream))
            kind = head[0] >> 4
            if kind == 1:
                self.connects.append(body)
                peer.sendall(_connack(script))
            elif kind == 3:
                self._note(peer, head[0], body, script)
            elif kind == 8:
                self.subscribes.append(body)
                codes = bytes(script.suback)
                peer.sendall((packet(9, body[:2] + b"\0" + codes) if codes else b"") + script.after)
            elif kind == 12:
                peer.sendall(packet(13, b""))
            elif kind == 14:
                self.goodbyes.append(body[0] if body else 0)

    def _note(self, peer: socket.socket, head: int, body: bytes, script: Script) -> None:
        qos, retain = head >> 1 & 3, bool(head & 1)
        at = 2 + int.from_bytes(body[:2], "big")
        topic, mid = body[2:at].decode(), int.from_bytes(body[at : at + 2], "big") if qos else 0
        at += 2 if qos else 0
        _, length = Properties(PacketTypes.PUBLISH).unpack(body[at:])  # type: ignore[no-untyped-call]
        self.published.append(Published(topic, body[at + length :], qos, retain, mid))
        if qos:
            peer.sendall(script.answer(mid))


def _connack(script: Script) -> bytes:
    properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    for name, value in script.offers:
        setattr(properties, name, value)
    return packet(2, bytes([0, script.connack]) + bytes(properties.pack()))  # type: ignore[no-untyped-call]


def _remaining_length(stream: Any) -> int:
    length, shift, byte = 0, 0, 0x80
    while byte & 0x80:
        byte = stream.read(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
    return length
