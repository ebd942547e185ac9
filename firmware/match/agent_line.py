"""The socket to the update agent: what it said last, and what it is told. Knows connections and the newest of each
message; refuses to know what any of them means for this van.

The agent has the network, so it may lie, stall or die: everything that waits here is bounded, and nothing here waits
for it. After a connection was lost the agent says again what there is.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from firmware import framing
from firmware.handover import FromAgent, FromMatch, Offer, Report, Withdrawn
from firmware.log import Log
from ota.content import Kind

RETRY_S = 0.5
PEER_TIMEOUT_S = 15.0
"""The agent reports at least every five seconds."""
WITHDRAWN_MAX = 64
_END_S = 2.0
_from_agent = msgspec.msgpack.Decoder(FromAgent)


class AgentLine:
    """A thread around one connection; any thread may call it.

    Args:
        path: of the agent's socket.
        log: for what a person has to know.
        peer_timeout_s: a silent agent is given up after that.

    Attributes:
        heard: called, by a thread of its own, when the agent has said something.
    """

    def __init__(self, path: Path, log: Log, peer_timeout_s: float = PEER_TIMEOUT_S) -> None:
        self.heard: Callable[[], None] = lambda: None
        self._path = path
        self._log = log
        self._peer_timeout_s = peer_timeout_s
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._peer: socket.socket | None = None
        self._report: Report | None = None
        self._offers: dict[Kind, Offer] = {}
        self._unheard: dict[Kind, Offer] = {}
        self._withdrawn: deque[str] = deque(maxlen=WITHDRAWN_MAX)
        self._fault = "no update agent"
        self._thread = threading.Thread(target=self._run, name="agent line", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    @property
    def report(self) -> Report | None:
        """The agent's newest; None before the first. It outlives the connection."""
        return self._report

    @property
    def fault(self) -> str:
        """Why nobody is there, in words."""
        return self._fault

    def offer(self, kind: Kind) -> Offer | None:
        """What this van is to have of a kind; it outlives the connection, until the agent is back."""
        with self._lock:
            return self._offers.get(kind)

    def take_offers(self) -> tuple[Offer, ...]:
        """Those that came since the last call, the newest of each kind."""
        with self._lock:
            taken = tuple(self._unheard.values())
            self._unheard.clear()
            return taken

    def take_withdrawn(self) -> tuple[str, ...]:
        """Digests of the lists that were withdrawn since the last call."""
        with self._lock:
            taken = tuple(self._withdrawn)
            self._withdrawn.clear()
            return taken

    def say(self, message: FromMatch) -> bool:
        """Tell the agent; False where nobody is there who takes it. It waits for nothing."""
        with self._lock:
            if self._peer is None:
                return False
            data = framing.framed(message)
            try:
                if self._peer.send(data, socket.MSG_DONTWAIT) == len(data):
                    return True
            except OSError:
                pass
            with contextlib.suppress(OSError):  # the thread that reads notices, and connects again
                self._peer.shutdown(socket.SHUT_RDWR)
            return False

    def close(self) -> None:
        """End."""
        self._stop.set()
        with self._lock, contextlib.suppress(OSError):
            if self._peer is not None:
                self._peer.shutdown(socket.SHUT_RDWR)
        self._thread.join(_END_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            reason = "it closed the connection"
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                    peer.settimeout(self._peer_timeout_s)
                    peer.connect(str(self._path))
                    self._listen(peer)
            except (OSError, framing.WireError) as error:
                reason = str(error)
            self._lost(reason)
            self._stop.wait(RETRY_S)

    def _listen(self, peer: socket.socket) -> None:
        sender = peer.dup()
        sender.setblocking(False)  # noqa: FBT003  the standard library's own
        with sender:
            self._begin(sender)
            while (message := framing.receive(peer, _from_agent)) is not None and not self._stop.is_set():
                self._hear(message)

    def _begin(self, sender: socket.socket) -> None:
        with self._lock:
            self._peer = sender
            self._offers.clear()  # what there is now is said again
            self._unheard.clear()
            self._fault = ""
        self._log.info("update agent connected")

    def _hear(self, message: FromAgent) -> None:
        with self._lock:
            if isinstance(message, Report):
                self._report = message
            elif isinstance(message, Offer):
                self._offers[message.kind] = self._unheard[message.kind] = message
            elif isinstance(message, Withdrawn):
                self._withdrawn.append(message.sha256)
                self._offers = {kind: one for kind, one in self._offers.items() if one.sha256 != message.sha256}
        self.heard()

    def _lost(self, reason: str) -> None:
        with self._lock:
            was, self._peer = self._peer is not None, None
            self._fault = f"no update agent: {reason}"
        if was and not self._stop.is_set():
            self._log.alarm("update agent lost", reason=reason)
