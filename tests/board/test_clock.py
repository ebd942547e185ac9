from __future__ import annotations

import pytest

from board.clock import BUILD_FLOOR, Clock, ClockError, wall_clock

DAY_S = 86_400
NOW = 1_800_000_000


def test_a_clock_before_its_floor_is_not_believed_and_the_text_says_both_moments() -> None:
    clock = Clock(lambda: NOW - 1, NOW)
    with pytest.raises(
        ClockError, match="says 2027-01-15T07:59:59Z, and it is certainly not before 2027-01-15T08:00:00Z"
    ):
        clock.now()


def test_at_the_floor_and_after_it_the_clock_is_believed() -> None:
    assert Clock(lambda: NOW, NOW).now() == NOW
    assert Clock(lambda: NOW + 400 * DAY_S + 0.9, NOW).now() == NOW + 400 * DAY_S


def test_the_floor_only_rises() -> None:
    clock = Clock(lambda: NOW, NOW - DAY_S)
    clock.raise_floor(NOW)
    clock.raise_floor(NOW - DAY_S)
    assert clock.floor == NOW


def test_a_clock_that_jumps_ahead_raises_no_floor_so_it_can_come_back() -> None:
    times = iter((NOW, NOW + 400 * DAY_S, NOW))
    clock = Clock(lambda: next(times), NOW)
    assert [clock.now(), clock.now(), clock.now()] == [NOW, NOW + 400 * DAY_S, NOW]


@pytest.mark.parametrize("broken", [-1.0, 2.0**40 + 1, 1e18])
def test_a_figure_that_is_no_moment_is_refused(broken: float) -> None:
    with pytest.raises(ClockError, match="the clock says"):
        Clock(lambda: broken, 0).now()


class Machine:
    """A wall clock that can be set, and seconds that nobody can set."""

    def __init__(self) -> None:
        self.wall_s: float = NOW
        self.running_s = 50.0
        self.clock = Clock(lambda: self.wall_s, NOW - 30 * DAY_S, lambda: self.running_s)
        self.clock.now()

    def pass_time(self, seconds: float) -> None:
        self.wall_s += seconds
        self.running_s += seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_a_clock_that_jumps_ahead_while_it_runs_is_not_believed_until_it_is_back(machine: Machine) -> None:
    machine.wall_s += 400 * DAY_S
    machine.pass_time(10)
    with pytest.raises(ClockError, match=r"jumped ahead by 34560000 s to 2028-02-19T08:00:10Z, more than 3600"):
        machine.clock.now()
    machine.wall_s -= 400 * DAY_S
    assert machine.clock.now() == NOW + 10


def test_an_hour_ahead_is_no_jump_and_a_second_more_is_one(machine: Machine) -> None:
    machine.wall_s += 3600
    assert machine.clock.now() == NOW + 3600
    machine.wall_s += 1
    with pytest.raises(ClockError, match="jumped ahead by 3601 s"):
        machine.clock.now()


def test_a_clock_that_creeps_ahead_has_jumped_too(machine: Machine) -> None:
    for _ in range(3):
        machine.wall_s += 1200
        machine.clock.now()
    machine.wall_s += 1200
    with pytest.raises(ClockError, match="jumped ahead by 4800 s"):
        machine.clock.now()


def test_time_that_the_machine_slept_is_no_jump(machine: Machine) -> None:
    machine.pass_time(30 * DAY_S)
    assert machine.clock.now() == NOW + 30 * DAY_S


def test_something_signed_within_a_day_and_an_hour_before_vouches_for_a_jump(machine: Machine) -> None:
    machine.wall_s += 10 * DAY_S
    machine.clock.raise_floor(NOW + 9 * DAY_S - 3601)
    with pytest.raises(ClockError, match="jumped ahead"):
        machine.clock.now()
    machine.clock.raise_floor(NOW + 9 * DAY_S - 3600)
    assert machine.clock.now() == NOW + 10 * DAY_S
    machine.pass_time(3600)
    assert machine.clock.now() == NOW + 10 * DAY_S + 3600


def test_what_was_signed_before_a_jump_does_not_vouch_for_it(machine: Machine) -> None:
    machine.clock.raise_floor(NOW)
    machine.clock.now()
    machine.wall_s += 12 * 3600
    with pytest.raises(ClockError, match="jumped ahead"):
        machine.clock.now()
    assert machine.clock.claimed() == NOW + 12 * 3600


def test_the_machines_own_clock_is_never_believed_before_the_release() -> None:
    assert wall_clock(0).floor == BUILD_FLOOR
    assert wall_clock(BUILD_FLOOR + 1).floor == BUILD_FLOOR + 1
