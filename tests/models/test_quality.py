"""Figures of a face: a head that is turned by a known angle is measured so, and light is what the sensor lost."""

from __future__ import annotations

import numpy as np
import pytest

from models.align import TEMPLATE
from models.faces import F32
from models.portrait import UnfitPortraitError, find
from models.quality import _HEAD, eye_distance_px, light, pose, unified
from models.vision import Vision
from tests.film import drawn_face

LEVEL_DEG = 7.0


def turned(yaw_deg: float, pitch_deg: float, roll_deg: float, scale: float = 1.7) -> F32:
    """The landmarks of the mean head, turned in this order, as a camera far away sees them."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    aside = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    head = _HEAD - _HEAD.mean(0)
    landmarks: F32 = (scale * head @ (lean @ nod @ aside).T)[:, :2].astype(np.float32) + np.float32(100)
    return landmarks


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (40, 0, 0), (-25, 0, 0), (0, 20, 0), (0, -15, 0), (0, 0, 30), (0, 0, -50)]
)
def test_a_head_turned_by_a_known_angle_is_measured_so(yaw: float, pitch: float, roll: float) -> None:
    found = pose(turned(yaw, pitch, roll))
    assert (found.yaw_deg, found.pitch_deg + LEVEL_DEG, found.roll_deg) == pytest.approx((yaw, pitch, roll), abs=0.5)
    assert found.misfit < 0.01


def test_the_nose_of_a_head_turned_to_the_right_lies_to_the_right() -> None:
    landmarks = turned(30, 0, 0)
    assert landmarks[2, 0] > landmarks[[0, 1, 3, 4], 0].mean()


def test_landmarks_that_are_no_face_fit_no_head() -> None:
    swapped = TEMPLATE[[0, 2, 1, 3, 4]]
    line = np.column_stack([np.arange(5) * 10, np.zeros(5)]).astype(np.float32)
    assert pose(swapped).misfit > 0.2
    assert pose(line).misfit > 0.2


def test_landmarks_on_one_point_are_measured_and_fit_no_head() -> None:
    found = pose(np.full((5, 2), 7, np.float32))
    assert np.isfinite([found.yaw_deg, found.pitch_deg, found.roll_deg, found.misfit]).all()
    assert eye_distance_px(np.full((5, 2), 7, np.float32)) == 0


def test_light_counts_what_the_sensor_lost() -> None:
    chip = np.full((112, 112, 3), 128, np.uint8)
    assert (light(chip).under, light(chip).over) == (0, 0)
    assert light(chip).contrast < 1e-6
    assert light(chip).mean == pytest.approx(128 / 255, abs=1e-3)
    chip[:63] = 255
    chip[63:] = 2
    assert (light(chip).over, light(chip).under) == (0.5, 0.5)


def test_a_portrait_has_one_face_and_knows_how_strong_its_rival_is(vision: Vision) -> None:
    face = np.asarray(drawn_face("pale"))
    assert find(face, vision).rival == 0
    both = find(np.hstack([face, face]), vision)
    assert both.rival > 0.9
    assert len(both.face) == 1
    with pytest.raises(UnfitPortraitError, match=r"^no face found$"):
        find(np.full((200, 200, 3), 90, np.uint8), vision)


def test_one_figure_falls_with_size_with_turning_and_with_doubt() -> None:
    best = unified(turned(0, 0, 0), 0.9)
    assert best == pytest.approx(0.9, abs=0.06)
    assert unified(turned(0, 0, 30), 0.9) == pytest.approx(best, abs=1e-3), "a head may lean"
    assert unified(turned(0, 0, 0, scale=0.6), 0.9) < 0.6 * best
    assert unified(turned(30, 0, 0), 0.9) < 0.6 * best
    assert unified(turned(0, 25, 0), 0.9) < 0.8 * best
    assert unified(turned(0, 0, 0), 0.3) == pytest.approx(best / 3)
    assert unified(np.full((5, 2), 7, np.float32), 0.9) == 0
