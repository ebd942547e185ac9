"""What each command does to a van, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest

from firmware.arguments import ARGUMENTS, NoArguments, RaiseThreshold
from firmware.log import Log
from firmware.match.commands import Commands, Machinery
from firmware.match.gate import Order
from firmware.match.orders import NOT_KEPT, StandingOrders
from firmware.match.voice import Result
from firmware.policy.table import CommandName
from models.manifest import ModelError
from tests.keyring import Keyring
from tests.match.orders_given import Console

CONSOLE = Console(Keyring())


@dataclass
class Eyes:
    """What looks, and what was done to it."""

    threshold: float = 0.46
    broken: str = ""
    done: list[str] = field(default_factory=list)
    on_wipe: Callable[[], None] = lambda: None

    def rest(self) -> None:
        self.done.append("rest")

    def wipe(self) -> None:
        self.done.append("wipe")
        self.on_wipe()

    def raise_threshold(self, threshold: float) -> None:
        self.threshold = threshold

    def self_test(self) -> None:
        if self.broken:
            raise ModelError(self.broken)
        self.done.append("self-test")

    def go_on_testing(self) -> None:
        if self.broken:
            raise ModelError(self.broken)
        self.done.append("step")


class Van:
    """A van's commands, its eyes and its standing orders."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "orders.json"
        self.orders = StandingOrders(self.path, Log("match", StringIO()), first_start=True)
        self.ends = 0
        self.hears_reboot = True
        self.eyes = Eyes()
        self.commands = Commands(self.orders, Machinery(lambda: 12.0, self._end, self._reboot))
        self.commands.looking = self.eyes

    def told(self, name: CommandName, threshold: float | None = None) -> Result:
        arguments = NoArguments() if threshold is None else RaiseThreshold(threshold)
        return self.commands.carry_out(Order(CONSOLE.command(name), name, arguments, frozenset({"ab" * 32})))

    def forget_how_to_write(self) -> None:
        self.orders._path = Path("/proc/nowhere/orders.json")

    def _end(self) -> None:
        self.ends += 1

    def _reboot(self) -> bool:
        return self.hears_reboot


@pytest.fixture
def van(tmp_path: Path) -> Van:
    return Van(tmp_path)


def test_every_command_of_the_schema_can_be_carried_out_and_no_other(van: Van) -> None:
    assert set(van.commands._table) == set(ARGUMENTS)


def test_pause_overwrites_passers_by_and_keeps_the_list(van: Van) -> None:
    assert van.told("pause") == Result("done")
    assert (van.orders.mode, van.eyes.done, van.ends) == ("paused", ["rest"], 0)


@pytest.mark.parametrize(("command", "mode"), [("stop", "stopped"), ("purge", "purged"), ("lock", "locked")])
def test_stop_purge_and_lock_overwrite_the_list_and_end_the_deployment(
    van: Van, command: CommandName, mode: str
) -> None:
    assert van.told(command) == Result("done")
    assert (van.orders.mode, van.eyes.done, van.ends, van.commands.start_anew) == (mode, ["wipe"], 1, False)


def test_a_pause_of_a_locked_van_leaves_it_locked_and_wiped(van: Van) -> None:
    van.told("lock")
    assert van.told("pause") == Result("done")
    assert van.orders.mode == "locked"


def test_resume_after_a_pause_looks_again_at_once(van: Van) -> None:
    van.told("pause")
    assert van.told("resume") == Result("done")
    assert (van.orders.mode, van.commands.start_anew) == ("seeing", False)


@pytest.mark.parametrize("command", ["stop", "purge", "lock"])
def test_resume_after_a_wipe_takes_a_new_start(van: Van, command: CommandName) -> None:
    van.told(command)
    assert van.told("resume") == Result("done", "starts anew")
    assert (van.orders.mode, van.commands.start_anew) == ("seeing", True)


def test_a_threshold_rises_is_kept_and_never_falls(van: Van) -> None:
    assert van.told("raise-threshold", 0.55) == Result("done")
    assert (van.eyes.threshold, van.orders.threshold) == (0.55, 0.55)
    for lower in (0.55, 0.5, 0.0):
        assert van.told("raise-threshold", lower) == Result("refused", "not above the threshold in force")
    assert (van.eyes.threshold, van.orders.threshold) == (0.55, 0.55)


def test_a_threshold_below_the_configured_one_is_refused(van: Van) -> None:
    assert van.told("raise-threshold", 0.4).outcome == "refused"
    assert van.orders.threshold == 0.0


def test_a_self_test_that_fails_stops_the_looking_and_is_an_alarm_until_one_passes(van: Van) -> None:
    van.eyes.broken = "embedder: strays by 0.2"
    assert van.told("selftest") == Result("failed", "golden vectors not reproduced", "embedder: strays by 0.2")
    assert van.orders.mode == "paused"
    assert "embedder: strays by 0.2" in van.commands.fault
    van.eyes.broken = ""
    assert van.told("selftest") == Result("done")
    assert van.commands.fault == ""
    assert van.orders.mode == "paused", "that the networks are well is no order to look"


def test_who_resumes_after_a_failed_self_test_runs_it_again(van: Van) -> None:
    van.eyes.broken = "embedder: strays by 0.2"
    van.told("selftest")
    assert van.told("resume") == Result("refused", "self-test failed")
    assert (van.orders.mode, "strays" in van.commands.fault) == ("paused", True)
    van.eyes.broken = ""
    assert van.told("resume") == Result("done")
    assert (van.orders.mode, van.commands.fault) == ("seeing", "")


def test_the_list_is_overwritten_before_anything_is_written_down(van: Van) -> None:
    seen: list[str] = []
    van.eyes.on_wipe = lambda: seen.append(van.orders.mode)
    van.told("purge")
    assert seen == ["seeing"], "a disk that hangs must not come between an order to wipe and the wiping"


def test_a_van_whose_orders_are_not_kept_is_not_rebooted(van: Van) -> None:
    van.forget_how_to_write()
    van.told("lock")
    assert van.told("reboot") == Result("refused", "standing orders are not kept")
    assert not van.commands.start_anew


def test_a_van_without_a_list_has_nothing_to_test(van: Van) -> None:
    van.commands.looking = None
    assert van.told("selftest").outcome == "failed"


def test_reboot_asks_the_machine_and_says_when_only_the_processes_start_anew(van: Van) -> None:
    assert van.told("reboot") == Result("done")
    van.hears_reboot = False
    assert van.told("reboot") == Result("done", "only the processes start anew here")
    assert van.commands.start_anew


def test_an_update_is_not_pretended(van: Van) -> None:
    assert van.told("update.check") == Result("failed", "no update agent")


def test_a_narrowing_that_cannot_be_written_down_is_done_and_says_so(van: Van) -> None:
    van.forget_how_to_write()
    assert van.told("purge") == Result("done", NOT_KEPT)
    assert van.eyes.done == ["wipe"]
    assert van.told("resume") == Result("failed", "cannot be kept")
    assert van.orders.mode == "purged"


def test_the_report_tells_what_was_ordered_by_whom_and_why(van: Van) -> None:
    van.told("pause")
    van.told("raise-threshold", 0.1)
    assert van.told("report").text.splitlines() == [
        "12 s: pause by abababab (routine): done",
        "12 s: raise-threshold by abababab (routine): refused not above the threshold in force",
    ]


def test_a_step_of_the_self_test_that_fails_between_two_frames_stops_the_looking_until_one_passes(van: Van) -> None:
    van.commands.go_on_testing()
    van.eyes.broken = "rehearsal: the listed drawn face was not found"
    van.commands.go_on_testing()
    assert (van.orders.mode, van.eyes.done) == ("paused", ["step", "rest"])
    assert van.commands.fault == "self-test failed: rehearsal: the listed drawn face was not found"
    assert van.told("resume") == Result("refused", "self-test failed")
    van.eyes.broken = ""
    van.commands.go_on_testing()
    assert van.orders.mode == "paused", "nobody ordered it to look again"
    assert van.commands.fault, "a step that was not taken proves nothing"
    assert van.told("resume") == Result("done")
    assert (van.orders.mode, van.commands.fault) == ("seeing", "")


def test_a_van_that_fails_before_its_first_frame_looks_at_nothing_and_keeps_that_order(van: Van) -> None:
    van.eyes.broken = "golden vectors: a template agrees to 0.92"
    assert not van.commands.prove()
    assert StandingOrders(van.path, Log("match", StringIO()), first_start=False).mode == "paused"
    van.eyes.broken = ""
    assert van.commands.prove()
    assert (van.orders.mode, van.commands.fault) == ("paused", "")


def test_a_paused_van_takes_no_step_of_a_self_test(van: Van) -> None:
    van.told("pause")
    van.commands.go_on_testing()
    assert "step" not in van.eyes.done
