"""A real match process under real commands: what it does at once, and what it still knows after it was killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.demo_files import DemoFiles
from firmware.match.service import START_ANEW
from firmware.messages import Answer
from tests.link.stage import Link, wait_until
from tests.process import Process, write_config
from tests.room import ControlRoom


class Van:
    """One van over several boots."""

    def __init__(self, config: Path, room: ControlRoom) -> None:
        self.room = room
        self._config = config
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    def boot(self, mode: str = "seeing") -> None:
        boots = {state.boot for state in self.room.states}
        self._process = Process("tests.match.endless_van", str(self._config))
        wait_until(lambda: self.room.states and self.room.states[-1].boot not in boots, "its first state")
        self.wait_for(mode)

    def kill(self) -> None:
        self.process.send(signal.SIGKILL)
        self.end()

    def end(self) -> None:
        self.process.end()
        self._process = None

    def wait_for(self, mode: str) -> None:
        wait_until(lambda: self.room.state().mode == mode, f"the mode {mode}, not {self.room.state().mode}")

    def frames(self) -> int:
        """Looked at so far; a state follows every answer."""
        before = self.room.state().n
        self.room.order("status")
        wait_until(lambda: self.room.state().n > before, "a newer state")
        return self.room.state().counters.frames

    def close(self) -> None:
        if self._process is not None:
            self._process.end()


@pytest.fixture
def van(tmp_path: Path, link: Link, control_room: ControlRoom, demo_files: DemoFiles) -> Iterator[Van]:
    link.start()
    van = Van(write_config(tmp_path, demo_files.portraits, {"front": "csi://0"}), control_room)
    van.boot()
    yield van
    van.close()


def test_a_paused_van_looks_at_nothing_also_after_it_was_killed_and_looks_again_when_told(van: Van) -> None:
    assert van.room.order("pause").mode == "paused"
    van.wait_for("paused")
    first = van.frames()
    assert (van.frames(), van.room.state().entries) == (first, 3)
    van.kill()
    van.boot("paused")
    assert van.frames() == 0
    assert van.room.order("resume").outcome == "done"
    van.wait_for("seeing")
    wait_until(lambda: van.room.state().counters.frames > 0, "frames")


def test_a_raised_threshold_holds_after_a_restart_and_no_order_lowers_it(van: Van) -> None:
    assert van.room.order("raise-threshold", args={"threshold": 0.6}).outcome == "done"
    lower = van.room.order("raise-threshold", args={"threshold": 0.5})
    assert (lower.outcome, lower.why) == ("refused", "not above the threshold in force")
    wait_until(lambda: van.room.state().threshold == 0.6, "the threshold")
    van.kill()
    van.boot()
    assert van.room.state().threshold == 0.6


@pytest.mark.parametrize(("command", "mode"), [("purge", "purged"), ("lock", "locked")])
def test_a_wiped_van_has_no_list_also_after_it_was_killed_until_two_people_release_it(
    van: Van, command: str, mode: str
) -> None:
    assert van.room.order(command).outcome == "done"  # type: ignore[arg-type]  # it is one of the schema's
    van.wait_for(mode)
    assert van.room.state().entries == 0
    van.kill()
    van.boot(mode)
    assert van.process.said("armed") == []
    assert van.frames() == 0
    wait_until(lambda: van.room.state().mode == mode, "its mode")
    refused = van.room.state().counters.refused
    van.room.send("resume", van.room.signed(van.room.command("resume"), "operator-1"))
    wait_until(lambda: van.room.state().counters.refused != refused, "the refusal")
    assert van.room.state().counters.refused == {"signatures": 1}
    answer = van.room.order("resume", "operator-1", "authoriser-1")
    assert (answer.outcome, answer.why) == ("done", "starts anew")
    assert van.process.wait() == START_ANEW
    van.end()
    van.boot()
    wait_until(lambda: van.room.state().entries == 3, "its list")


def test_a_command_of_the_boot_before_is_refused_and_who_gave_it_is_told(van: Van) -> None:
    old = van.room.command("stop")
    van.kill()
    van.boot()
    van.room.send("stop", van.room.signed(old))
    wait_until(lambda: old.id in van.room.answers, "the answer")
    answer: Answer = van.room.answers[old.id]
    assert (answer.outcome, answer.why) == ("refused", "wrong boot")
    assert van.room.state().mode == "seeing"


def test_every_command_leaves_a_record_with_who_why_and_what_became_of_it(van: Van) -> None:
    van.room.order("selftest", "operator-2", reason="technical", authority="dep-7")
    van.room.order("update.check", "maintainer-1")
    wait_until(lambda: len(van.room.audits) == 2, "both records")
    first, second = van.room.audits
    assert (first.command, first.outcome, first.reason, first.authority) == ("selftest", "done", "technical", "dep-7")
    assert first.by == (van.room.keyid("operator-2"),)
    assert (second.command, second.outcome, second.why) == ("update.check", "failed", "no update agent")
    numbers = [record.sequence for record in van.room.audits] + [event.sequence for event in van.room.events]
    assert sorted(numbers) == list(range(1, len(numbers) + 1)), "records and events are numbered together"


def test_a_report_tells_what_was_ordered_and_a_reboot_starts_it_anew(van: Van) -> None:
    van.room.order("pause", "operator-1")
    text = van.room.read(van.room.order("report", "operator-2")).text
    assert text.endswith(f"pause by {van.room.keyid('operator-1')[:8]} (test): done")
    assert van.room.order("reboot", "maintainer-1").outcome == "done"
    assert van.process.wait() == START_ANEW
