"""HTTP connections that another thread can cut, whatever they wait for. Knows sockets; not what is asked of them.

A time limit of a socket begins anew with each byte, so a server that sends one now and then holds its reader without
end, in a TLS handshake or a line of a header too. A second handle on each socket ends that.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class Handles:
    """The open sockets of one pool manager, each by a handle of its own; one request at a time."""

    def __init__(self) -> None:
        self._held: dict[object, socket.socket] = {}
        self._loose: list[socket.socket] = []

    def hold(self, connection: object, end: socket.socket) -> None:
        """A connection was opened."""
        self.loosen(connection)
        # TLS takes the socket object away, and this one stays; the same connection is behind both.
        self._held[connection] = end.dup()

    def loosen(self, connection: object) -> None:
        """A connection was closed. Its answer may still be read: that of a server that ends each connection is."""
        if connection in self._held:
            self._loose.append(self._held.pop(connection))

    def drop(self) -> None:
        """No answer is read any more: what was closed is closed."""
        while self._loose:
            self._loose.pop().close()

    def drop_all(self) -> None:
        """No connection is used any more."""
        for connection in [*self._held]:
            self.loosen(connection)
        self.drop()

    def cut(self) -> None:
        """End all of them: whoever reads is told that the other side is gone. For any thread."""
        for handle in [*self._held.values(), *self._loose]:
            with contextlib.suppress(OSError):  # it was closed just now
                handle.shutdown(socket.SHUT_RDWR)


def make_cuttable(manager: PoolManager) -> Handles:
    """Let a new pool manager, before its first request, tell which sockets it opens."""
    handles = Handles()

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            end = super()._new_conn()
            handles.hold(self, end)
            return end

        def close(self) -> None:
            super().close()
            handles.loosen(self)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            end = super()._new_conn()
            handles.hold(self, end)
            return end

        def close(self) -> None:
            super().close()
            handles.loosen(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls: Any = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls: Any = Secure

    manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return handles
