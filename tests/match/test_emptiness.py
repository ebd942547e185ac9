"""A camera without a face for too long is an alarm by name, and so are faces of which no shot is good enough."""

from __future__ import annotations

import pytest

from firmware.match.emptiness import FEW_TRACKS, PAUSE_S, SELDOM, Emptiness

LIMIT_S = 600
EMPTY = "has shown no face for 10 min"


class Street:
    """Cameras whose frames pass at one a second."""

    def __init__(self) -> None:
        self.emptiness = Emptiness(LIMIT_S)
        self.now_s, self.tracks, self.shots = 50, 0, 0

    def passes(self, seconds: int, *cameras: str, faces: int = 0) -> None:
        for _ in range(seconds):
            self.now_s += 1
            for camera in cameras:
                self.emptiness.looked(camera, self.now_s * 10**9, faces)
                self.emptiness.shot(self.now_s * 10**9, self.tracks, self.shots)

    def alarms(self) -> tuple[str, ...]:
        return self.emptiness.alarms(self.tracks)


@pytest.fixture
def street() -> Street:
    return Street()


def test_a_camera_that_shows_no_face_for_too_long_is_named_until_its_first_face(street: Street) -> None:
    street.passes(LIMIT_S, "front", "rear")
    assert street.alarms() == ()
    street.passes(1, "front", "rear")
    street.passes(1, "rear", faces=1)
    (alarm,) = street.alarms()
    assert alarm.startswith(f"camera front {EMPTY}: the street is empty, the lens is covered or out of focus, or")
    street.passes(1, "front", faces=1)
    assert street.alarms() == ()


def test_a_face_now_and_then_is_enough(street: Street) -> None:
    for _ in range(4):
        street.passes(LIMIT_S - 1, "front")
        street.passes(1, "front", faces=2)
    assert street.alarms() == ()


def test_time_in_which_it_did_not_look_does_not_count(street: Street) -> None:
    street.passes(LIMIT_S - 1, "front")
    street.now_s += round(PAUSE_S) + 1
    street.passes(LIMIT_S, "front")
    assert street.alarms() == ()
    street.passes(1, "front")
    assert len(street.alarms()) == 1


def test_faces_that_are_never_good_enough_to_be_compared_are_an_alarm_until_one_is(street: Street) -> None:
    street.passes(1, "front", faces=1)
    street.tracks += FEW_TRACKS
    street.passes(LIMIT_S - 1, "front", faces=1)
    assert street.alarms() == ()
    street.passes(1, "front", faces=1)
    (alarm,) = street.alarms()
    assert alarm.startswith("faces are seen, but for 10 min none well enough to be compared: look at focus")
    street.shots += 1
    street.passes(1, "front", faces=1)
    assert street.alarms() == ()


def test_a_few_faces_that_were_too_far_away_are_no_alarm(street: Street) -> None:
    street.passes(1, "front", faces=1)
    street.tracks += FEW_TRACKS - 1
    street.passes(LIMIT_S, "front", faces=1)
    assert street.alarms() == ()


def test_cameras_whose_frames_come_a_little_out_of_order_do_not_restart_each_others_time(street: Street) -> None:
    street.tracks = 0
    for second in range(50, 50 + LIMIT_S + 1):
        street.emptiness.looked("front", second * 10**9, 1)
        street.emptiness.shot(second * 10**9, street.tracks, 0)
        street.emptiness.looked("rear", second * 10**9 - 5_000_000, 0)
        street.emptiness.shot(second * 10**9 - 5_000_000, street.tracks, 0)
        street.tracks = FEW_TRACKS
    empty, poor = street.alarms()
    assert empty.startswith(f"camera rear {EMPTY}")
    assert poor.startswith("faces are seen, but for 10 min none well enough")


@pytest.mark.parametrize("together", [1, 3])
def test_a_camera_whose_frames_are_too_few_is_named_until_they_are_enough(street: Street, together: int) -> None:
    for _ in range(SELDOM):
        street.passes(together, "front")
        assert street.alarms() == ()
        street.now_s += round(PAUSE_S)
    street.passes(1, "front")
    (alarm,) = street.alarms()
    assert alarm.startswith("camera front brings too few frames, with more than 5 s between them")
    street.passes(round(PAUSE_S), "front")
    assert street.alarms() == ()


def test_a_van_that_rests_now_and_then_has_frames_enough(street: Street) -> None:
    for _ in range(2 * SELDOM):
        street.passes(round(PAUSE_S) + 1, "front")
        street.now_s += 60
    street.passes(1, "front")
    assert street.alarms() == ()
