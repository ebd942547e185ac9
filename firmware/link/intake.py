"""The wall's door on the link side: a Unix socket on which one match process hands over events and its status.

Knows who may connect, one peer at a time, and what is answered; refuses to know the broker and what an event says.
"""

from __future__ import annotations

import os
import selectors
import socket
import stat
import struct
import threading
from pathlib import Path
from typing import Protocol

from firmware import wire
from firmware.link.outbox import Outbox, OutboxError
from firmware.link.topics import Counters
from firmware.log import Log
from firmware.wire import MatchEvent, NotStored, Status, Stored

# A peer that stops in the middle of a message, or does not read its answers, is given up after this.
PEER_TIMEOUT_S = 2.0
POLL_S = 0.2
_CREDENTIALS = struct.Struct("3i")


class Desk(Protocol):
    """Who is told what came in."""

    def wake(self) -> None:
        """The outbox has a new row."""

    def report(self, status: Status | None) -> None:
        """What the match process says of itself; ``None`` when it is gone."""


def listen(path: Path) -> socket.socket:
    """A listening Unix socket at ``path``, mode 0600; a missing folder is made for this user only.

    An existing folder keeps its mode: it may be ``/run`` or ``/tmp``, which is not ours to close.

    Raises:
        OSError: the path is too long, not writable, or holds something that is not a socket.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.path.lexists(path) and stat.S_ISSOCK(path.lstat().st_mode):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)  # nobody can connect between bind and listen
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


class Intake:
    """One thread runs :meth:`run`.

    Args:
        listener: from :func:`listen`; closed when :meth:`run` ends.
        outbox: where events are held before they are answered with ``Stored``.
        desk: told of new rows and of the match process's status.
        counters: ``stored``, ``not_stored``, ``duplicates`` and ``peers_dropped`` are counted here.
        log: told of every connection and of everything refused.
    """

    def __init__(self, listener: socket.socket, outbox: Outbox, desk: Desk, counters: Counters, log: Log) -> None:
        self._listener = listener
        self._outbox = outbox
        self._desk = desk
        self._counters = counters
        self._log = log
        self._peer: socket.socket | None = None
        self._stopping = threading.Event()
        self._selector = selectors.DefaultSelector()

    def stop(self) -> None:
        """Make :meth:`run` return within ``POLL_S`` seconds; what match sends afterwards stays with match."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until :meth:`stop`."""
        with self._listener, self._selector:
            self._selector.register(self._listener, selectors.EVENT_READ)
            while not self._stopping.is_set():
                self._step()
            self._close_peer()

    def _step(self) -> None:
        ready = [key.fileobj for key, _ in self._selector.select(POLL_S)]
        # The old peer first: a match process that died may have left whole events in its socket.
        if self._peer is not None and self._peer in ready:
            self._serve(self._peer)
        elif self._listener in ready:
            self._accept()

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except ConnectionError:
            return
        _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid not in (0, os.geteuid()):
            self._counters.peers_dropped += 1
            self._log.alarm("peer_refused", uid=uid)
            peer.close()
            return
        self._close_peer()
        peer.settimeout(PEER_TIMEOUT_S)
        self._selector.register(peer, selectors.EVENT_READ)
        self._peer = peer
        self._log.info("match_connected", uid=uid)

    def _serve(self, peer: socket.socket) -> None:
        try:
            message = wire.receive_from_match(peer)
        except (wire.WireError, TimeoutError) as error:
            self._drop_peer(str(error))
            return
        except ConnectionError:
            message = None
        if isinstance(message, MatchEvent):
            self._answer(peer, self._store(message))
        elif isinstance(message, Status):
            self._desk.report(message)
        else:
            self._close_peer()

    def _store(self, event: MatchEvent) -> Stored | NotStored:
        try:
            is_new = self._outbox.append(event.id, wire.encode_event(event))
        except OutboxError as error:
            self._counters.not_stored += 1
            self._log.alarm("event_not_stored", id=event.id, error=str(error))
            return NotStored(event.id, str(error))
        if is_new:
            self._counters.stored += 1
            self._log.info("event_stored", id=event.id)
            self._desk.wake()
        else:
            self._counters.duplicates += 1
        return Stored(event.id)

    def _answer(self, peer: socket.socket, answer: Stored | NotStored) -> None:
        try:
            wire.send(peer, answer)
        except TimeoutError:
            self._drop_peer("does not read its answers")  # and half an answer cannot be taken back
        except OSError as error:
            # Match is gone. What it sent before is still read, up to its end of file.
            self._log.info("answer_undeliverable", id=answer.id, error=str(error))

    def _drop_peer(self, reason: str) -> None:
        self._counters.peers_dropped += 1
        self._log.alarm("peer_dropped", error=reason)
        self._close_peer()

    def _close_peer(self) -> None:
        if self._peer is not None:
            self._selector.unregister(self._peer)
            self._peer.close()
            self._peer = None
            self._desk.report(None)
            self._log.info("match_disconnected")
