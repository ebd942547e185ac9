"""From grids to faces: SCRFD as InsightFace's own decoder does it, anchor by anchor. YuNet's is in test_detector.py."""

from __future__ import annotations

from typing import get_args, get_type_hints

import numpy as np
import pytest

from models.decode import FAMILIES, SCRFD, YUNET, anchors
from models.detector import Detector
from models.faces import F32
from models.manifest import ModelError, Net
from tests.models.stage import Pixels, ScriptedRunner

CANVAS = (96, 64)
PLACES = [
    (column, row, stride)
    for stride in (8, 16, 32)
    for row in range(CANVAS[1] // stride)
    for column in range(CANVAS[0] // stride)
    for _ in range(2)
]
"""Where each answer's anchor is, in the order of the answers: scrfd.py has a cell's two next to each other."""


def _answers(scores: F32) -> ScriptedRunner:
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0.1, 5, (1, len(PLACES), 4)).astype(np.float32)
    landmarks = rng.normal(0, 2, (1, len(PLACES), 10)).astype(np.float32)
    return ScriptedRunner((scores[None], boxes, landmarks))


def _picture(scale: int = 1) -> Pixels:
    return np.zeros((CANVAS[1] * scale, CANVAS[0] * scale, 3), np.uint8)


def test_every_anchor_decodes_as_insightface_does() -> None:
    runner = _answers(np.linspace(0.99, 0.6, len(PLACES), dtype=np.float32))
    _, distances, offsets = (output[0].astype(float) for output in runner.outputs)
    faces = Detector(runner, CANVAS, max_overlap=1.0, family=SCRFD).detect(_picture())
    assert len(faces) == len(PLACES) == 252
    for i, (column, row, stride) in enumerate(PLACES):
        x, y = column * stride, row * stride
        left, top, right, bottom = distances[i] * stride
        np.testing.assert_allclose(faces.boxes[i], [x - left, y - top, x + right, y + bottom], atol=1e-3)
        for k in range(5):
            point = [x + offsets[i, 2 * k] * stride, y + offsets[i, 2 * k + 1] * stride]
            np.testing.assert_allclose(faces.landmarks[i, k], point, atol=1e-3)


def test_faces_come_in_the_pictures_own_pixels() -> None:
    runner = _answers(np.linspace(0.99, 0.6, len(PLACES), dtype=np.float32))
    detector = Detector(runner, CANVAS, max_overlap=1.0, family=SCRFD)
    np.testing.assert_allclose(detector.detect(_picture(3)).boxes, detector.detect(_picture()).boxes * 3, rtol=1e-5)


@pytest.mark.parametrize(("family", "least"), [(YUNET, 0.6), (SCRFD, 0.5)])
def test_each_family_has_its_own_least_score(family: object, least: float) -> None:
    chosen = {YUNET: YUNET, SCRFD: SCRFD}[family]  # type: ignore[index]
    scores = np.linspace(0, 1, len(anchors(CANVAS, chosen.anchors_a_cell)), dtype=np.float32)
    runner = ScriptedRunner(
        (scores[None], np.ones((1, len(scores), 4), np.float32), np.ones((1, len(scores), 10), np.float32))
    )
    found = Detector(runner, CANVAS, max_overlap=1.0, family=chosen).detect(_picture())
    assert len(found) == int((scores >= np.float32(least)).sum())


def test_outputs_of_the_other_family_are_refused() -> None:
    runner = _answers(np.zeros(len(PLACES), np.float32))
    with pytest.raises(ModelError, match=r"canvas \(96, 64\) has 126 anchors, the outputs are \[\(1, 252\)"):
        Detector(runner, CANVAS, family=YUNET).detect(_picture())


def test_a_detector_may_be_asked_for_its_best_answers_faces_or_not() -> None:
    scores = np.random.default_rng(1).permutation(np.linspace(0, 0.4, len(PLACES), dtype=np.float32))
    detector = Detector(_answers(scores), CANVAS, family=SCRFD)
    every = detector.seeing_all(10).detect(_picture())
    np.testing.assert_array_equal(every.scores, np.sort(scores)[::-1][:10])
    assert len(detector.detect(_picture())) == 0


def test_every_family_of_the_manifest_can_be_decoded() -> None:
    assert {*get_args(get_type_hints(Net)["family"])} == {"", *FAMILIES}
