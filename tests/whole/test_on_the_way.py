"""What somebody reads who can read everything on the broker: with Mosquitto's own tool, in clear and decoded."""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.demo_files import ENTRY, DemoFiles
from tests.broker.mosquitto import Mosquitto
from tests.link.stage import wait_until
from tests.process import Process, write_config
from tests.room import ControlRoom

PLACE = "High-Street-north"
SUBSCRIBE = shutil.which("mosquitto_sub")
ENCODED = re.compile(rb"[A-Za-z0-9+/=]{16,}")


@pytest.fixture
def overheard(tmp_path: Path, plain_mosquitto: Mosquitto) -> Iterator[Path]:
    """Everything that ``mosquitto_sub -v`` prints, in a file."""
    if SUBSCRIBE is None:
        pytest.skip("mosquitto_sub is not installed (Debian, Ubuntu: mosquitto-clients)")
    path = tmp_path / "overheard"
    with path.open("wb") as output:
        command = [SUBSCRIBE, "-p", str(plain_mosquitto.port), "-V", "5", "-t", "lfr/#", "-v"]
        process = subprocess.Popen(command, stdout=output)
        yield path
        process.terminate()
        process.wait()


def layers(data: bytes) -> list[bytes]:
    """The bytes, what is written in them as base64, and what is written in that."""
    found = [data]
    for _ in range(2):
        found += [decoded(run) for layer in found[-1:] for run in ENCODED.findall(layer)]
    return found + [decoded(run) for layer in found[1:] for run in ENCODED.findall(layer)]


def decoded(run: bytes) -> bytes:
    with contextlib.suppress(ValueError):
        return base64.b64decode(run + b"=" * (-len(run) % 4))
    return b""


def test_whoever_reads_all_messages_learns_no_face_entry_category_or_place(
    tmp_path: Path, plain_mosquitto: Mosquitto, overheard: Path, demo_files: DemoFiles
) -> None:
    config = write_config(
        tmp_path, demo_files.portraits, {PLACE: f"file://{demo_files.listed}"}, broker_port=plain_mosquitto.port
    )
    room = ControlRoom(plain_mosquitto.port)
    van = Process("firmware", "run", "--config", str(config))
    wait_until(lambda: room.events, "the event")
    for cmd, holder in (("status", "operator-1"), ("report", "authoriser-1"), ("selftest", "operator-2")):
        assert room.order(cmd, holder).outcome == "done"  # type: ignore[arg-type]
    assert room.read(next(iter(room.answers.values()))).cameras == {PLACE: "seeing"}
    wait_until(lambda: room.details, "its health")
    assert van.stop() == 0
    van.end()
    (event,) = room.events
    wait_until(lambda: b"/evt/match" in overheard.read_bytes(), "what was overheard")
    room.leave()
    assert (event.entry, event.camera) == (ENTRY, PLACE)
    said = overheard.read_bytes()
    assert {
        kind
        for kind in (b"/state ", b"/evt/match ", b"/evt/health ", b"/evt/audit ", b"/rsp/", b"/cmd/", b"/ack/")
        if kind not in said
    } == set()
    secrets = [event.entry.encode(), event.category.encode(), PLACE.encode(), event.crop_jpeg[:24]]
    assert [secret for secret in secrets for layer in layers(said) if secret in layer] == []


def test_control_what_is_only_encoded_is_found() -> None:
    inner = base64.b64encode(b"x" * 9 + PLACE.encode() + b"y" * 9)
    assert any(PLACE.encode() in layer for layer in layers(b"topic " + base64.b64encode(b'{"a":"' + inner + b'"}')))
