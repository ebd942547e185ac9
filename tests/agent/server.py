"""A folder over HTTPS on this machine, for clients with a certificate of one authority; it knows ranges."""

from __future__ import annotations

import contextlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.broker.certificates import Authority


class Server:
    """Serves ``folder`` between :meth:`start` and :meth:`stop`; ``clients`` are the names that came."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.clients: set[str] = set()
        own = authority.server()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own.certificate, own.key)
        context.load_verify_locations(authority.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(folder))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self, folder: Path) -> type[BaseHTTPRequestHandler]:
        clients = self.clients

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                certificate: Any = self.connection.getpeercert()
                clients.update(value for part in certificate["subject"] for _, value in part)
                try:
                    data = (folder / self.path.lstrip("/")).read_bytes()
                except OSError:
                    self.send_error(404)
                    return
                start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(data) - start))
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(data[start:])

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Handler
