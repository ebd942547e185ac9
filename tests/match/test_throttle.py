"""The machine is asked once a second, and frames that it cannot bear do not pass."""

from __future__ import annotations

from board.camera import Frame
from board.picture import ArrayPicture
from board.power_mode import PowerMode
from board.thermal import Heat
from firmware.match.shedding import EIGHT, EVERY, NOTHING, TEN
from firmware.match.throttle import Machine, Throttle
from tests.film import empty_street

FRAME_NS = 1_000_000_000 // 30
COOL = Heat("tj-thermal", 60.0, 35.0, 39.0, 44.5)
FULL = PowerMode("25W", 25)
SCORCHING = Heat("tj-thermal", 99.5, -4.5, -0.5, 5.0)


class Van:
    """A machine with a camera of 30 frames a second, whose time passes with its frames."""

    def __init__(self, heat: Heat | None = COOL, power: PowerMode = FULL, *, fallback: bool = False) -> None:
        self.heat, self.power = heat, power
        self.asked = 0
        self.now_ns = 10**12
        self.late_ns = 0
        self.throttle = Throttle(Machine(self._heat, lambda: self.power, fallback=fallback), clock=lambda: self.now_ns)

    def _heat(self) -> Heat | None:
        self.asked += 1
        return self.heat

    def drive(self, seconds: float) -> int:
        """How many frames pass."""
        passed = 0
        for number in range(round(seconds * 30)):
            self.now_ns += FRAME_NS
            frame = Frame("front", number, self.now_ns - self.late_ns, ArrayPicture(empty_street()))
            passed += self.throttle.passes(frame)
        return passed


def test_a_cool_van_lets_every_frame_through_and_is_asked_once_a_second() -> None:
    van = Van()
    assert van.drive(10) == 300
    assert van.throttle.level.name == EVERY.name
    assert 10 <= van.asked <= 11


def test_on_the_fallback_runner_eight_frames_a_second_pass() -> None:
    van = Van(fallback=True)
    assert 79 <= van.drive(10) <= 82
    assert van.throttle.level.name == EIGHT.name
    assert "fallback runner" in van.throttle.level.words


def test_a_small_power_mode_limits_the_rate() -> None:
    van = Van(power=PowerMode("15W", 15))
    assert 99 <= van.drive(10) <= 102
    assert van.throttle.level.name == TEN.name


def test_at_the_hot_trip_nothing_passes_and_everything_again_when_it_has_been_cool() -> None:
    van = Van()
    van.drive(2)
    van.heat = SCORCHING
    assert van.drive(5) <= 30
    assert van.throttle.level.name == NOTHING.name
    van.heat = COOL
    assert van.drive(20) == 0
    van.drive(60)
    assert van.drive(1) == 30


def test_old_frames_are_shed_by_rate_until_they_are_young_again() -> None:
    van = Van()
    van.late_ns = 700_000_000
    van.drive(2)
    assert van.throttle.level.name == TEN.name
    assert "0.7 s old" in van.throttle.level.words
    van.late_ns = 0
    van.drive(40)
    assert van.throttle.level.name == EVERY.name


def test_a_machine_that_never_told_its_heat_is_not_held_back() -> None:
    assert Van(heat=None).drive(2) == 60


def test_a_machine_that_tells_it_no_more_is() -> None:
    van = Van()
    van.drive(2)
    van.heat = None
    van.drive(2)
    assert van.throttle.level.name == EIGHT.name


def test_a_slow_look_is_age_though_the_queue_holds_only_the_newest_frame() -> None:
    van = Van()
    for number in range(3):
        van.now_ns += 1_100_000_000
        frame = Frame("front", number, van.now_ns, ArrayPicture(empty_street()))
        van.throttle.passes(frame)
        van.now_ns += 700_000_000
        van.throttle.looked(frame)
    assert van.throttle.level.name == TEN.name
