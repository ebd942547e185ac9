"""The gate spares the detector empty frames; what the pre-filter misses is missed for a bounded time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.faces import F32, Faces
from models.manifest import ModelError
from models.prefilter import LINGER_S, LOOK_ANYWAY_EVERY, Gate

STEP_NS = 40_000_000
EVERY, LINGER_FRAMES = 4, 10
LINGER = LINGER_FRAMES * STEP_NS / 1e9


@dataclass(frozen=True)
class Scene:
    """One frame: whether somebody is in it, and whether the pre-filter sees them."""

    face: bool = False
    noticed: bool = True


@dataclass
class Noticer:
    """A pre-filter that notices what the scene says."""

    name: str = "noticer"
    asked: list[Scene] = field(default_factory=list)

    def boxes(self, image: Scene) -> F32:
        self.asked.append(image)
        return np.zeros((int(image.face and image.noticed), 4), np.float32)


@dataclass
class Street:
    """A gate between scenes and a detector that misses nobody."""

    gate: Gate[Scene]
    number: int = 0
    looked: list[int] = field(default_factory=list)

    def see(self, *scenes: Scene, camera: str = "front") -> list[int]:
        """How many faces each frame brought."""
        return [self._show(scene, camera) for scene in scenes]

    def _show(self, scene: Scene, camera: str) -> int:
        faces = self.gate.through(camera, self.number * STEP_NS, scene, lambda: self._detect(scene))
        self.number += 1
        return len(faces)

    def _detect(self, scene: Scene) -> Faces:
        self.looked.append(self.number)
        count = int(scene.face)
        return Faces(np.zeros((count, 4), np.float32), np.zeros((count, 5, 2), np.float32), np.ones(count, np.float32))


EMPTY, SOMEBODY, MISSED = Scene(), Scene(face=True), Scene(face=True, noticed=False)


def street(every: int = EVERY, linger_s: float = LINGER) -> Street:
    return Street(Gate(Noticer(), every, linger_s))


def test_an_empty_street_is_looked_at_every_fourth_frame() -> None:
    empty = street()
    empty.see(*[EMPTY] * 16)
    assert empty.looked == [3, 7, 11, 15]
    assert (empty.gate.frames, empty.gate.skipped, empty.gate.asked) == (16, 12, 12)


def test_whom_the_prefilter_notices_is_seen_at_once() -> None:
    assert street().see(EMPTY, SOMEBODY) == [0, 1]


def test_whom_it_misses_is_seen_within_the_bound() -> None:
    assert street().see(EMPTY, *[MISSED] * 4) == [0, 0, 0, 1, 1]


def test_while_somebody_is_in_view_it_is_not_even_asked() -> None:
    busy = street()
    assert busy.see(SOMEBODY, *[MISSED] * 30) == [1] * 31
    assert busy.gate.asked == 1


def test_for_a_while_after_the_last_face_every_frame_is_looked_at() -> None:
    quiet = street()
    quiet.see(SOMEBODY, *[EMPTY] * 20)
    assert quiet.looked[: LINGER_FRAMES + 1] == list(range(LINGER_FRAMES + 1))
    assert quiet.looked[LINGER_FRAMES + 1 :] == [14, 18]


def test_cameras_do_not_see_for_each_other() -> None:
    two = street()
    two.see(SOMEBODY, camera="front")
    assert two.see(EMPTY, MISSED, MISSED, MISSED, camera="rear") == [0, 0, 0, 1]


def test_a_detector_that_finds_nobody_where_the_prefilter_did_is_asked_again() -> None:
    gate = Gate[Scene](Noticer(), EVERY, LINGER)
    for number in range(8):
        gate.through("front", number * STEP_NS, SOMEBODY, Faces.none)
    assert (gate.skipped, gate.asked) == (0, 8)


def test_every_frame_with_every_1() -> None:
    always = street(every=1)
    assert always.see(MISSED, EMPTY, MISSED) == [1, 0, 1]
    assert always.gate.asked == 0


@pytest.mark.parametrize(
    ("every", "linger_s", "message"),
    [(0, 1.0, "every: expected at least 1, got 0"), (5, -0.1, "linger_s: .* got -0.1"), (5, float("nan"), "got nan")],
)
def test_numbers_out_of_range_are_refused(every: int, linger_s: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gate(Noticer(), every, linger_s)


def test_the_gate_is_called_as_its_prefilter() -> None:
    assert Gate(Noticer()).name == "noticer"


scenes = st.lists(st.sampled_from([EMPTY, SOMEBODY, MISSED]), max_size=80)


@settings(deadline=None)
@given(scenes, st.integers(1, 6), st.floats(0, 1))
def test_nobody_is_missed_for_longer_than_the_bound(shown: list[Scene], every: int, linger_s: float) -> None:
    seen = street(every, linger_s)
    found = seen.see(*shown)
    gaps = np.diff([-1, *seen.looked, len(shown)])
    assert max(gaps) <= every
    assert [bool(count) for count in found] == [
        scene.face and number in set(seen.looked) for number, scene in enumerate(shown)
    ]


@settings(deadline=None)
@given(scenes)
def test_a_face_in_view_loses_no_frame_once_it_was_seen(shown: list[Scene]) -> None:
    seen = street()
    found = seen.see(*shown)
    faces = [number for number, count in enumerate(found) if count]
    lingering = {number for face in faces for number in range(face, min(face + LINGER_FRAMES + 1, len(shown)))}
    assert lingering <= set(seen.looked)


@settings(deadline=None)
@given(scenes)
def test_frames_are_counted(shown: list[Scene]) -> None:
    seen = street()
    seen.see(*shown)
    assert (seen.gate.frames, seen.gate.skipped) == (len(shown), len(shown) - len(seen.looked))


@settings(deadline=None)
@given(scenes)
def test_a_replay_decides_the_same(shown: list[Scene]) -> None:
    one, two = street(), street()
    assert (one.see(*shown), one.looked) == (two.see(*shown), two.looked)


def test_the_shipped_numbers() -> None:
    shipped = Street(Gate(Noticer()))
    shipped.see(*[EMPTY] * 2 * LOOK_ANYWAY_EVERY)
    assert len(shipped.looked) == 2
    assert LINGER_S > 0


@dataclass
class Failing(Noticer):
    """A pre-filter whose network fails from the third look on."""

    def boxes(self, image: Scene) -> F32:
        found = super().boxes(image)
        if len(self.asked) > 2:
            raise ModelError("the network failed")
        return found


def test_a_prefilter_that_fails_is_asked_no_more_and_the_detector_looks_at_everything() -> None:
    noticer = Failing()
    broken = Street(Gate(noticer, EVERY, LINGER))
    assert broken.see(EMPTY, EMPTY, *[MISSED] * 5) == [0, 0, 1, 1, 1, 1, 1]
    assert len(noticer.asked) == 3
    assert broken.gate.fault == "noticer: the network failed"
