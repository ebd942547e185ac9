"""The roads to a van, and who listens on them: a tap that keeps every byte, and a repository's server before it."""

from __future__ import annotations

import contextlib
import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Tap:
    """Stands on a port of its own before another; ``bytes`` is all that went through, in both directions."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._kept: list[bytearray] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def bytes(self) -> bytes:
        return b"".join(map(bytes, self._kept))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(here,), daemon=True).start()

    def _join(self, here: socket.socket) -> None:
        with here, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._upstream)) as there:
            back = threading.Thread(target=self._copy, args=(there, here), daemon=True)
            back.start()
            self._copy(here, there)
            back.join()

    def _copy(self, source: socket.socket, to: socket.socket) -> None:
        kept = bytearray()  # a direction of a connection stands in one piece
        self._kept.append(kept)
        with contextlib.suppress(OSError):
            while piece := source.recv(65_536):
                kept += piece
                to.sendall(piece)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)


class WebServer:
    """A folder over plain HTTP, so that a :class:`Tap` before it can read all of it; it can go and come back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = 0
        self.start()

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), partial(_Quiet, directory=str(self._folder)))
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""
