"""The whole way on a laptop: two videos as cameras, both processes, a real broker, a subscriber apart.

Knows how to set the stage and what to show; the appliance that runs is the real one, started by its own supervisor.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import msgspec
from rich.console import Console

from firmware.alert_card import draw_card
from firmware.control.room import Times, open_room
from firmware.demo_files import DemoError, DemoFiles, make_files
from firmware.demo_papers import Papers, folder_of_portraits, write_papers
from firmware.demo_room import Audience, alone, control_room, free_port, say, wait_until
from firmware.link.broker import EmbeddedBroker
from firmware.log import Log
from firmware.messages import MatchEvent
from firmware.supervisor import Supervisor

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


def run_demo(folder: Path, assets: Path, port: int, console: Console) -> list[Path]:
    """Show it; returns the alert cards.

    Raises:
        DemoError: no possible match arrived, or something that is needed is not there.
    """
    folder = folder.resolve()
    say(console, "[bold]Kerbside[/]: a listed man on a phone, and passers-by on bicycles; real videos.")
    files = make_files(folder, assets)
    say(console, f"  the list: 3 entries in {files.portraits}")
    say(console, "  (the man's portrait is a late frame of his own clip; the other two are drawn)")
    audience = Audience(console)
    with alone(folder), EmbeddedBroker(port or free_port()) as broker:
        say(console, f"  broker on 127.0.0.1:{broker.port}; watching both for 10 s of real time ...")
        cameras = {"front": files.listed, "rear": files.passers_by}
        papers = write_papers(folder, lambda _keys: folder_of_portraits(files.portraits, cameras), broker.port)
        end = _run(papers, folder / "log.jsonl", audience)
    cards = [_card(event, files, folder, console) for event in audience.events]
    life_s = max(end.template_life_p99_s, 0.01)
    say(console, f"  {end.frames} frames ({end.dropped} more dropped), {end.faces} faces seen, {end.tracks} tracks")
    say(console, f"  embeddings: {end.embeddings}   events: {end.events}")
    say(console, f"  templates overwritten: {end.templates_wiped}, 99 % within {life_s:.2f} s of the last sighting")
    say(console, "  no frame was written anywhere")
    if not cards:
        raise DemoError(f"no possible match arrived; see {folder / 'log.jsonl'}")
    return cards


def _run(papers: Papers, log: Path, audience: Audience) -> _End:
    room = open_room(papers.ctl, "demo-control-room", Times(time.monotonic, time.time), random.random)
    with log.open("wb") as output, log.with_name("run.jsonl").open("w") as own, control_room(room, audience, own):
        code = Supervisor(papers.van, Log("run", own), output).run(threading.Event())
        end = _last(log)
        wait_until(lambda: len(audience.events) >= end.events, _ARRIVE_S)
    if code:
        raise DemoError(f"the appliance ended with exit code {code}; see {log}")
    return end


def _last(log: Path) -> _End:
    lines = [msgspec.json.decode(text, type=_End) for text in log.read_bytes().splitlines()]
    return next((found for found in reversed(lines) if found.event == "ended"), _End())


def _card(event: MatchEvent, files: DemoFiles, folder: Path, console: Console) -> Path:
    card = draw_card(event, folder / "alerts" / f"{event.id}.png", files.portraits / f"{event.entry}.png")
    say(console, f"  alert card: {card}")
    return card
