"""``kerbside run``: both processes, a real broker, and what happens when one is killed or the file is wrong."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.config import load
from firmware.demo_files import ENTRY, DemoFiles
from firmware.van import VanFile
from tests.link.stage import Broker, wait_until
from tests.process import Process, write_config
from tests.room import ControlRoom
from tests.source import ROOT


@pytest.fixture
def config(tmp_path: Path, demo_files: DemoFiles, broker: Broker) -> Path:
    cameras = {"front": f"file://{demo_files.listed}", "rear": f"file://{demo_files.passers_by}"}
    return write_config(tmp_path, demo_files.portraits, cameras, broker_port=broker.port)


@pytest.fixture
def appliance(config: Path) -> Iterator[Process]:
    """The appliance, running."""
    process = Process("firmware", "run", "--config", str(config))
    yield process
    process.stop()
    process.end()


def test_a_killed_process_is_started_again_and_the_event_arrives(control_room: ControlRoom, appliance: Process) -> None:
    wait_until(lambda: len(appliance.said("armed")) == 1, "the first match process")
    first = appliance.children()
    assert set(first) == {"firmware.link", "firmware.match"}
    subprocess.run(["kill", "-9", str(first["firmware.match"])], check=True)
    ended = appliance.wait_for("process ended")
    assert (ended["module"], ended["code"]) == ("firmware.match", -signal.SIGKILL)
    appliance.wait_for("armed", count=2)
    subprocess.run(["kill", "-9", str(first["firmware.link"])], check=True)
    appliance.wait_for("link_started", count=2)
    wait_until(lambda: control_room.ids, "the event")
    second = appliance.children()
    assert set(second) == set(first)
    assert set(second.values()).isdisjoint(first.values())
    assert control_room.events[0].entry == ENTRY
    assert appliance.stop() == 0
    assert len(set(control_room.ids)) == len(control_room.ids)


def test_a_release_starts_both_processes_anew_at_once(control_room: ControlRoom, appliance: Process) -> None:
    wait_until(lambda: control_room.states and control_room.states[-1].mode == "seeing", "the first boot")
    first, boot = appliance.children(), control_room.state().boot
    assert control_room.order("stop", "operator-1").outcome == "done"
    wait_until(lambda: control_room.state().mode == "stopped", "the stop")
    assert control_room.order("resume", "operator-1", "authoriser-1").why == "starts anew"
    wait_until(lambda: control_room.state().boot != boot and control_room.state().mode == "seeing", "the next boot")
    assert set(appliance.children().values()).isdisjoint(first.values())
    assert appliance.said("process ended") == []


def run(config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "firmware", "run", "--config", str(config), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_right_file_is_only_checked_when_asked(config: Path) -> None:
    ended = run(config, "--check")
    assert ended.returncode == 0
    assert re.search(r"van\.toml: van-07, 2 camera\(s\), 5 key holders, broker 127\.0\.0\.1$", ended.stdout)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda keys: (keys / "van.pem").chmod(0o644), "van.pem: mode 644 lets others read a signing key"),
        (lambda keys: (keys / "van.pem").unlink(), "van.pem: No such file"),
        (lambda keys: (keys / "policy/keys.json").write_bytes(b"{}"), "keys.json: Object missing required field `v`"),
    ],
)
def test_papers_that_are_not_right_are_named_before_anything_starts(
    config: Path, spoil: Callable[[Path], None], complaint: str
) -> None:
    spoil(config.parent / "keys")
    ended = run(config)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert ended.stdout == ""


SECOND_FRONT = '[[match.cameras]]\nname = "front"\nsource = "file://b.mp4"'


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param(
            "portraits =",
            "portrets =",
            "unknown key 'match.portrets'; did you mean 'portraits'?",
            id="misspelt key",
        ),
        pytest.param(
            "source =", "sorce =", "unknown key 'match.cameras[0].sorce'; did you mean 'source'?", id="in a camera"
        ),
        pytest.param("[match]", "[match]\nthreshold = -0.1", ">= 0.0", id="threshold below none"),
        pytest.param("[match]", "[match]\nthreshold = 1.2", "<= 1.0", id="threshold out of range"),
        pytest.param("[match]", '[match]\nprefilter = "yolo"', "match.prefilter", id="a prefilter that is none"),
        pytest.param("[link]", f"{SECOND_FRONT}\n[link]", "two cameras are called front", id="two of one name"),
        pytest.param("file://", "", "match.cameras[0].source", id="no scheme"),
        pytest.param('socket = "', f'socket = "/{"long/" * 30}', "a Unix socket's at most 107", id="long socket path"),
        pytest.param("[match]", "[match", "van.toml: ", id="not TOML"),
    ],
)
def test_a_wrong_file_is_explained(config: Path, old: str, new: str, complaint: str) -> None:
    text = config.read_text("utf-8")
    config.write_text(text.replace(old, new, 1), "utf-8")
    ended = run(config, "--check")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert complaint in ended.stderr


def test_nothing_is_started_with_a_wrong_file(config: Path) -> None:
    config.write_text(config.read_text("utf-8").replace("portraits =", "portrets ="), "utf-8")
    ended = run(config)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "did you mean 'portraits'?" in ended.stderr


@pytest.mark.parametrize("prefilter", ["facedetect", "peoplenet"])
def test_a_prefilter_can_be_named(config: Path, prefilter: str) -> None:
    config.write_text(config.read_text("utf-8").replace("[match]", f'[match]\nprefilter = "{prefilter}"'), "utf-8")
    assert load(config, VanFile).match.prefilter == prefilter


def test_without_a_word_there_is_no_prefilter(config: Path) -> None:
    assert load(config, VanFile).match.prefilter is None


def test_a_raised_threshold_is_accepted(config: Path) -> None:
    raised = config.read_text("utf-8").replace("[match]", "[match]\nthreshold = 0.9")
    config.write_text(raised, "utf-8")
    assert run(config, "--check").returncode == 0


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    ended = run(tmp_path / "nowhere.toml")
    assert ended.returncode == 2
    assert "nowhere.toml: No such file" in ended.stderr
