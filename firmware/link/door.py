"""The wall's door on the link side: a Unix socket on which one match process at a time may speak.

Knows who may connect, how messages are framed and when a peer is given up; refuses to know the broker and what is said.
Nothing here waits: a peer that stops in the middle of a message, or does not read, holds up nobody.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import struct
from pathlib import Path

from firmware.wire import FromLink, FromMatch, WireError, framed, frames_from_match

PEER_TIMEOUT_S = 2.0
"""For the first message of a new peer, for the rest of a message that began, and for reading what it was told."""
_CREDENTIALS = struct.Struct("3i")
_PIECE_BYTES = 256 * 1024


class Refused(Exception):
    """Who connected may not."""


class Gone(Exception):
    """The peer closed its end between two messages."""


class Door:
    """A listening Unix socket at ``path``, mode 0600; a missing folder is made for this user only.

    An existing folder keeps its mode: it may be ``/run`` or ``/tmp``, which is not ours to close. An empty file
    ``{path}.lock`` keeps a second link from taking the socket of the first.

    Raises:
        OSError: the path is too long, not writable, locked, or holds something that is not a socket.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(f"{path} is locked: another link serves it") from error
            if os.path.lexists(path) and stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
            self._listener.bind(str(path))
            path.chmod(0o600)  # nobody can connect between bind and listen
            self._listener.listen(1)
            self._listener.settimeout(0)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """For ``select``."""
        return self._listener.fileno()

    def accept(self, now_s: float) -> Peer | None:
        """Who came; ``None`` when he left again before.

        Raises:
            Refused: another user.
        """
        try:
            peer, _ = self._listener.accept()
        except (ConnectionError, BlockingIOError):
            return None
        _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid not in (0, os.geteuid()):
            peer.close()
            raise Refused(f"uid {uid} may not connect")
        return Peer(peer, now_s)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
        os.close(self._lock)


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
