"""The stand-in for hosts: the detector's network on a small canvas sees large faces, cheaply, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.detector import intersection_over_union
from models.manifest import ModelError
from models.prefilter import Prefilter
from models.prefilter_yunet import open_small_yunet
from models.vision import Vision
from tests.models.reference import FILES
from tests.models.stage import Pixels, scene


def test_it_finds_the_boxes_that_the_detector_finds(vision: Vision, picture: Pixels) -> None:
    small: Prefilter[Pixels] = open_small_yunet((160, 96), picture.shape[:2], 0.3)
    assert small.name == "yunet at 160 x 96"
    overlap = intersection_over_union(small.boxes(picture), vision.detector.detect(picture).boxes)
    assert overlap.shape == (2, 2)
    assert overlap.max(axis=0).min() > 0.6


def test_an_empty_picture_has_no_boxes() -> None:
    boxes = open_small_yunet((160, 96), (90, 160), 0.3).boxes(np.full((90, 160, 3), 110, np.uint8))
    np.testing.assert_array_equal(boxes, np.zeros((0, 4), np.float32), strict=True)


def test_a_far_face_is_too_small_for_a_small_canvas(vision: Vision) -> None:
    far = scene(640, 360, 0.12, 300, 150)
    assert len(vision.detector.detect(far)) > 0
    assert len(open_small_yunet((160, 96), (360, 640), 0.3).boxes(far)) == 0


def test_the_score_is_the_least_that_counts(picture: Pixels) -> None:
    found = [open_small_yunet((160, 96), (360, 640), score).boxes(picture) for score in (0.3, 0.99)]
    assert [len(boxes) for boxes in found] == [2, 0]


@pytest.mark.parametrize("canvas_px", [(150, 96), (0, 0)])
def test_a_canvas_that_does_not_fit_is_refused(canvas_px: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match="multiple of 32"):
        open_small_yunet(canvas_px, (90, 160), 0.3)


def test_a_network_that_was_changed_is_refused(tmp_path: Path) -> None:
    files = Path(shutil.copytree(FILES, tmp_path / "files"))
    (files / "yunet-fp32.onnx").write_bytes(b"another")
    with pytest.raises(ModelError, match=r"yunet-fp32\.onnx: sha256"):
        open_small_yunet((160, 96), (90, 160), 0.3, files=files)
