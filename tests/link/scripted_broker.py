"""A simulator of a broker that refuses: the embedded one never does."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any


class ScriptedBroker:
    """A broker of one connection at a time that answers as it was told to; it forwards nothing.

    ``answers`` are the reason codes of the next answers to events; then it answers 0. ``closes`` is how many of the
    next connections it refuses as not authorized.
    """

    def __init__(self, answers: list[int], closes: int = 0) -> None:
        self.events: list[str] = []
        self._answers = itertools.chain(answers, itertools.repeat(0))
        self._greetings = itertools.chain([0x87] * closes, itertools.repeat(0))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                peer, _ = self._listener.accept()
                with peer, peer.makefile("rb") as stream, contextlib.suppress(OSError):
                    self._talk(peer, stream)

    def _talk(self, peer: socket.socket, stream: Any) -> None:
        while head := stream.read(1):
            body = stream.read(_remaining_length(stream))
            reply = {1: self._greet, 3: self._acknowledge, 12: _pong}.get(head[0] >> 4, _silence)
            peer.sendall(reply(head[0], body))

    def _greet(self, _head: int, _body: bytes) -> bytes:
        return bytes([0x20, 3, 0, next(self._greetings), 0])

    def _acknowledge(self, head: int, body: bytes) -> bytes:
        at = 2 + int.from_bytes(body[:2], "big")
        topic, mid = body[2:at], body[at : at + 2]
        answers: Iterator[int] = iter([0])
        if topic.endswith(b"/evt/match"):
            answers = self._answers
            self.events.append(json.loads(body[body.index(b"{") :])["id"])
        return bytes([0x40, 3, *mid, next(answers)]) if head & 0x06 else b""


def _remaining_length(stream: Any) -> int:
    length, shift, byte = 0, 0, 0x80
    while byte & 0x80:
        byte = stream.read(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
    return length


def _pong(_head: int, _body: bytes) -> bytes:
    return bytes([0xD0, 0])


def _silence(_head: int, _body: bytes) -> bytes:
    return b""
