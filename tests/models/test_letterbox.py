"""Pictures of any size before a detector of one size: where a face is, is where it was."""

from __future__ import annotations

import numpy as np
import pytest

from models.letterbox import CanvasDetector, on_canvas
from models.runner_openvino import OpenVinoRunner
from models.vision import Vision
from tests.models.reference import FILES
from tests.models.stage import Pixels, from_left


@pytest.fixture(scope="module")
def detector() -> CanvasDetector:
    return CanvasDetector(OpenVinoRunner(FILES / "yunet.onnx", (384, 640)), (640, 384))


def test_a_picture_of_the_canvas_size_is_left_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (384, 640, 3)).astype(np.uint8)
    canvas, scale = on_canvas(picture, (640, 384))
    np.testing.assert_array_equal(canvas, picture)
    assert scale == 1
    assert not np.shares_memory(canvas, picture)


@pytest.mark.parametrize(("size", "fit"), [((1280, 720), (640, 360)), ((100, 300), (128, 384)), ((3000, 4), (640, 1))])
def test_what_is_beside_the_picture_is_black(size: tuple[int, int], fit: tuple[int, int]) -> None:
    canvas, _ = on_canvas(np.full((size[1], size[0], 3), 200, np.uint8), (640, 384))
    assert canvas.shape == (384, 640, 3)
    assert (canvas[: fit[1], : fit[0]] == 200).all()
    assert canvas.sum() == 200 * 3 * fit[0] * fit[1]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_faces_are_found_where_the_graphs_own_letterbox_finds_them(
    detector: CanvasDetector, vision: Vision, picture: Pixels, times: int
) -> None:
    large = picture.repeat(times, axis=0).repeat(times, axis=1)
    found, wanted = from_left(detector.detect(large)), from_left(vision.detector.detect(large))
    assert len(found) == len(wanted) == 2
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=times)
    np.testing.assert_allclose(found.landmarks, wanted.landmarks, atol=times)
