"""The link process: door, line and relay put together, and ended together.

Knows the order of start and end and what a dead thread means; refuses to know what any of the parts does.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from types import FrameType

import msgspec

from firmware.link.connection import Address
from firmware.link.door import Door
from firmware.link.line import Line
from firmware.link.relay import Relay
from firmware.link.settings import LinkFile
from firmware.log import Log


class Life(msgspec.Struct, frozen=True):
    """Whether the process goes on: ``over`` ends it, ``failed`` says that the end is a fault."""

    over: threading.Event
    failed: threading.Event
    log: Log

    def end_on_dead_thread(self, death: threading.ExceptHookArgs) -> None:
        """For ``threading.excepthook``: note the death and end the process."""
        name = death.thread.name if death.thread is not None else "unknown"
        self.end_on_fault(name, death.exc_value)

    def end_on_fault(self, thread: str, error: BaseException | None) -> None:
        """A thread cannot go on, so the process does not: systemd starts one that can."""
        self.log.alarm("thread_died", thread=thread, error=f"{type(error).__name__}: {error}")
        self.failed.set()
        self.over.set()

    def end_on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Ask for an orderly end."""
        self.over.set()


def serve(file: LinkFile, log: Log) -> int:
    """Run until a signal or a fault; returns the exit code: 0, or 1 after a fault.

    Args:
        file: the configuration.
        log: the process's log.

    Raises:
        ConfigError: the TLS files cannot be used.
    """
    tls = None if file.link.tls is None else file.link.tls.context("link.tls")
    address = Address(file.link.broker_host, file.link.broker_port, file.link.client_id or file.van, tls)
    life = Life(threading.Event(), threading.Event(), log)
    threading.excepthook = life.end_on_dead_thread
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, life.end_on_signal)
    try:
        door = Door(file.socket)
    except OSError as error:
        log.alarm("link_cannot_run", error=str(error))
        return 1
    relay = Relay(file.van, door, Line(address, file.van, random.SystemRandom().random, log), time.monotonic, log)
    log.info("link_started", van=file.van, socket=str(file.socket))
    try:
        relay.run(life.over)
    except Exception as error:  # noqa: BLE001  the main thread's top; it ends the process
        life.end_on_fault("relay", error)
    log.info("link_stopped", failed=life.failed.is_set())
    return 1 if life.failed.is_set() else 0
