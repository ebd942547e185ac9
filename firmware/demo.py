"""The whole way on a laptop: two videos as cameras, both processes, a real broker, a subscriber apart.

Knows how to set the stage and what to show; the appliance that runs is the real one, started by its own supervisor.
"""

from __future__ import annotations

import socket
import threading
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
        self.console.print(f"  [bold]subscriber[/]  {line(event)}", highlight=False)


def run_demo(folder: Path, assets: Path, port: int, console: Console) -> list[Path]:
    """Show it; returns the alert cards.

    Raises:
        DemoError: no possible match arrived, or something that is needed is not there.
    """
    folder = folder.resolve()
    console.print("[bold]Kerbside[/]: a listed man on a phone, and passers-by on bicycles. Both are real videos.")
    files = make_files(folder, assets)
    console.print(f"  the list: 3 entries in {files.portraits} (one man, two drawings)", highlight=False)
    audience = _Audience(console)
    with EmbeddedBroker(port or _free_port()) as broker:
        console.print(f"  broker on 127.0.0.1:{broker.port}; two cameras, 10 seconds of real time ...", highlight=False)
        config = _write_config(folder, files, broker.port)
        end = _run(config, folder / "log.jsonl", broker.port, audience)
    cards = [_card(event, files, folder, console) for event in audience.events]
    console.print(
        f"  {end.frames} frames, {end.faces} faces seen, {end.tracks} tracks, {end.embeddings} embeddings, "
        f"{end.events} events, {end.dropped} frames dropped\n  {end.templates_wiped} templates of faces overwritten, "
        f"99 % within {end.template_life_p99_s:.2f} s of the last sighting; no frame was written anywhere",
        highlight=False,
    )
    if not cards:
        raise DemoError(f"no possible match arrived; see {folder / 'log.jsonl'}")
    return cards


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
    console.print(f"  alert card: {card}", highlight=False)
    return card


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
