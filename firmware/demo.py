"""The whole way on a laptop: two videos as cameras, both processes, a real broker, a subscriber apart.

Knows how to set the stage and what to show; the appliance that runs is the real one, started by its own supervisor.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console

from firmware.alert_card import draw_card
from firmware.config import ConfigError, load
from firmware.demo_files import DemoError, DemoFiles, make_files
from firmware.link.broker import EmbeddedBroker
from firmware.link.subscriber import Watcher, line
from firmware.log import Log
from firmware.supervisor import Supervisor
from firmware.van import VanFile
from firmware.wire import MatchEvent

VAN = "demo-van"
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
        first, *rest = line(event).split("  ")
        _say(self.console, f"  [bold]subscriber: {first}[/]")
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
        config = _write_config(folder, files, broker.port)
        end = _run(config, folder / "log.jsonl", broker.port, audience)
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


def _run(config: Path, log: Path, port: int, audience: _Audience) -> _End:
    watcher, done, stop = Watcher("127.0.0.1", port, VAN), threading.Event(), threading.Event()
    listener = threading.Thread(target=watcher.run, args=(audience, done), name="subscriber", daemon=True)
    listener.start()
    if not watcher.subscribed.wait(_SUBSCRIBE_S):
        raise DemoError(f"the broker did not grant the subscription within {_SUBSCRIBE_S:.0f} s")
    with log.open("wb") as output, log.with_name("run.jsonl").open("w") as own:
        code = Supervisor(config, Log("run", own), output).run(stop)
    end = _last(log)
    arrived = threading.Event()
    for _ in range(int(_ARRIVE_S / 0.1)):
        if len(audience.events) >= end.events:
            break
        arrived.wait(0.1)
    done.set()
    listener.join()
    if code:
        raise DemoError(f"the appliance ended with exit code {code}; see {log}")
    return end


def _last(log: Path) -> _End:
    lines = [msgspec.json.decode(text, type=_End) for text in log.read_bytes().splitlines()]
    return next((found for found in reversed(lines) if found.event == "ended"), _End())


def _write_config(folder: Path, files: DemoFiles, port: int) -> Path:
    (folder / "outbox.db").unlink(missing_ok=True)
    path = folder / "van.toml"
    path.write_text(
        f"""van = "{VAN}"
socket = "{folder}/wall/link.sock"

[match]
portraits = "{files.portraits}"

[[match.cameras]]
name = "front"
source = "file://{files.listed}"

[[match.cameras]]
name = "rear"
source = "file://{files.passers_by}"

[link]
outbox = "{folder}/outbox.db"
broker_host = "127.0.0.1"
broker_port = {port}
""",
        "utf-8",
    )
    try:
        load(path, VanFile)
    except ConfigError as error:
        raise DemoError(str(error)) from error
    return path


def _card(event: MatchEvent, files: DemoFiles, folder: Path, console: Console) -> Path:
    card = draw_card(event, files.portraits / f"{event.entry}.png", folder / "alerts" / f"{event.id}.png")
    _say(console, f"  alert card: {card}")
    return card


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
