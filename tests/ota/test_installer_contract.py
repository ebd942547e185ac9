"""What software slots and the OS image have to do alike. Each question is asked by a new process, as after a cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ota.installer import MAX_STARTS, InstallError
from tests.ota.places import OsPlace, Place, SoftwarePlace

ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64


@pytest.fixture(params=[SoftwarePlace, OsPlace])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    make: Callable[[Path], Place] = request.param
    return make(tmp_path / "van")


def install(place: Place, words: str, sha256: str) -> None:
    place.installer().install(place.content(words), sha256)


def make_good(place: Place, words: str, sha256: str) -> None:
    install(place, words, sha256)
    place.start()
    place.installer().settle(sha256)


def test_what_was_never_seen_is_absent(place: Place) -> None:
    assert place.installer().stage(ONE) == "absent"
    assert place.running == "base"


def test_what_runs_goes_on_until_the_next_start(place: Place) -> None:
    install(place, "one", ONE)
    assert (place.running, place.installer().stage(ONE)) == ("base", "waiting")
    place.start()
    assert (place.running, place.installer().stage(ONE)) == ("one", "trial")


def test_what_proves_itself_stays(place: Place) -> None:
    make_good(place, "one", ONE)
    for _ in range(MAX_STARTS + 2):
        place.start()
        assert (place.running, place.installer().stage(ONE)) == ("one", "good")


def test_what_never_proves_itself_is_left_after_three_starts(place: Place) -> None:
    install(place, "one", ONE)
    for _ in range(MAX_STARTS):
        place.start()
        assert (place.running, place.installer().stage(ONE)) == ("one", "trial")
    place.start()
    assert place.installer().stage(ONE) == "failed"
    place.start()
    assert (place.running, place.installer().stage(ONE)) == ("base", "failed")


def test_a_trial_can_be_given_up(place: Place) -> None:
    install(place, "one", ONE)
    place.start()
    place.installer().go_back(ONE)
    assert place.installer().stage(ONE) == "failed"
    place.start()
    assert (place.running, place.installer().stage(ONE)) == ("base", "failed")


def test_what_waits_can_be_given_up_before_it_starts(place: Place) -> None:
    install(place, "one", ONE)
    place.installer().go_back(ONE)
    place.start()
    assert (place.running, place.installer().stage(ONE)) == ("base", "failed")


def test_giving_up_something_else_changes_nothing(place: Place) -> None:
    make_good(place, "one", ONE)
    place.installer().go_back(TWO)
    place.installer().settle(TWO)
    place.start()
    assert (place.running, place.installer().stage(ONE)) == ("one", "good")


def test_the_next_one_takes_the_other_place_and_gives_it_back(place: Place) -> None:
    make_good(place, "one", ONE)
    install(place, "two", TWO)
    place.start()
    assert (place.running, place.installer().stage(TWO)) == ("two", "trial")
    place.installer().go_back(TWO)
    place.start()
    assert (place.running, place.installer().stage(TWO)) == ("one", "failed")
    assert place.installer().stage(ONE) == "good"


def test_after_a_failure_there_is_another_chance_for_another_one(place: Place) -> None:
    install(place, "one", ONE)
    place.installer().go_back(ONE)
    make_good(place, "two", TWO)
    place.start()
    assert (place.running, place.installer().stage(TWO), place.installer().stage(ONE)) == ("two", "good", "failed")


def test_what_is_not_fit_is_refused_and_what_runs_stays(place: Place) -> None:
    make_good(place, "one", ONE)
    with pytest.raises(InstallError):
        install(place, "bad", TWO)
    assert (place.installer().stage(ONE), place.installer().stage(TWO)) == ("good", "absent")
    place.start()
    assert place.running == "one"


def test_settling_before_the_start_keeps_nothing(place: Place) -> None:
    """The process that installs is the old one: its health says nothing of the new one."""
    install(place, "one", ONE)
    place.installer().settle(ONE)
    for _ in range(MAX_STARTS + 2):
        place.start()
        place.installer().stage(ONE)
    assert place.running == "base"
