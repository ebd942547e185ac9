"""The only way out of the match process: events and status over the Unix socket to ``link``. Knows no MQTT.

An event stays here until ``link`` says that it is stored, and is sent again after every reconnection. When too many
wait, ``full`` is True and matching pauses: an event is never dropped to make room.
"""

from __future__ import annotations

import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from firmware import wire
from firmware.log import Log

CAPACITY = 500
_RETRY_S = 0.5
_STATUS_S = 1.0


class Outbound:
    """A sender and a receiver thread around one connection.

    Args:
        path: of link's socket.
        status: called once a second for the status to send.
        log: for what a person has to know.
    """

    def __init__(self, path: Path, status: Callable[[], wire.Status], log: Log) -> None:
        self._path = path
        self._status = status
        self._log = log
        self._waiting: OrderedDict[str, wire.MatchEvent] = OrderedDict()
        self._unsent: list[str] = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._refusal = ""
        self._connected = False
        self._thread = threading.Thread(target=self._run, name="outbound", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def offer(self, event: wire.MatchEvent) -> None:
        """Take an event over; it is kept until it is stored."""
        with self._changed:
            self._waiting[event.id] = event
            self._unsent.append(event.id)
            self._changed.notify_all()

    @property
    def full(self) -> bool:
        """Too many events wait: stop matching until ``link`` has taken some."""
        return len(self._waiting) >= CAPACITY

    @property
    def alive(self) -> bool:
        """Whether the thread runs; a dead one must end the process."""
        return self._thread.is_alive()

    def alarms(self) -> tuple[str, ...]:
        """What a person has to know now, in words."""
        with self._changed:
            words = []
            if not self._connected:
                words.append("link is not there")
            if self._refusal:
                words.append(f"events are not stored: {self._refusal}")
            if self.full:
                words.append(f"matching paused: {len(self._waiting)} events wait")
            return tuple(words)

    def drain(self, timeout_s: float) -> int:
        """Wait until every event is stored; returns how many are not."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout_s)
            return len(self._waiting)

    def close(self, final: wire.Status) -> None:
        """Send the last status and end."""
        self._status = lambda: final
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                    peer.connect(str(self._path))
                    self._serve(peer)
            except (OSError, wire.WireError) as error:
                self._lost(error)
            self._stop.wait(_RETRY_S)

    def _serve(self, peer: socket.socket) -> None:
        with self._changed:
            self._connected = True
            self._unsent = list(self._waiting)
        self._log.info("link connected", waiting=len(self._unsent))
        receiver = threading.Thread(target=self._receive, args=(peer,), name="outbound receiver", daemon=True)
        receiver.start()
        try:
            while receiver.is_alive() and not self._stop.is_set():
                self._send_waiting(peer)
                wire.send(peer, self._status())
            wire.send(peer, self._status())
        finally:
            peer.shutdown(socket.SHUT_RDWR)
            receiver.join()
            with self._changed:
                self._connected = False

    def _send_waiting(self, peer: socket.socket) -> None:
        """Send what is new for about a second."""
        with self._changed:
            if not self._unsent:
                self._changed.wait_for(lambda: self._unsent or self._stop.is_set(), _STATUS_S)
            events = [self._waiting[id_] for id_ in self._unsent if id_ in self._waiting]
            self._unsent.clear()
        for event in events:
            wire.send(peer, event)

    def _receive(self, peer: socket.socket) -> None:
        try:
            while (answer := wire.receive_from_link(peer)) is not None:
                self._answered(answer)
        except (OSError, wire.WireError) as error:
            self._log.alarm("link's answer was lost", reason=str(error))

    def _answered(self, answer: wire.FromLink) -> None:
        with self._changed:
            if isinstance(answer, wire.Stored):
                self._waiting.pop(answer.id, None)
                self._refusal = ""
            elif answer.id in self._waiting:
                if answer.reason != self._refusal:
                    self._log.alarm("event not stored", id=answer.id, reason=answer.reason)
                self._refusal = answer.reason
                self._retry_later(answer.id)
            self._changed.notify_all()

    def _retry_later(self, id_: str) -> None:
        def again() -> None:
            with self._changed:
                if id_ in self._waiting and id_ not in self._unsent:
                    self._unsent.append(id_)
                    self._changed.notify_all()

        timer = threading.Timer(_RETRY_S, again)
        timer.daemon = True
        timer.start()

    def _lost(self, error: Exception) -> None:
        with self._changed:
            news, self._connected = self._connected, False
        if news:
            self._log.alarm("link lost", reason=str(error))
