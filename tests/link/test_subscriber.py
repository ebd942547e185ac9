"""The control room's client: what it shows, and what the network cannot make it do."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from firmware.link.subscriber import json_line, line, save_crop, watch
from firmware.wire import MatchEvent, encode_event
from tests.link.stage import PATIENCE_S, ROOT, VAN, Broker, ControlRoom, Link, Listener, Match, an_event, wait_until


@pytest.fixture
def publish(broker: Broker) -> Iterator[Callable[[bytes], None]]:
    """Publish bytes as if they were a van's event."""
    with Listener(broker.port, "unused") as client:
        yield lambda payload: client.say(f"lfr/v1/{VAN}/evt/match", payload)


def test_an_event_is_shown_once_and_rubbish_is_counted(
    control_room: ControlRoom, publish: Callable[[bytes], None]
) -> None:
    publish(b"\xff\xfe")
    publish(b'{"type":"match"}')
    publish(encode_event(an_event("e1")))
    publish(encode_event(an_event("e1")))
    publish(encode_event(an_event("e2")))
    control_room.wait_for("e1", "e2")
    assert control_room.ids == ["e1", "e2"]
    assert control_room.watcher.watched.malformed == 2
    assert control_room.watcher.watched.duplicates == 1


def test_watch_ends_when_told_and_counts(broker: Broker, publish: Callable[[bytes], None]) -> None:
    seen: list[MatchEvent] = []
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=("127.0.0.1", broker.port, VAN, seen.append, stop))
    thread.start()
    names = itertools.count()

    def publish_until_seen() -> bool:
        publish(encode_event(an_event(f"e{next(names)}")))
        return bool(seen)

    wait_until(publish_until_seen, "an event")
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_the_line_proposes_and_gives_its_evidence() -> None:
    text = line(an_event("e1"))
    assert text.startswith("possible match  entry entry-31 (court-order)  similarity 0.710  threshold 0.550")
    assert "camera front  observations 3  2026-03-01T12:00:00Z" in text


def test_the_line_cannot_steer_the_terminal() -> None:
    hostile = msgspec.structs.replace(an_event("e1"), camera="\x1b[2Jfront\n")
    assert line(hostile).isprintable()


def test_the_json_line_has_no_crop() -> None:
    fields = json.loads(json_line(an_event("e1")))
    assert fields["entry"] == "entry-31"
    assert "crop_jpeg" not in fields


def test_an_id_never_becomes_a_path(tmp_path: Path) -> None:
    path = save_crop(an_event("../../etc/passwd"), tmp_path)
    assert path == tmp_path / "______etc_passwd.jpg"
    assert path.read_bytes() == an_event("x").crop_jpeg


def test_the_command_prints_saves_and_leaves(
    broker: Broker, link: Link, connect: Callable[[], Match], tmp_path: Path
) -> None:
    link.start()
    match = connect()
    command = [sys.executable, "-m", "firmware.link.subscriber", "--port", str(broker.port), "--van", VAN]
    options = ["--json", "--count", "1", "--save", str(tmp_path / "crops")]
    with subprocess.Popen(
        command + options, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as room:
        names = itertools.count()

        def hand_over_until_it_leaves() -> bool:
            match.hand_over(an_event(f"e{next(names)}"))
            return room.poll() is not None

        wait_until(hand_over_until_it_leaves, "its end")
        out, _ = room.communicate(timeout=PATIENCE_S)
    assert room.returncode == 0
    assert len(out.splitlines()) == 1
    shown = json.loads(out)
    assert (tmp_path / "crops" / f"{shown['id']}.jpg").read_bytes() == an_event("x").crop_jpeg


def test_the_command_says_when_nobody_answers(absent_broker: Broker) -> None:
    command = [sys.executable, "-m", "firmware.link.subscriber", "--port", str(absent_broker.port), "--van", VAN]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Connection refused" in ended.stderr
