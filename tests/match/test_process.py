"""The match process as it runs in a van: behind its wall, with real networks and real pictures."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.demo_files import ENTRY, DemoFiles
from firmware.match.wall import WALLED
from tests.film import drawn_walk, write_video
from tests.link.stage import Link, wait_until
from tests.process import Process, write_config
from tests.room import ControlRoom

Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path, demo_files: DemoFiles) -> Iterator[Start]:
    """Start the match process with these cameras and the demo's list."""
    processes: list[Process] = []

    def run(module: str = "firmware.match", **cameras: str) -> Process:
        config = write_config(tmp_path, demo_files.portraits, cameras)
        processes.append(Process(module, str(config)))
        return processes[-1]

    yield run
    for process in processes:
        process.end()


def network_of(pid: int | str) -> set[str]:
    """The network namespaces of a process's threads."""
    return {str((thread / "ns/net").readlink()) for thread in Path(f"/proc/{pid}/task").iterdir()}


def test_a_match_process_needs_neither_a_link_nor_a_file_and_its_event_arrives_later(
    start: Start, demo_files: DemoFiles, link: Link, control_room: ControlRoom
) -> None:
    match = start(front=f"file://{demo_files.listed}")
    match.wait_for("armed")
    match.write_nothing()
    match.wait_for("possible match")
    link.start()
    wait_until(lambda: control_room.ids, "the event")
    assert match.wait() == 0
    assert [event.entry for event in control_room.events] == [ENTRY]
    assert match.said("possible match")[0]["id"] == control_room.ids[0]
    assert match.said("messages lost with this process") == []
    ended = match.said("ended")[0]
    assert ended["events"] == 1
    assert ended["templates_wiped"] >= 1


def test_every_thread_of_it_is_behind_the_wall_and_the_control_room_can_read_so(
    start: Start, link: Link, control_room: ControlRoom, demo_files: DemoFiles
) -> None:
    link.start()
    match = start(front=f"file://{demo_files.passers_by}")
    wait_until(lambda: control_room.states and control_room.states[-1].counters.frames > 0, "its state")
    wait_until(lambda: control_room.details, "its health")
    state, details = control_room.states[-1], control_room.details[-1]
    skip_unless_walled(details.wall)
    assert network_of(match.pid).isdisjoint(network_of("self"))
    assert (state.walled, details.alarms, state.mode) == (True, (), "seeing")
    assert 0 < state.self_tested_s <= state.uptime_s, "before its first frame"
    assert (details.wall, details.alarms, details.cameras) == (WALLED, (), {"front": "seeing"})
    assert match.stop() == 0
    wait_until(lambda: control_room.states[-1].mode == "ended", "its last word")


def skip_unless_walled(words: str) -> None:
    if words.startswith("NETWORK REACHABLE: this system forbids"):
        pytest.skip(words)


def test_a_camera_that_is_plugged_in_later_is_seen_and_the_other_meanwhile(
    start: Start, link: Link, control_room: ControlRoom, demo_files: DemoFiles, tmp_path: Path
) -> None:
    link.start()
    late = tmp_path / "late.mp4"
    match = start(front=f"file://{demo_files.passers_by}", rear=f"file://{late}")

    def rear() -> str:
        return control_room.details[-1].cameras.get("rear", "") if control_room.details else ""

    wait_until(lambda: "lost: " in rear(), "its loss")
    assert match.wait_for("camera lost")["camera"] == "rear"
    assert any("camera rear lost" in alarm for alarm in control_room.details[-1].alarms)
    write_video(tmp_path / "making.mp4", drawn_walk(100)).rename(late)
    wait_until(lambda: rear() == "seeing", "its return")
    assert match.stop() == 0


def test_a_van_without_its_gpu_goes_on_at_a_reduced_rate_and_says_so_in_its_status(
    start: Start, link: Link, control_room: ControlRoom, demo_files: DemoFiles
) -> None:
    link.start()
    match = start("tests.match.bare_van", front=f"file://{demo_files.listed}")
    match.wait_for("possible match")
    wait_until(lambda: any(len(details.alarms) == 2 for details in control_room.details), "its health")
    networks, rate = next(details.alarms for details in control_room.details if len(details.alarms) == 2)
    assert match.wait() == 0
    assert networks.startswith("networks on the processor, at a reduced rate: ")
    assert rate == "looking at 8 frames a second: the networks run on the fallback runner"
    assert match.said("networks")[0]["kind"] == "alarm"
    assert match.said("load shedding")[0]["level"] == rate
    ended = match.said("ended")[0]
    assert ended["frames"] < 0.5 * (ended["frames"] + ended["dropped"])


def test_a_dead_capture_thread_ends_the_process(start: Start) -> None:
    match = start("tests.match.scripted_van", front="file://any")
    assert match.wait() == 1
    assert "KeyError: 3" in match.errors


def test_an_event_that_link_never_took_is_on_disk_and_arrives_in_the_next_boot(
    start: Start, link: Link, control_room: ControlRoom, demo_files: DemoFiles
) -> None:
    alone = start(front=f"file://{demo_files.listed}")
    alone.wait_for("possible match")
    alone.send(signal.SIGKILL)
    alone.wait()
    link.start()
    start(front=f"file://{demo_files.passers_by}")
    wait_until(lambda: control_room.ids, "the event")
    assert control_room.ids == [alone.said("possible match")[0]["id"]]


def test_what_is_in_memory_only_when_the_process_ends_is_said_aloud(start: Start, demo_files: DemoFiles) -> None:
    match = start(front=f"file://{demo_files.listed}")
    match.wait_for("armed")
    match.write_nothing()
    match.wait_for("possible match")
    assert match.stop() == 1
    (alarm,) = match.said("messages lost with this process")
    assert (alarm["kind"], alarm["messages"]) == ("alarm", 1)


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [("van.pem", "van.pem: No such file"), ("policy/keys.json", "keys.json: No such file")],
)
def test_a_van_without_its_papers_does_not_look(
    tmp_path: Path, demo_files: DemoFiles, missing: str, complaint: str
) -> None:
    config = write_config(tmp_path, demo_files.portraits, {"front": "file://any"})
    (tmp_path / "keys" / missing).unlink()
    match = Process("firmware.match", str(config))
    assert match.wait() == 1
    match.end()
    assert complaint in match.said("cannot match")[0]["reason"]


def test_a_list_without_a_fit_portrait_is_a_clear_failure(tmp_path: Path) -> None:
    (tmp_path / "portraits").mkdir()
    (tmp_path / "portraits/entry.jpg").write_bytes(b"")
    config = write_config(tmp_path, tmp_path / "portraits", {"front": "file://any"})
    match = Process("firmware.match", str(config))
    assert match.wait() == 1
    match.end()
    assert "entry.jpg: cannot be read" in match.said("cannot match")[0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [((), "usage: python -m firmware.match"), (("nowhere.toml",), "nowhere.toml: No such file")],
)
def test_a_process_that_was_not_configured_says_so(arguments: tuple[str, ...], complaint: str) -> None:
    match = Process("firmware.match", *arguments)
    assert match.wait() == 2
    match.end()
    assert complaint in match.errors
