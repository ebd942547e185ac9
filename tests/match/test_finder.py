"""The finder looks at the smallest picture that serves, and may be spared empty ones by a gate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from board.camera import CameraSpec, Frame
from board.camera_jetson import JetsonCamera
from board.picture import ArrayPicture, DevicePixels, Pixels
from firmware.match.finder import Finder
from firmware.match.tracker import TrackerSettings
from models.detector import Detector
from models.faces import F32
from models.prefilter import LINGER_S, Gate
from models.vision import Vision, open_vision
from tests.board.jetson_simulator import Sensor, SimulatedJetsonUtils
from tests.board.stage import LateClock
from tests.film import drawn_walk, empty_street
from tests.models.cudart_simulator import DEVICE_OFFSET
from tests.models.van import Van

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


class Pinned:
    """A picture on the device that notes when it may be read and when no more."""

    def __init__(self, van: Van, picture: Pixels) -> None:
        self._picture = ArrayPicture(picture)
        self._memory = van.backend.cuda.mapped(picture.shape, np.uint8)
        self._memory.array[:] = picture
        self.shape = picture.shape
        self.width_px, self.height_px = self._picture.width_px, self._picture.height_px
        self.notes: list[str] = []

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        self.notes.append("read")
        return {"shape": self.shape, "typestr": "<u1", "data": (self._memory.pointer, True), "version": 3}

    def rgb(self) -> Pixels:
        raise AssertionError("copied whole")

    def fitted(self, width_px: int, height_px: int) -> Pixels:
        raise AssertionError("copied small")

    @contextmanager
    def on_device(self) -> Iterator[DevicePixels | None]:
        self.notes.append("pinned")
        yield self
        self.notes.append("free")


def large_face() -> Pixels:
    (picture,) = drawn_walk(1)
    return np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)


def test_a_frame_on_the_device_is_found_in_where_it_lies_and_copied_nowhere(vision: Vision, tmp_path: Path) -> None:
    van = Van(tmp_path)
    van.equip()
    pinned = Pinned(van, large_face())
    finder = Finder(open_vision(van.backend))
    faces = finder.look(Frame("front", 0, 0, pinned))
    assert pinned.notes == ["pinned", "read", "free"]
    host = Finder(vision)
    wanted = host.look(frame(large_face()))
    assert len(faces) == len(wanted) == 1
    np.testing.assert_allclose(faces.boxes, wanted.boxes, atol=4)
    assert len(finder.look(frame(large_face(), 1))) == 1  # a picture in memory is fitted and copied


def test_networks_on_the_processor_are_given_the_small_picture(vision: Vision) -> None:
    (picture,) = drawn_walk(1)
    assert len(Finder(vision).look(frame(picture), "small")) == 1


def test_from_a_jetsons_camera_to_faces_nothing_is_copied(vision: Vision, tmp_path: Path) -> None:
    van = Van(tmp_path)
    van.equip()
    ju = SimulatedJetsonUtils(
        {"csi://0": Sensor.filming(*(large_face() + np.uint8(number) for number in range(12)))},
        allocate=lambda shape: van.backend.cuda.mapped(shape, np.uint8).array,
        device_offset=DEVICE_OFFSET,
    )
    camera = JetsonCamera(ju, CameraSpec("front", "csi://0"), LateClock(0), "csi://0")
    finder = Finder(open_vision(van.backend))
    counts = []
    for _ in range(12):
        frame = camera.read()
        assert isinstance(frame, Frame)
        counts.append(len(finder.look(frame)))
    assert counts == [1] * 12
    assert van.cudart.launches > 0


def test_a_camera_without_an_engine_is_looked_at_through_a_copy_and_that_is_known(tmp_path: Path) -> None:
    van = Van(tmp_path)
    van.equip(())
    ju = SimulatedJetsonUtils({"csi://0": Sensor.filming(large_face(), large_face() + np.uint8(1))})
    camera = JetsonCamera(ju, CameraSpec("front", "csi://0"), LateClock(0), "csi://0")
    noticing = Bright()
    finder = Finder(open_vision(van.backend), Gate(noticing))
    for _ in range(2):
        shown = camera.read()
        assert isinstance(shown, Frame)
        assert len(finder.look(shown)) == 1
    assert finder.copied == {"front": "yunet-1280x720.engine: not built yet"}
    assert noticing.shown == []
