"""Many MQTT connections and timers in one thread. Knows sockets' readiness and monotonic time; not what is said.

paho's own loops take a thread a connection, or a ``select`` that ends at 1,024 files; this drives its ``loop_read``,
``loop_write`` and ``loop_misc`` from one selector instead (eclipse/paho.mqtt.python: examples/loop_asyncio.py).
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client

Action = Callable[[], None]
_TEND_S = 1.0
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE


class Loop:
    """One selector, one heap of timers. All callbacks run in the thread that calls :meth:`turn`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Action]] = []
        self._number = itertools.count()
        self._clients: set[Client] = set()
        self.after(_TEND_S, self._tend)

    def after(self, wait_s: float, action: Action) -> None:
        """Call ``action`` once, not before ``wait_s`` from now."""
        heapq.heappush(self._timers, (time.monotonic() + wait_s, next(self._number), action))

    def watch(self, file: int, action: Action) -> None:
        """Call ``action`` at each turn in which ``file`` can be read."""
        self._selector.register(file, selectors.EVENT_READ, lambda _mask: action())

    def unwatch(self, file: int) -> None:
        """End :meth:`watch`."""
        self._selector.unregister(file)

    def drive(self, client: Client) -> None:
        """Move this client's bytes from now on; before its ``connect``."""
        client.on_socket_open = self._opened
        client.on_socket_close = self._closed
        client.on_socket_register_write = self._wants_to_write
        client.on_socket_unregister_write = self._has_written

    def turn(self, longest_s: float) -> None:
        """Wait until something can be done, at most ``longest_s``, and do all that can be done now."""
        wait_s = min(longest_s, self._timers[0][0] - time.monotonic())
        for key, mask in self._selector.select(max(0.0, wait_s)):
            key.data(mask)
        now = time.monotonic()
        while self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Turn until ``done``; returns whether it came to that within ``limit_s``."""
        end = time.monotonic() + limit_s
        while not done():
            if time.monotonic() >= end:
                return False
            self.turn(min(0.05, max(0.0, end - time.monotonic())))
        return True

    def close(self) -> None:
        """Forget all timers and close the selector; whoever opened connections closes them before."""
        self._timers.clear()
        self._selector.close()

    def _tend(self) -> None:
        """Keep-alives."""
        for client in list(self._clients):
            client.loop_misc()
        self.after(_TEND_S, self._tend)

    def _opened(self, client: Client, _data: object, peer: Any) -> None:
        self._clients.add(client)
        # paho leaves Nagle's algorithm on: a receipt behind a PUBACK then waits 40 ms for the broker's delayed ACK.
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def move(mask: int) -> None:
            if mask & selectors.EVENT_READ:
                client.loop_read()
            if mask & selectors.EVENT_WRITE:
                client.loop_write()

        self._selector.register(peer, selectors.EVENT_READ, move)

    def _closed(self, client: Client, _data: object, peer: Any) -> None:
        self._clients.discard(client)
        self._selector.unregister(peer)

    def _wants_to_write(self, _client: Client, _data: object, peer: Any) -> None:
        self._selector.modify(peer, _BOTH, self._selector.get_key(peer).data)

    def _has_written(self, _client: Client, _data: object, peer: Any) -> None:
        self._selector.modify(peer, selectors.EVENT_READ, self._selector.get_key(peer).data)
