"""A broker that lies: a real one, and between it and the van somebody who swallows, doubles, swaps and replays.

MQTT 5.0: a packet is a type and flags, a length of one to four bytes, and a body (section 2.1); a PUBLISH of QoS 1
begins with its topic and its packet identifier (3.3.2), and is answered by a PUBACK of that identifier (3.4).
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

PUBLISH, PUBACK, QOS_1 = 3, 4, 0x02
Whim = Literal["honest", "swallow", "double", "swap"]
OURS = 30_000
"""The least identifier of the messages that the liar makes up."""
_MIDS = itertools.count()


@dataclass(frozen=True)
class Packet:
    """One packet as it travels."""

    head: int
    length: bytes
    body: bytes

    @property
    def is_publish(self) -> bool:
        return self.head >> 4 == PUBLISH and bool(self.head & 0x06)

    @property
    def topic(self) -> bytes:
        return self.body[2 : 2 + int.from_bytes(self.body[:2], "big")]

    @property
    def mid(self) -> bytes:
        at = 2 + int.from_bytes(self.body[:2], "big")
        return self.body[at : at + 2]

    @property
    def acknowledges_ours(self) -> bool:
        """A PUBACK of a message that only the liar has sent."""
        return self.head >> 4 == PUBACK and int.from_bytes(self.body[:2], "big") >= OURS

    @property
    def whole(self) -> bytes:
        return bytes([self.head]) + self.length + self.body

    def again(self) -> bytes:
        """The same message under an identifier of its own."""
        at = 2 + int.from_bytes(self.body[:2], "big")
        mid = (next(_MIDS) % OURS + OURS).to_bytes(2, "big")
        return bytes([self.head]) + self.length + self.body[:at] + mid + self.body[at + 2 :]


@dataclass
class HostileBroker:
    """Stands on a port of its own before the real broker's.

    Attributes:
        whim: what it does with the van's possible matches.
        recorded: every message that the real broker sent to the van.
        swallowed: how many it acknowledged and threw away.
    """

    upstream: int
    whim: Whim = "honest"
    recorded: list[Packet] = field(default_factory=list)
    swallowed: int = 0
    _held: list[Packet] = field(default_factory=list)
    _van: socket.socket | None = None

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def inject(self, *packets: bytes) -> None:
        """Send bytes to the van, as if they came from the broker."""
        assert self._van is not None
        for packet in packets:
            self._van.sendall(packet)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                van, _ = self._listener.accept()
                with (
                    van,
                    contextlib.suppress(OSError),
                    socket.create_connection(("127.0.0.1", self.upstream)) as broker,
                ):
                    self._van = van
                    down = threading.Thread(target=self._down, args=(broker, van), daemon=True)
                    down.start()
                    self._up(van, broker)
                    with contextlib.suppress(OSError):
                        broker.shutdown(socket.SHUT_RDWR)
                    down.join()

    def _up(self, van: socket.socket, broker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for packet in _packets(van):
                if packet.is_publish and packet.topic.endswith(b"/evt/match"):
                    self._tamper(packet, van, broker)
                elif not packet.acknowledges_ours:  # a real broker leaves a client that answers what it never said
                    broker.sendall(packet.whole)

    def _tamper(self, packet: Packet, van: socket.socket, broker: socket.socket) -> None:
        if self.whim == "swallow":
            self.swallowed += 1
            van.sendall(bytes([PUBACK << 4, 2]) + packet.mid)
        elif self.whim == "double":
            broker.sendall(packet.whole + packet.again())
        elif self.whim == "swap":
            self._held.append(packet)
            if len(self._held) == 5:
                broker.sendall(b"".join(held.whole for held in reversed(self._held)))
                self._held.clear()
        else:
            broker.sendall(packet.whole)

    def _down(self, broker: socket.socket, van: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for packet in _packets(broker):
                if packet.is_publish:
                    self.recorded.append(packet)
                van.sendall(packet.whole)
        with contextlib.suppress(OSError):
            van.shutdown(socket.SHUT_RDWR)


def _packets(peer: socket.socket) -> Iterator[Packet]:
    with peer.makefile("rb") as stream:
        while head := stream.read(1):
            length, size, shift = b"", 0, 0
            while not length or length[-1] & 0x80:
                length += stream.read(1)
                size |= (length[-1] & 0x7F) << shift
                shift += 7
            yield Packet(head[0], length, stream.read(size))
