"""The control room of a demo: shows what it believes, and gives receipts so that the van may forget. Knows no van."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rich.console import Console

from firmware.control.receipts import Receiver
from firmware.control.room import Room
from firmware.control.show import match_line
from firmware.control.watch import Watcher
from firmware.demo_files import DemoError
from firmware.demo_papers import VAN
from firmware.log import Log
from firmware.messages import MatchEvent

_SUBSCRIBE_S = 10.0


@dataclass
class Audience:
    """The control room of the demo: prints and keeps what arrives."""

    console: Console
    events: list[MatchEvent] = field(default_factory=list)

    def __call__(self, event: MatchEvent) -> None:
        """Show one."""
        self.events.append(event)
        first, *rest = match_line(event, time.time()).split("  ")
        say(self.console, f"  [bold]control room: {first}[/]")
        for part in rest:
            say(self.console, f"      {part}")


def say(console: Console, text: str) -> None:
    """One line, as it is."""
    console.print(text, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One demo at a time in a folder: two would share its socket and its outbox."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoError(f"a demo is running in {folder} already; --folder names another") from error
        yield


@contextlib.contextmanager
def control_room(room: Room, audience: Audience, log: TextIO) -> Iterator[None]:
    """One that shows what it believes, and one that gives receipts, so that the van may forget."""
    done = threading.Event()
    watcher = Watcher(room.address(), room.unsealer, VAN, room.times.clock, room.jitter)

    def receipt() -> None:
        with room.desk(Log("control", log)) as desk:
            Receiver(desk, room.times.clock, room.times.now).run(done)

    runs = (lambda: watcher.run(audience, done), receipt)
    threads = [threading.Thread(target=run, name="control room", daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    try:
        if not watcher.subscribed.wait(_SUBSCRIBE_S):
            raise DemoError(f"the broker did not grant the subscription within {_SUBSCRIBE_S:.0f} s")
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def wait_until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Return when it holds, or when the time is over."""
    tick = threading.Event()
    for _ in range(int(timeout_s / 0.1)):
        if condition():
            return
        tick.wait(0.1)


def free_port() -> int:
    """One of this machine's ports that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
