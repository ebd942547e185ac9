"""How the match process is doing, as it says it of itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from firmware.log import Log
from firmware.match.commands import Commands, Machinery
from firmware.match.orders import StandingOrders
from firmware.match.outbox import Outbox, Quota
from firmware.match.status import STUCK_S, Status
from firmware.match.wall import WALLED


class Process:
    """The parts that are asked, and a clock."""

    def __init__(self, folder: Path, wall: str = WALLED) -> None:
        self.now_s = 100.0
        log = Log("match", StringIO())
        self.outbox = Outbox(folder / "outbox.db", Quota(50, 0), "boot", log, self.clock)
        self.orders = StandingOrders(folder / "orders.json", log, first_start=True)
        self.commands = Commands(self.orders, Machinery(self.clock, lambda: None, lambda: False))
        self.status = Status(self.clock, wall, self.orders, self.outbox, self.commands)

    def clock(self) -> float:
        return self.now_s


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    with contextlib.closing(process.outbox):
        yield process


def test_a_process_that_has_no_eyes_yet_is_paused_and_has_nothing_to_say(process: Process) -> None:
    snapshot = process.status.snapshot()
    assert (snapshot.mode, snapshot.walled, snapshot.alarms, snapshot.entries) == ("paused", True, (), 0)


@pytest.mark.parametrize("mode", ["paused", "stopped", "purged", "locked"])
def test_what_was_ordered_is_what_it_says_and_nothing_may_be_looked_at(process: Process, mode: str) -> None:
    assert process.status.may_look()
    process.orders.narrow(mode)  # type: ignore[arg-type]  # it is one of the table's
    assert process.status.snapshot().mode == mode
    assert not process.status.may_look()


def test_a_loop_that_hangs_is_an_alarm_until_it_goes_on(process: Process) -> None:
    process.now_s += STUCK_S
    assert process.status.snapshot().alarms == ()
    process.now_s += 5.0
    assert process.status.snapshot().alarms == ("nobody has looked or obeyed for 35 s",)
    process.status.beat()
    assert process.status.snapshot().alarms == ()


def test_faults_are_alarms(process: Process) -> None:
    process.orders.fault = "standing orders not kept"
    process.commands.fault = "self-test failed"
    assert process.status.snapshot().alarms == ("standing orders not kept", "self-test failed")


def test_a_wall_with_a_hole_is_an_alarm(tmp_path: Path) -> None:
    process = Process(tmp_path, "NETWORK REACHABLE: this system forbids it")
    with contextlib.closing(process.outbox):
        snapshot = process.status.snapshot()
    assert (snapshot.walled, snapshot.alarms) == (False, ("NETWORK REACHABLE: this system forbids it",))


def test_at_its_end_it_says_so(process: Process) -> None:
    process.status.ended = True
    assert process.status.snapshot().mode == "ended"
