"""The whole way on a laptop: two videos as cameras, both processes, a real broker, a subscriber apart.

Knows how to set the stage and what to show; the appliance that runs is the real one, started by its own supervisor.
"""

from __future__ import annotations

import contextlib
import fcntl
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import msgspec
from rich.console import Console

from firmware.alert_card import draw_card
from firmware.control.receipts import Receiver
from firmware.control.room import Room, Times, open_room
from firmware.control.show import match_line
from firmware.control.watch import Watcher
from firmware.demo_files import DemoError, DemoFiles, make_files
from firmware.demo_papers import VAN, Papers, write_papers
from firmware.link.broker import EmbeddedBroker
from firmware.log import Log
from firmware.messages import MatchEvent
from firmware.supervisor import Supervisor

_SUBSCRIBE_S = 10.0
_ARRIVE_S = 5.0
__all__ = ["DemoError", "run_demo"]


class _End(msgspec.Struct):
    """The fields of the match process's last log line that the demo shows."""

    event: str = ""
    frames: int = 0
    dropped: int = 0
    faces: int = 0
    tracks: int = 0
    embeddings: int = 0
    events: int = 0
    templates_wiped: int = 0
    template_life_p99_s: float = 0.0


@dataclass
class _Audience:
    """The control room of the demo: prints and keeps what arrives."""

    console: Console
    events: list[MatchEvent] = field(default_factory=list)

    def __call__(self, event: MatchEvent) -> None:
        self.events.append(event)
        first, *rest = match_line(event, time.time()).split("  ")
        _say(self.console, f"  [bold]control room: {first}[/]")
        for part in rest:
            _say(self.console, f"      {part}")


def run_demo(folder: Path, assets: Path, port: int, console: Console) -> list[Path]:
    """Show it; returns the alert cards.

    Raises:
        DemoError: no possible match arrived, or something that is needed is not there.
    """
    folder = folder.resolve()
    _say(console, "[bold]Kerbside[/]: a listed man on a phone, and passers-by on bicycles; real videos.")
    files = make_files(folder, assets)
    _say(console, f"  the list: 3 entries in {files.portraits}")
    _say(console, "  (the man's portrait is a late frame of his own clip; the other two are drawn)")
    audience = _Audience(console)
    with _alone(folder), EmbeddedBroker(port or _free_port()) as broker:
        _say(console, f"  broker on 127.0.0.1:{broker.port}; watching both for 10 s of real time ...")
        papers = write_papers(folder, files, broker.port)
        end = _run(papers, folder / "log.jsonl", audience)
    cards = [_card(event, files, folder, console) for event in audience.events]
    life_s = max(end.template_life_p99_s, 0.01)
    _say(console, f"  {end.frames} frames ({end.dropped} more dropped), {end.faces} faces seen, {end.tracks} tracks")
    _say(console, f"  embeddings: {end.embeddings}   events: {end.events}")
    _say(console, f"  templates overwritten: {end.templates_wiped}, 99 % within {life_s:.2f} s of the last sighting")
    _say(console, "  no frame was written anywhere")
    if not cards:
        raise DemoError(f"no possible match arrived; see {folder / 'log.jsonl'}")
    return cards


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One demo at a time in a folder: two would share its socket and its outbox."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoError(f"a demo is running in {folder} already; --folder names another") from error
        yield


def _run(papers: Papers, log: Path, audience: _Audience) -> _End:
    room = open_room(papers.ctl, "demo-control-room", Times(time.monotonic, time.time), random.random)
    with log.open("wb") as output, log.with_name("run.jsonl").open("w") as own, _control_room(room, audience, own):
        code = Supervisor(papers.van, Log("run", own), output).run(threading.Event())
        end = _last(log)
        _wait_until(lambda: len(audience.events) >= end.events, _ARRIVE_S)
    if code:
        raise DemoError(f"the appliance ended with exit code {code}; see {log}")
    return end


@contextlib.contextmanager
def _control_room(room: Room, audience: _Audience, log: TextIO) -> Iterator[None]:
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


def _wait_until(condition: Callable[[], bool], timeout_s: float) -> None:
    tick = threading.Event()
    for _ in range(int(timeout_s / 0.1)):
        if condition():
            return
        tick.wait(0.1)


def _last(log: Path) -> _End:
    lines = [msgspec.json.decode(text, type=_End) for text in log.read_bytes().splitlines()]
    return next((found for found in reversed(lines) if found.event == "ended"), _End())


def _card(event: MatchEvent, files: DemoFiles, folder: Path, console: Console) -> Path:
    card = draw_card(event, files.portraits / f"{event.entry}.png", folder / "alerts" / f"{event.id}.png")
    _say(console, f"  alert card: {card}")
    return card


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
