"""An update agent as small as it can be: it listens, says what it is told to say, and keeps what it hears.

Speaks :mod:`firmware.handover` and shares nothing else with the match process.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import TypeVar

import msgspec

from firmware import framing
from firmware.handover import Ask, FromAgent, FromMatch, Offer, Report, Verdict
from tests.link.stage import PATIENCE_S, wait_until

_M = TypeVar("_M", bound=FromMatch)
_from_match = msgspec.msgpack.Decoder(FromMatch)
BEAT_S = 1.0


class Agent:
    """Says the same again to each new connection, as the protocol wants it; reports every second.

    Args:
        path: of its socket.
        report: what it reports.
    """

    def __init__(self, path: Path, report: Report | None) -> None:
        self.heard: list[FromMatch] = []
        self.connections = 0
        self.report = report
        self.offers: list[Offer] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(4)
        self._peer: socket.socket | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=run) for run in (self._accept, self._beat)]
        for thread in self._threads:
            thread.start()

    def offer(self, offer: Offer) -> None:
        self.offers.append(offer)
        self.say(offer)

    def say(self, message: FromAgent) -> None:
        self.say_bytes(framing.framed(message))

    def say_bytes(self, data: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._peer is not None:
                self._peer.sendall(data)

    def all(self, kind: type[_M]) -> list[_M]:
        return [one for one in list(self.heard) if isinstance(one, kind)]

    def wait_for_verdict(self, sha256: str, count: int = 1) -> Verdict:
        def verdicts() -> list[Verdict]:
            return [one for one in self.all(Verdict) if one.sha256 == sha256]

        wait_until(lambda: len(verdicts()) >= count, f"a verdict on {sha256[:8]} in {self.heard}")
        return verdicts()[-1]

    def wait_for_ask(self) -> Ask:
        wait_until(lambda: self.all(Ask), "a question")
        return self.all(Ask)[-1]

    def wait_for_connection(self, count: int = 1) -> None:
        wait_until(lambda: self.connections >= count, f"connection {count}")

    def hang_up(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._peer is not None:
                self._peer.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(PATIENCE_S)
                with self._lock:
                    self._peer = peer
                first: list[FromAgent] = [*self.offers] if self.report is None else [self.report, *self.offers]
                for said in first:
                    self.say(said)
                self.connections += 1
                with contextlib.suppress(OSError, framing.WireError):
                    while (message := framing.receive(peer, _from_match)) is not None:
                        self.heard.append(message)
                with self._lock:
                    self._peer = None

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_S):
            if self.report is not None:
                self.say(self.report)
