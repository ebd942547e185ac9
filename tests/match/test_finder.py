"""The finder looks at the smallest picture that serves, and may be spared empty ones by a gate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from board.camera import Frame
from board.picture import ArrayPicture, Pixels
from firmware.match.finder import Finder
from firmware.match.tracker import TrackerSettings
from models.detector import Detector
from models.faces import F32
from models.prefilter import LINGER_S, Gate
from models.vision import Vision
from tests.film import drawn_walk, empty_street

STEP_NS = 40_000_000
CANVAS_PX = (640, 384)


@dataclass
class Bright:
    """A pre-filter that takes every picture with a bright spot for somebody; keeps the sizes that it was shown."""

    name: str = "bright"
    shown: list[tuple[int, ...]] = field(default_factory=list)

    def boxes(self, image: Pixels) -> F32:
        self.shown.append(image.shape)
        return np.zeros((int(image.max() > 200), 4), np.float32)


def frame(picture: Pixels, number: int = 0) -> Frame:
    return Frame("front", number, number * STEP_NS, ArrayPicture(picture))


def found(finder: Finder, shown: Frame) -> int:
    return len(finder.find(shown, finder.shrink(shown)))


def blind(vision: Vision) -> Vision:
    """Whose detectors must not be used."""
    never = Detector(NoRunner(), CANVAS_PX)
    return replace(vision, detector_for=lambda height_px, width_px, canvas: never, canvases_px={"full": (64, 48)})


class NoRunner:
    name = "none"

    def run(self, images: Pixels) -> list[F32]:
        raise AssertionError(f"the detector was shown {images.shape}")


def test_a_spared_frame_reaches_no_detector_and_the_gate_is_shown_the_small_picture(vision: Vision) -> None:
    bright = Bright()
    finder = Finder(blind(vision), Gate(bright, every=3))
    assert [found(finder, frame(np.full((96, 128, 3), 20, np.uint8), number)) for number in range(2)] == [0, 0]
    assert bright.shown == [(48, 64, 3)] * 2


def test_a_face_behind_the_gate_is_where_it_is_without_it(vision: Vision) -> None:
    (picture,) = drawn_walk(1)
    large = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
    shown = frame(large)
    free, gated = Finder(vision), Finder(vision, Gate(Bright()))
    without, behind = free.find(shown, free.shrink(shown)), gated.find(shown, gated.shrink(shown))
    assert len(behind) == 1
    np.testing.assert_array_equal(behind.boxes, without.boxes)
    np.testing.assert_array_equal(behind.landmarks, without.landmarks)


def test_the_gates_time_is_the_frames(vision: Vision) -> None:
    gate = Gate(Bright(), every=1000)
    finder = Finder(vision, gate)
    (face,) = drawn_walk(1)
    assert found(finder, frame(face)) == 1
    last = round(LINGER_S * 1e9) // STEP_NS
    for number in (1, last, last + 1):
        found(finder, frame(empty_street(), number))
    assert (gate.frames, gate.skipped, gate.asked) == (4, 1, 2)


def test_a_gate_keeps_looking_for_longer_than_a_track_can_be_unseen() -> None:
    assert TrackerSettings().max_gap_s < LINGER_S
