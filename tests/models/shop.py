"""A web server on 127.0.0.1 that sells files, whole or cut off."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class _Good:
    data: bytes
    promises: int


class Shop:
    """Sells what it was given; ``visits`` are the paths that were asked for."""

    def __init__(self) -> None:
        self._goods: dict[str, _Good] = {}
        self.visits: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def sells(self, name: str, data: bytes, promises: int | None = None) -> str:
        """Put a file on offer, whose length is given as ``promises`` when that is more; its address."""
        self._goods[f"/{name}"] = _Good(data, promises or len(data))
        return f"{self.address}/{name}"

    def close(self) -> None:
        """Nobody answers from now on. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        shop = self

        class Counter(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.visits.append(self.path)
                good = shop._goods.get(self.path)
                if good is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(good.promises))
                self.end_headers()
                self.wfile.write(good.data)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Counter
