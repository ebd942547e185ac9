"""The wall's door on the link side: a Unix socket on which one match process at a time may speak.

Knows who may connect, how messages are framed and when a peer is given up; refuses to know the broker and what is said.
Nothing here waits: a peer that stops in the middle of a message, or does not read, holds up nobody.
"""

from __future__ import annotations

import socket

from firmware.framing import WireError, framed
from firmware.listener import Listener
from firmware.wire import FromLink, FromMatch, frames_from_match

PEER_TIMEOUT_S = 2.0
"""For the first message of a new peer, for the rest of a message that began, and for reading what it was told."""
_PIECE_BYTES = 256 * 1024


class Gone(Exception):
    """The peer closed its end between two messages."""


class Door(Listener):
    """Where the match process comes in."""

    def admit(self, now_s: float) -> Peer | None:
        """Who came, at this monotonic second; ``None`` when he left again before.

        Raises:
            Refused: another user.
        """
        end = self.accept()
        return None if end is None else Peer(end, now_s)


class Peer:
    """Whole messages in, whole messages out. Times are monotonic seconds.

    Args:
        peer: the connected socket; it is closed by :meth:`close`.
        now_s: when it connected.
    """

    def __init__(self, peer: socket.socket, now_s: float) -> None:
        peer.settimeout(0)
        self._socket = peer
        self._frames = frames_from_match()
        self._out = bytearray()
        self._heard_s = now_s
        self._read_s = now_s
        self._spoke = False

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    @property
    def unread_bytes(self) -> int:
        """What the peer has not taken yet."""
        return len(self._out)

    def receive(self, now_s: float) -> list[FromMatch]:
        """The messages that are complete now.

        Raises:
            Gone: it closed.
            WireError: oversized, malformed or cut message.
        """
        try:
            piece = self._socket.recv(_PIECE_BYTES)
        except BlockingIOError:
            return []
        except ConnectionError as error:
            raise Gone from error
        if not piece:
            if self._frames.partial:
                raise WireError("connection closed inside a message")
            raise Gone
        messages = self._frames.feed(piece)
        self._heard_s = now_s
        self._spoke = self._spoke or bool(messages)
        return messages

    def say(self, message: FromLink, now_s: float) -> None:
        """Add a message to what :meth:`flush` writes."""
        if not self._out:
            self._read_s = now_s
        self._out += framed(message)

    def flush(self, now_s: float) -> None:
        """Write as much as the peer takes now, many messages at a time.

        Raises:
            Gone: it closed.
        """
        while self._out:
            try:
                with memoryview(self._out) as out:
                    taken = self._socket.send(out[:_PIECE_BYTES])
            except BlockingIOError:
                return
            except OSError as error:
                raise Gone from error
            del self._out[:taken]
            self._read_s = now_s

    def check(self, now_s: float) -> None:
        """Give up a peer that is stuck.

        Raises:
            WireError: it has not said what it began, or has read nothing, for ``PEER_TIMEOUT_S``.
        """
        if (self._frames.partial or not self._spoke) and now_s - self._heard_s > PEER_TIMEOUT_S:
            raise WireError("stopped inside a message" if self._frames.partial else "did not say who it is")
        if self._out and now_s - self._read_s > PEER_TIMEOUT_S:
            raise WireError("does not read what it is told")

    def close(self) -> None:
        """End the connection."""
        self._socket.close()
