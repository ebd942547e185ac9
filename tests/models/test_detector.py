"""From the grid's figures to faces: against OpenCV's formulas cell by cell, and suppression by brute force."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.detector import Detector, suppress
from models.faces import F32
from models.manifest import ModelError
from models.vision import Vision
from tests.models.stage import ScriptedRunner, from_left

CANVAS = (96, 64)
CELLS = [(column, row, s) for s in (8, 16, 32) for row in range(CANVAS[1] // s) for column in range(CANVAS[0] // s)]
Box = tuple[int, int, int, int]


def _answer(scores: F32, seed: int = 0) -> ScriptedRunner:
    rng = np.random.default_rng(seed)
    boxes = rng.normal(0, 0.5, (1, len(CELLS), 4)).astype(np.float32)
    landmarks = rng.normal(0, 1, (1, len(CELLS), 10)).astype(np.float32)
    return ScriptedRunner((scores[None], boxes, landmarks))


def _picture(width: int = CANVAS[0], height: int = CANVAS[1]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.zeros((height, width, 3), np.uint8)


def test_every_cell_decodes_as_opencv_does() -> None:
    runner = _answer(np.linspace(0.99, 0.7, len(CELLS), dtype=np.float32))
    _, boxes, landmarks = (output[0].astype(float) for output in runner.outputs)
    faces = Detector(runner, CANVAS, max_overlap=1.0).detect(_picture())
    assert len(faces) == len(CELLS)
    for i, (column, row, stride) in enumerate(CELLS):
        x, y = (column + boxes[i, 0]) * stride, (row + boxes[i, 1]) * stride
        w, h = math.exp(boxes[i, 2]) * stride, math.exp(boxes[i, 3]) * stride
        np.testing.assert_allclose(faces.boxes[i], [x - w / 2, y - h / 2, x + w / 2, y + h / 2], atol=1e-3)
        for k in range(5):
            point = [(column + landmarks[i, 2 * k]) * stride, (row + landmarks[i, 2 * k + 1]) * stride]
            np.testing.assert_allclose(faces.landmarks[i, k], point, atol=1e-3)


def test_best_score_first_and_none_below_the_limit() -> None:
    scores = np.random.default_rng(1).permutation(np.linspace(0.0, 1.0, len(CELLS), dtype=np.float32))
    faces = Detector(_answer(scores), CANVAS, min_score=0.5, max_overlap=1.0).detect(_picture())
    np.testing.assert_array_equal(faces.scores, np.sort(scores[scores >= 0.5])[::-1])


def test_a_score_that_is_no_number_is_no_face() -> None:
    scores = np.full(len(CELLS), np.nan, np.float32)
    assert len(Detector(_answer(scores), CANVAS).detect(_picture())) == 0


def test_faces_come_in_the_pictures_own_pixels() -> None:
    runner = _answer(np.linspace(0.99, 0.7, len(CELLS), dtype=np.float32))
    detector = Detector(runner, CANVAS, max_overlap=1.0)
    same, wider, taller = (detector.detect(_picture(*size)) for size in [CANVAS, (288, 64), (96, 256)])
    np.testing.assert_allclose(wider.boxes, same.boxes * 3, rtol=1e-5)
    np.testing.assert_allclose(taller.landmarks, same.landmarks * 4, rtol=1e-5)
    assert [given.shape for given in runner.given] == [(1, 64, 96, 3), (1, 64, 288, 3), (1, 256, 96, 3)]


def test_outputs_of_another_canvas_are_refused() -> None:
    runner = _answer(np.zeros(len(CELLS), np.float32))
    with pytest.raises(ModelError, match=r"canvas \(64, 64\) has 84 anchors, the outputs are \[\(1, 126\)"):
        Detector(runner, (64, 64)).detect(_picture())


def test_a_missing_output_is_refused() -> None:
    runner = _answer(np.zeros(len(CELLS), np.float32))
    runner.outputs = runner.outputs[:2]
    with pytest.raises(ModelError, match="has 126 anchors, the outputs are"):
        Detector(runner, CANVAS).detect(_picture())


def test_an_empty_street_has_no_faces(vision: Vision) -> None:
    faces = vision.detector.detect(np.full((360, 640, 3), 90, np.uint8))
    assert (len(faces), faces.boxes.shape, faces.landmarks.shape) == (0, (0, 4), (0, 5, 2))


def test_a_face_is_found_once(vision: Vision, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    faces = from_left(vision.detector.detect(picture))
    assert len(faces) == 2
    assert float(faces.boxes[0, 2]) < float(faces.boxes[1, 0])


@pytest.mark.parametrize("size", [(1, 1), (2000, 2), (2, 2000), (0, 10), (10, 0)])
def test_a_picture_of_absurd_size_has_no_faces(vision: Vision, size: tuple[int, int]) -> None:
    assert len(vision.detector.detect(_picture(*size))) == 0


def _overlap(a: Box, b: Box) -> Fraction:
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - width * height
    return Fraction(width * height, union)


boxes_on_a_grid = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h), *[st.integers(0, 12)] * 2, *[st.integers(1, 9)] * 2
)


@settings(max_examples=150, deadline=None)
@given(boxes=st.lists(boxes_on_a_grid, max_size=14), tenths=st.integers(0, 10))
def test_suppression_is_brute_forces(boxes: list[Box], tenths: int) -> None:
    kept: list[int] = []
    for index, box in enumerate(boxes):
        kept += [index] * all(_overlap(box, boxes[other]) <= Fraction(tenths, 10) for other in kept)
    found = suppress(np.array(boxes, np.float32).reshape(-1, 4), tenths / 10)
    assert found.tolist() == kept
