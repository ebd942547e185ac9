"""Where a face goes in its chip: against a transform that is known, and against OpenCV's own alignment."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.align import CHIP_PX, TEMPLATE, chips, to_picture
from models.faces import F32
from tests.models.reference import FILES
from tests.models.stage import Golden, Pixels

MAX_MEAN_GREY = 0.6
MAX_GREY = 3


def _placed(scale: float, degrees: float, x: float, y: float, points: F32 = TEMPLATE) -> F32:
    """``points`` scaled, turned about the origin and moved, by complex numbers: another way than the code's."""
    where = (points[:, 0] + 1j * points[:, 1]) * scale * np.exp(1j * math.radians(degrees)) + complex(x, y)
    return np.stack([where.real, where.imag], 1).astype(np.float32)


def _point(x: float, y: float) -> F32:
    return np.array([x, y], np.float32)


def _opencv_chip(picture: Pixels, points: F32) -> Pixels:
    recogniser = cv2.FaceRecognizerSF.create(str(FILES / "sface-fp32.onnx"), "")
    row = np.zeros(15, np.float32)
    row[4:14] = points.ravel()
    chip = recogniser.alignCrop(np.ascontiguousarray(picture[:, :, ::-1]), row)
    return np.asarray(chip, np.uint8)[:, :, ::-1]


def _sine(cells: int, px: int = 960) -> Pixels:
    """A smooth picture whose colours tell the place: ``cells`` waves across, others down."""
    y, x = np.mgrid[:px, :px] / px * 2 * np.pi
    waves = np.stack([np.sin(cells * x), np.sin(cells * y), np.sin(cells * (x + y) / 2)], 2)
    return np.asarray(127.5 + 120 * waves, np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(0.2, 8),
    degrees=st.floats(-180, 180),
    x=st.floats(-500, 2000),
    y=st.floats(-500, 2000),
)
def test_a_known_similarity_is_recovered(scale: float, degrees: float, x: float, y: float) -> None:
    transform = to_picture(_placed(scale, degrees, x, y))
    corners = np.array([[0, 0], [CHIP_PX, 0], [0, CHIP_PX], [CHIP_PX, CHIP_PX]], np.float32)
    wanted = _placed(scale, degrees, x, y, corners)
    np.testing.assert_allclose(corners @ transform[:, :2].T + transform[:, 2], wanted, atol=0.01)


def test_a_mirrored_face_is_turned_and_never_mirrored() -> None:
    mirrored = TEMPLATE * _point(-1, 1) + _point(CHIP_PX, 0)
    turn = to_picture(mirrored)[:, :2]
    assert float(np.linalg.det(turn)) > 0


def test_the_fit_is_the_one_that_embedders_are_trained_on() -> None:
    rng = np.random.default_rng(0)
    points = _placed(2.0, 10, 200, 100) + rng.normal(0, 6, (5, 2)).astype(np.float32)
    to_chip = cv2.invertAffineTransform(to_picture(points))
    # Umeyama's closed form by singular values, from the picture to the chip.
    face, chip = points - points.mean(0), TEMPLATE - TEMPLATE.mean(0)
    left, sizes, right = np.linalg.svd(chip.T @ face)
    np.testing.assert_allclose(to_chip[:, :2], left @ right * sizes.sum() / (face**2).sum(), atol=1e-5)
    np.testing.assert_allclose(to_chip[:, :2] @ points.mean(0) + to_chip[:, 2], TEMPLATE.mean(0), atol=1e-3)


@pytest.mark.parametrize("degrees", [-35, 0, 20, 90, 180])
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.8])
def test_chips_are_opencvs(picture: Pixels, golden: Golden, scale: float, degrees: float) -> None:
    matrix = cv2.getRotationMatrix2D((470, 195), degrees, scale) + np.array([[0, 0, 30], [0, 0, 205]])
    turned = np.asarray(cv2.warpAffine(picture, matrix, (1000, 800), borderValue=(96, 120, 150)), np.uint8)
    points = (np.array(golden.landmarks)[1] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    difference = np.abs(chips(turned, points[None])[0].astype(int) - _opencv_chip(turned, points))
    assert float(difference.mean()) < MAX_MEAN_GREY
    assert int(difference.max()) <= MAX_GREY


def test_a_face_at_its_place_is_cut_out_unchanged() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    (chip,) = chips(picture, (TEMPLATE + _point(30, 40))[None])
    assert int(np.abs(chip.astype(int) - picture[40:152, 30:142]).max()) <= 1


def test_a_turned_chip_is_the_picture_turned() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    upside_down = _point(CHIP_PX - 1, CHIP_PX - 1) - TEMPLATE
    (chip,) = chips(picture, upside_down[None])
    assert int(np.abs(chip[1:-1, 1:-1].astype(int) - picture[::-1, ::-1][1:-1, 1:-1]).max()) <= 1


def test_beyond_the_edge_is_black() -> None:
    white = np.full((112, 112, 3), 255, np.uint8)
    (chip,) = chips(white, (TEMPLATE - _point(56, 0))[None])
    assert np.all(chip[2:-2, 2:54] == 0)
    assert np.all(chip[2:-2, 58:-2] == 255)


@pytest.mark.parametrize("offset", [(5000, 0), (0, -5000), (-1e5, 1e5)])
def test_a_face_wholly_outside_is_black(offset: tuple[float, float]) -> None:
    white = np.full((90, 70, 3), 255, np.uint8)
    assert not chips(white, (TEMPLATE + _point(*offset))[None]).any()


def test_a_large_face_is_averaged_and_does_not_alias() -> None:
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (1120, 1120, 3)).astype(np.uint8)
    (chip,) = chips(noise, (TEMPLATE * np.float32(10) + np.float32(4.5))[None])
    inner = chip[2:-2, 2:-2].astype(float)
    assert abs(float(inner.mean()) - 127.5) < 2
    assert float(inner.std()) < 12  # of a single pixel it is 74, of the mean of 100 pixels 7.4


def test_a_large_face_lies_where_a_small_one_would() -> None:
    small = _sine(3, px=240)
    large = np.asarray(np.repeat(np.repeat(small, 6, 0), 6, 1))
    points = _placed(1.1, 12, 60, 40)
    (one,), (other,) = chips(small, points[None]), chips(large, (points * 6 + np.float32(2.5))[None])
    assert float(np.abs(one.astype(int) - other).mean()) < 1.0


def test_rows_of_a_wider_buffer_are_taken_as_they_are() -> None:
    buffer = np.random.default_rng(6).integers(0, 256, (120, 448), np.uint8)
    view = buffer[:, : 130 * 3].reshape(120, 130, 3)
    points = TEMPLATE[None] + np.float32(4)
    np.testing.assert_array_equal(chips(view, points), chips(view.copy(), points))


def test_no_faces_make_no_chips(picture: Pixels) -> None:
    assert chips(picture, np.zeros((0, 5, 2), np.float32)).shape == (0, CHIP_PX, CHIP_PX, 3)


@pytest.mark.parametrize("spread", [0.0, 1e-4])
def test_landmarks_that_fall_together_are_no_fault(picture: Pixels, spread: float) -> None:
    points = _point(200, 150) + TEMPLATE * np.float32(spread)
    assert chips(picture, points[None]).shape == (1, CHIP_PX, CHIP_PX, 3)


def test_landmarks_without_order_are_no_fault(picture: Pixels) -> None:
    points = np.random.default_rng(7).uniform(-100, 700, (40, 5, 2)).astype(np.float32)
    assert chips(picture, points).shape == (40, CHIP_PX, CHIP_PX, 3)
