"""A Unix socket that one process serves, and that only this user and root may come to. Knows files and credentials;
refuses to know what is said. Nothing here waits.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import struct
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")


class Refused(Exception):
    """Who connected may not."""


class Listener:
    """A listening Unix socket at ``path``, mode 0600; a missing folder is made for this user only.

    An existing folder keeps its mode: it may be ``/run`` or ``/tmp``, which is not ours to close. An empty file
    ``{path}.lock`` keeps a second process from taking the socket of the first.

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
                raise BlockingIOError(f"{path} is locked: another process serves it") from error
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

    def accept(self) -> socket.socket | None:
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
        return peer

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
        os.close(self._lock)
