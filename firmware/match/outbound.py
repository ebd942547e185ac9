"""The one socket of the match process: a sender and a receiver thread between the mailbox and ``link``. Knows no MQTT.

Link may lie, stall or die: then the connection is given up and made again, and the mailbox sends again what it has to.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from firmware import framing, wire
from firmware.log import Log
from firmware.match.mailbox import Mailbox

_RETRY_S = 0.5
_TICK_S = 1.0
_PEER_TIMEOUT_S = 10.0
"""Link says how it stands every five seconds."""
_GOODBYE_S = 2.0


class Outbound:
    """A sender and a receiver thread around one connection.

    Args:
        path: of link's socket.
        boot: this boot's epoch, for the will that link leaves with the broker.
        mailbox: what is sent, and who is told what came.
        log: for what a person has to know.
        clock: monotonic seconds.
    """

    def __init__(
        self, path: Path, boot: str, mailbox: Mailbox, log: Log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._boot = boot
        self._mailbox = mailbox
        self._log = log
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbound", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs; a dead one must end the process."""
        return self._thread.is_alive()

    def drain(self, timeout_s: float) -> None:
        """Wait until everything that is stored was receipted, or nobody is there, or ``timeout_s`` have passed."""
        with self._mailbox.changed:
            self._mailbox.changed.wait_for(self._mailbox.drained, timeout_s)

    def close(self) -> None:
        """Send what is ready, the last state among it, and end."""
        self._stop.set()
        self._mailbox.nudge()
        self._thread.join(_PEER_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                    peer.settimeout(_PEER_TIMEOUT_S)
                    peer.connect(str(self._path))
                    self._serve(peer)
            except (OSError, framing.WireError) as error:
                self._lost(str(error))
            self._stop.wait(_RETRY_S)

    def _lost(self, reason: str) -> None:
        if self._mailbox.link_went() and not self._stop.is_set():
            self._log.alarm("link lost", reason=reason)

    def _serve(self, peer: socket.socket) -> None:
        framing.send(peer, wire.Hello(self._boot))
        self._log.info("link connected")
        receiver = threading.Thread(target=self._receive, args=(peer,), name="outbound receiver", daemon=True)
        receiver.start()
        try:
            while receiver.is_alive() and not self._stop.is_set():
                self._send(peer)
                self._wait()
                if self._mailbox.stuck(self._clock()):
                    raise TimeoutError("the broker or link does not answer")
            self._say_goodbye(peer)
        finally:
            with contextlib.suppress(OSError):  # link was faster
                peer.shutdown(socket.SHUT_RDWR)
            receiver.join()
        self._lost("it closed the connection")

    def _send(self, peer: socket.socket) -> None:
        messages = self._mailbox.outgoing(self._clock())
        if messages:
            peer.sendall(b"".join(map(framing.framed, messages)))

    def _wait(self) -> None:
        with self._mailbox.changed:
            now_s = self._clock()
            wait_s = min(_TICK_S, self._mailbox.next_due_s(now_s) - now_s)
            if wait_s > 0 and not self._stop.is_set():
                self._mailbox.changed.wait(wait_s)

    def _say_goodbye(self, peer: socket.socket) -> None:
        """What is ready, the last state among it; and until the broker has answered, or a moment has passed."""
        give_up_at_s = self._clock() + _GOODBYE_S
        while self._mailbox.connected and self._clock() < give_up_at_s:
            self._send(peer)
            if self._mailbox.said_all():
                return
            with self._mailbox.changed:
                self._mailbox.changed.wait(_TICK_S / 10)

    def _receive(self, peer: socket.socket) -> None:
        try:
            while (message := wire.receive_from_link(peer)) is not None:
                self._mailbox.hear(message, self._clock())
        except TimeoutError:
            self._log.alarm("link says nothing", for_s=_PEER_TIMEOUT_S)
        except (OSError, framing.WireError) as error:
            self._log.alarm("link's word was lost", reason=str(error))
        finally:
            self._mailbox.nudge()
