"""The link process: outbox, intake and publisher put together, and ended together.

Knows the order of start and end and what a dead thread means; refuses to know what any of the parts does.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from types import FrameType

import msgspec

from firmware.link.connection import Address
from firmware.link.intake import Intake, listen
from firmware.link.outbox import Outbox, OutboxError
from firmware.link.publisher import Publisher
from firmware.link.settings import LinkFile
from firmware.link.topics import Counters, Topics
from firmware.log import Log

DRAIN_S = 3.0
# More than the drain, the goodbye and one connection attempt together.
JOIN_S = 8.0


class Life(msgspec.Struct, frozen=True):
    """Whether the process goes on: ``over`` ends it, ``failed`` says that the end is a fault."""

    over: threading.Event
    failed: threading.Event
    log: Log

    def worker(self, name: str, run: Callable[[], None]) -> threading.Thread:
        """A started thread of ``run``; when that raises, or returns before the end was asked for, the process ends."""

        def guarded() -> None:
            run()
            if not self.over.is_set():
                raise RuntimeError("returned before it was told to")

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def end_on_dead_thread(self, death: threading.ExceptHookArgs) -> None:
        """The one catch-all, for our threads and for paho's: note the death and end the process."""
        name = death.thread.name if death.thread is not None else "unknown"
        self.log.alarm("thread_died", thread=name, error=f"{death.exc_type.__name__}: {death.exc_value}")
        self.failed.set()
        self.over.set()

    def end_on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Ask for an orderly end."""
        self.over.set()


def serve(file: LinkFile, log: Log, now: Callable[[], float]) -> int:
    """Run until a signal or a fault; returns the exit code: 0, or 1 after a fault.

    Args:
        file: the configuration.
        log: the process's log.
        now: seconds since the epoch; on the van a clock that does not go back.

    Raises:
        ConfigError: the TLS files cannot be used.
    """
    tls = None if file.link.tls is None else file.link.tls.context()
    address = Address(file.link.broker_host, file.link.broker_port, file.link.client_id or file.van, tls)
    life = Life(threading.Event(), threading.Event(), log)
    threading.excepthook = life.end_on_dead_thread
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, life.end_on_signal)
    try:
        outbox = Outbox(file.link.outbox, file.link.outbox_max_mb, file.link.event_ttl_s, log, now)
        with contextlib.closing(outbox):
            _run(file, address, outbox, life)
    except (OutboxError, OSError) as error:
        log.alarm("link_cannot_run", error=str(error))
        return 1
    log.info("link_stopped", failed=life.failed.is_set())
    return 1 if life.failed.is_set() else 0


def _run(file: LinkFile, address: Address, outbox: Outbox, life: Life) -> None:
    counters = Counters()
    publisher = Publisher(address, Topics(file.van), outbox, counters, life.log)
    # After the outbox is ours: a second link must not take the socket from the first.
    intake = Intake(listen(file.socket), outbox, publisher, counters, life.log)
    threads = [life.worker("intake", intake.run), life.worker("publisher", publisher.run)]
    life.log.info("link_started", van=file.van, socket=str(file.socket), pending=outbox.count())
    life.over.wait()
    intake.stop()
    threads[0].join(JOIN_S)
    publisher.stop(DRAIN_S)
    threads[1].join(JOIN_S)
