"""When to look, and when a start is judged: in virtual seconds."""

from __future__ import annotations

import pytest

from ota.complaints import KEPT, Complaints
from ota.installer import GIVE_UP_S, HEALTHY_S, HealthGate
from ota.timer import FIRST_RETRY_S, JITTER, Timer


class Stage:
    def __init__(self, chance: float = 0.5) -> None:
        self.now_s = 1000.0
        self.healthy = False
        self.timer = Timer(300, lambda: chance, lambda: self.now_s)
        self.gate = HealthGate(lambda: self.healthy, lambda: self.now_s)

    def wait_until_due(self) -> float:
        """Seconds until then."""
        began_s = self.now_s
        while not self.timer.due:
            self.now_s += 0.5
        return self.now_s - began_s

    def run(self, seconds: float) -> list[str]:
        """What the gate said in that time."""
        said: list[str] = []
        for _ in range(int(seconds)):
            self.now_s += 1
            said.append(self.gate.judge())
        return said


def test_it_looks_at_once_and_then_each_period() -> None:
    stage = Stage()
    assert stage.timer.due
    stage.timer.succeeded()
    assert stage.wait_until_due() == 300


def test_failures_are_tried_again_soon_and_then_ever_more_rarely_up_to_the_period() -> None:
    stage = Stage()
    waits = []
    for _ in range(7):
        stage.timer.failed()
        waits.append(stage.wait_until_due())
    assert waits == [15, 30, 60, 120, 240, 300, 300]
    stage.timer.succeeded()
    stage.wait_until_due()
    stage.timer.failed()
    assert stage.wait_until_due() == FIRST_RETRY_S


@pytest.mark.parametrize("chance", [0.0, 0.999999])
def test_a_fleet_does_not_ask_together(chance: float) -> None:
    stage = Stage(chance)
    stage.timer.succeeded()
    assert abs(stage.wait_until_due() - 300) == pytest.approx(300 * JITTER, abs=1)


def test_whoever_asks_is_not_kept_waiting() -> None:
    stage = Stage()
    stage.timer.succeeded()
    stage.timer.at_once()
    assert stage.timer.due


def test_three_minutes_without_a_break_are_healthy() -> None:
    stage = Stage()
    stage.healthy = True
    said = stage.run(HEALTHY_S + 1)
    assert (set(said[:-1]), said[-1]) == ({""}, "healthy")


def test_a_break_begins_the_three_minutes_anew() -> None:
    stage = Stage()
    stage.healthy = True
    stage.run(HEALTHY_S - 1)
    stage.healthy = False
    stage.run(1)
    stage.healthy = True
    assert "healthy" not in stage.run(HEALTHY_S)
    assert stage.run(1) == ["healthy"]


def test_ten_minutes_without_health_are_a_failed_start() -> None:
    stage = Stage()
    assert set(stage.run(GIVE_UP_S - 1)) == {""}
    assert stage.run(1) == ["unhealthy"]


def test_who_is_well_at_the_last_moment_may_finish() -> None:
    stage = Stage()
    stage.run(GIVE_UP_S - 1)
    stage.healthy = True
    assert stage.run(HEALTHY_S + 1)[-1] == "healthy"


def test_the_first_complaint_stands_until_the_next_check_and_each_is_counted_once() -> None:
    notes: list[str] = []
    complaints = Complaints(lambda event, words: notes.append(words))
    for words in ("one", "two", "one"):
        complaints.complain("refused", "expired" if words == "one" else "rollback", words)
    assert (complaints.fault, complaints.words, complaints.count, notes) == ("expired", "one", 2, ["one", "two"])
    complaints.clear()
    assert (complaints.fault, complaints.words, complaints.count) == ("", "", 2)


def test_what_was_said_is_remembered_within_bounds() -> None:
    complaints = Complaints(lambda event, words: None)
    for number in range(1000):
        complaints.say("refused", str(number))
    assert len(complaints._said) == KEPT
