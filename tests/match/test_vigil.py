"""When a van proves that it sees: at once, then every few minutes, a step between two frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import pytest

from firmware.log import Log
from firmware.match.vigil import Vigil
from models.manifest import ModelError

STEPS, EVERY_S = 4, 300.0


class Van:
    """A van whose self-test has some steps, and whose time passes when told to."""

    def __init__(self) -> None:
        self.now_s, self.taken, self.broken = 1_000.0, 0, False
        self.log = StringIO()
        self.vigil = Vigil(self._steps, EVERY_S, lambda: self.now_s, Log("match", self.log))

    def frames(self, count: int) -> None:
        for _ in range(count):
            self.vigil.go_on()

    def _steps(self) -> Iterator[None]:
        for number in range(STEPS):
            self.taken += 1
            if self.broken and number == STEPS - 1:
                raise ModelError("the listed drawn face was not found")
            yield


@pytest.fixture
def van() -> Van:
    return Van()


def test_a_step_is_taken_between_two_frames_and_the_last_one_proves_it(van: Van) -> None:
    for number in range(STEPS):
        assert van.vigil.passed_ago_s is None
        van.frames(1)
        assert van.taken == number + 1
    van.frames(1)
    assert van.vigil.passed_ago_s == 0


def test_after_a_while_it_is_due_again_and_not_before(van: Van) -> None:
    van.frames(STEPS + 1)
    van.now_s += EVERY_S - 1
    van.frames(10)
    assert (van.taken, van.vigil.passed_ago_s) == (STEPS, EVERY_S - 1)
    van.now_s += 1
    van.frames(STEPS)
    assert (van.taken, van.vigil.passed_ago_s) == (2 * STEPS, EVERY_S), "as long as it runs the old one counts"
    van.frames(1)
    assert van.vigil.passed_ago_s == 0


def test_one_that_is_asked_for_begins_anew_and_is_whole(van: Van) -> None:
    van.frames(2)
    van.vigil.whole()
    assert (van.taken, van.vigil.passed_ago_s) == (2 + STEPS, 0)


def test_one_that_fails_is_logged_and_what_passed_before_counts_no_more(van: Van) -> None:
    van.vigil.whole()
    van.broken, van.now_s = True, van.now_s + EVERY_S
    with pytest.raises(ModelError, match="not found"):
        van.frames(STEPS)
    assert van.vigil.passed_ago_s is None
    (line,) = [json.loads(text) for text in van.log.getvalue().splitlines()]
    assert (line["kind"], line["event"], line["reason"]) == (
        "alarm",
        "self-test failed",
        "the listed drawn face was not found",
    )
    with pytest.raises(ModelError, match="not found"):
        van.vigil.whole()
