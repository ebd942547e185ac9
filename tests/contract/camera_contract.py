"""What every camera must do, whatever it is made of: one suite, held against each implementation.

An implementation's test file subclasses :class:`CameraContract` as ``Test...`` and gives a ``rig`` fixture.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import numpy as np
import pytest

from board.camera import Camera, Frame, Gap
from board.picture import Pixels, fitted_size

LEFT, RIGHT, BELOW = (220, 30, 30), (30, 30, 220), (30, 200, 30)
"""What a rig's scene shows: red on the left, blue on the right, a green quarter below; RGB."""
MAX_GREY = 14
"""Allowed difference of a colour after compression and chroma subsampling, away from edges."""
MANY_READS = 1000


def scene(width: int, height: int) -> Pixels:
    """The picture that a rig films."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:, : width // 2] = LEFT
    picture[:, width // 2 :] = RIGHT
    picture[height * 3 // 4 :] = BELOW
    return picture


class Rig(Protocol):
    """Cameras of one kind before a scene."""

    size: tuple[int, int]
    """(width, height) of the pictures, in pixels."""
    end: Gap
    """What comes after the last frame: a file ends, a device is lost."""

    def ends_after(self, frames: int) -> Camera:
        """A source that brings so many frames and no more."""

    def lost_after(self, frames: int) -> Camera:
        """A source that is torn away when at least one and at most ``frames`` frames were read."""


def read_frames(camera: Camera) -> tuple[list[Frame], Gap]:
    """All frames of a source, and what came instead of the next."""
    frames: list[Frame] = []
    for _ in range(MANY_READS):
        got = camera.read()
        if isinstance(got, Frame):
            frames.append(got)
        elif got is not Gap.TIMEOUT:
            return frames, got
    raise AssertionError(f"no end after {MANY_READS} reads")


def _middle_of(picture: Pixels, x: float, y: float) -> list[int]:
    return [int(value) for value in picture[int(picture.shape[0] * y), int(picture.shape[1] * x)]]


def _assert_scene(picture: Pixels) -> None:
    for (x, y), colour in {(0.25, 0.4): LEFT, (0.75, 0.4): RIGHT, (0.25, 0.9): BELOW, (0.75, 0.9): BELOW}.items():
        assert np.abs(np.subtract(_middle_of(picture, x, y), colour)).max() <= MAX_GREY, (x, y)


class CameraContract:
    """Subclass it with a ``rig``."""

    @pytest.fixture
    def rig(self) -> Rig:
        raise NotImplementedError

    def test_every_frame_comes_once_and_in_order(self, rig: Rig) -> None:
        frames, gap = read_frames(rig.ends_after(12))
        assert gap is rig.end
        assert [frame.seq for frame in frames] == list(range(12))
        assert {frame.camera for frame in frames} == {"front"}

    def test_time_only_goes_forward(self, rig: Rig) -> None:
        frames, _ = read_frames(rig.ends_after(12))
        assert all(earlier.t_ns < later.t_ns for earlier, later in pairwise(frames))
        assert all(type(frame.t_ns) is int for frame in frames)

    def test_pictures_are_rgb_bytes_of_the_size_they_say(self, rig: Rig) -> None:
        frames, _ = read_frames(rig.ends_after(2))
        width, height = rig.size
        for frame in frames:
            whole = frame.picture.rgb()
            assert (frame.picture.width_px, frame.picture.height_px) == rig.size
            assert whole.shape == (height, width, 3)
            assert whole.dtype == np.uint8

    def test_red_is_red_and_up_is_up(self, rig: Rig) -> None:
        (frame, *_), _ = read_frames(rig.ends_after(2))
        _assert_scene(frame.picture.rgb())
        _assert_scene(frame.picture.fitted(*[side // 2 for side in rig.size]))

    def test_fitted_fits_the_box_and_keeps_the_shape(self, rig: Rig) -> None:
        (frame, *_), _ = read_frames(rig.ends_after(1))
        for box in [(64, 48), (100, 20), (33, 500), (rig.size[0] - 1, rig.size[1] - 1)]:
            width, height = fitted_size(rig.size, box)
            small = frame.picture.fitted(*box)
            assert small.shape == (height, width, 3)
            assert small.dtype == np.uint8
            assert width <= box[0]
            assert height <= box[1]

    def test_fitted_is_never_larger_than_the_picture(self, rig: Rig) -> None:
        (frame, *_), _ = read_frames(rig.ends_after(1))
        np.testing.assert_array_equal(frame.picture.fitted(9999, 9999), frame.picture.rgb())
        np.testing.assert_array_equal(frame.picture.fitted(*rig.size), frame.picture.rgb())

    def test_a_picture_stays_what_it_was(self, rig: Rig) -> None:
        camera = rig.ends_after(12)
        first = camera.read()
        assert isinstance(first, Frame)
        whole, small = first.picture.rgb(), first.picture.fitted(64, 48)
        before = whole.copy(), small.copy()
        others, _ = read_frames(camera)
        shapes = [(frame.picture.rgb().shape, frame.picture.fitted(64, 48).shape) for frame in others]
        camera.close()
        assert len(shapes) == 11
        np.testing.assert_array_equal(whole, before[0])
        np.testing.assert_array_equal(small, before[1])
        np.testing.assert_array_equal(first.picture.rgb(), before[0])

    def test_a_picture_may_be_asked_for_later(self, rig: Rig) -> None:
        camera = rig.ends_after(8)
        frames, _ = read_frames(camera)
        camera.close()
        for frame in frames:
            _assert_scene(frame.picture.fitted(*[side // 2 for side in rig.size]))
            _assert_scene(frame.picture.rgb())

    def test_what_is_over_stays_over(self, rig: Rig) -> None:
        camera = rig.ends_after(3)
        read_frames(camera)
        assert {camera.read() for _ in range(5)} == {rig.end}

    def test_lost_is_a_value_and_stays_lost(self, rig: Rig) -> None:
        camera = rig.lost_after(20)
        frames, gap = read_frames(camera)
        assert gap is Gap.LOST
        assert 1 <= len(frames) <= 20
        assert {camera.read() for _ in range(5)} == {Gap.LOST}

    def test_frames_before_the_loss_are_whole(self, rig: Rig) -> None:
        frames, _ = read_frames(rig.lost_after(20))
        _assert_scene(frames[0].picture.rgb())
        assert [frame.seq for frame in frames] == list(range(len(frames)))

    def test_opened_again_it_counts_from_0(self, rig: Rig) -> None:
        lost = rig.lost_after(20)
        read_frames(lost)
        lost.close()
        frames, gap = read_frames(rig.ends_after(4))
        assert ([frame.seq for frame in frames], gap) == ([0, 1, 2, 3], rig.end)

    def test_closing_twice_is_closing_once(self, rig: Rig) -> None:
        for camera in (rig.ends_after(3), rig.lost_after(20)):
            camera.close()
            camera.close()

    @pytest.mark.parametrize("reads", [0, 1, 3])
    def test_a_closed_camera_brings_nothing_and_does_not_raise(self, rig: Rig, reads: int) -> None:
        camera = rig.ends_after(12)
        assert all(isinstance(camera.read(), Frame) for _ in range(reads))
        camera.close()
        assert {camera.read() for _ in range(3)} <= {Gap.LOST, Gap.ENDED}

    def test_an_ended_camera_can_be_closed_and_stays_ended(self, rig: Rig) -> None:
        camera = rig.ends_after(2)
        read_frames(camera)
        camera.close()
        assert camera.read() is rig.end
