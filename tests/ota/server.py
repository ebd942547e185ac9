"""A real HTTP server on 127.0.0.1 that serves files from memory, and has every trap a hostile one may set."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType


class Server:
    """``traps``: for a path, what is done instead of serving it. ``asked``: (path, Range) of each request."""

    def __init__(self, files: dict[str, bytes], tls: ssl.SSLContext | None = None) -> None:
        self.files = files
        self._scheme = "https" if tls else "http"
        self.traps: dict[str, Callable[[Handler], None]] = {}
        self.asked: list[tuple[str, str]] = []
        self.ranges = True
        self._http = Quiet(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        if tls:
            # A handshake is the request's, not the acceptor's, so that a failed one does not stop the server.
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self._http.site = self  # type: ignore[attr-defined]
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Server:  # noqa: PYI034
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class Quiet(ThreadingHTTPServer):
    """A client that hangs up, or shows no certificate, is a story and no accident."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        site: Server = self.server.site  # type: ignore[attr-defined]
        path = self.path.lstrip("/")
        site.asked.append((path, self.headers.get("Range", "")))
        if path in site.traps:
            site.traps[path](self)
        elif path in site.files:
            self._serve(site.files[path], ranges=site.ranges)
        else:
            self.send_error(404)

    def _serve(self, data: bytes, *, ranges: bool) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or not ranges:
            self.answer(200, data)
        elif int(asked[1]) >= len(data):
            self.answer(416, b"")
        else:
            start = int(asked[1])
            self.answer(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})

    def answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a whole response."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the test says what matters."""


def redirect_to(place: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(302, b"", {"Location": place})


def endless(handler: Handler) -> None:
    """Bytes without end and without a length."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(65_536))
    except OSError:
        pass


def trickle(begin: bytes) -> Callable[[Handler], None]:
    """Begin so, and then a byte now and then, each well within any time limit on silence."""

    def trap(handler: Handler) -> None:
        try:
            handler.wfile.write(begin)
            while True:
                handler.wfile.write(b"a")
                time.sleep(0.02)
        except OSError:
            pass

    return trap


def cut_off(data: bytes, after: int) -> Callable[[Handler], None]:
    """Promise all of it, send a part, hang up."""

    def trap(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:after])

    return trap
