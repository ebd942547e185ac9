"""Preprocessing inside the graph: faces come back where they are, whatever the picture's size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from models.detector import Detector
from models.faces import F32
from models.golden import Golden
from models.graphs import detector_graph, embedder_graph
from models.manifest import Manifest, ModelError
from models.vision import Vision
from tests.models.reference import FILES, opencv_faces
from tests.models.stage import Pixels, RuntimeRunner, changed, from_left, runtime, scene

CANVAS_PX = 7.0
"""Allowed offset in pixels of the canvas from where a face was drawn: the net itself wavers by 5 % of a face."""
BF16_PX = 3.0
"""Between two compilations in bf16: of two anchors that score alike either may answer."""
OPENCV_PX = 0.5
"""Allowed offset in pixels of the canvas from OpenCV's answer, whose letterbox rounds to whole grey levels."""

SCENES = [
    pytest.param((640, 384), 1.0, (0, 0), id="the canvas itself"),
    pytest.param((1280, 720), 2.0, (0, 0), id="720p"),
    pytest.param((1280, 720), 1.4, (301, 177), id="720p, aside"),
    pytest.param((1921, 1083), 2.9, (33, 7), id="odd and large"),
    pytest.param((480, 854), 0.74, (3, 400), id="portrait"),
    pytest.param((720, 1280), 1.12, (1, 77), id="tall"),
    pytest.param((176, 144), 0.27, (1, 20), id="tiny"),
    pytest.param((639, 383), 0.99, (2, 5), id="a pixel short"),
    pytest.param((333, 333), 0.5, (7, 55), id="square"),
    pytest.param((2000, 300), 0.8, (900, 5), id="banner"),
]
Size = tuple[int, int]


def _check(detector: Detector, golden: Golden, size: Size, scale: float, at: Size) -> None:
    faces = from_left(detector.detect(scene(*size, scale, *at)))
    allowed = CANVAS_PX * max(size[0] / 640, size[1] / 384)
    assert len(faces) == 2
    np.testing.assert_allclose(faces.boxes, np.array(golden.boxes) * scale + [*at, *at], atol=allowed)
    np.testing.assert_allclose(faces.landmarks, np.array(golden.landmarks) * scale + at, atol=allowed)


@pytest.mark.parametrize(("size", "scale", "at"), SCENES)
def test_boxes_come_back_to_the_picture(vision: Vision, golden: Golden, size: Size, scale: float, at: Size) -> None:
    _check(vision.detector, golden, size, scale, at)


@pytest.fixture(scope="module")
def by_onnx_runtime() -> Detector:
    return Detector(RuntimeRunner(FILES / "yunet.onnx"), (640, 384))


def _letterboxed_by_opencv(picture: Pixels) -> tuple[F32, float]:
    """OpenCV's faces on OpenCV's own letterbox: rows of box and landmarks in the canvas, and the picture's scale."""
    height, width = picture.shape[:2]
    scale = max(width / 640, height / 384)
    small = cv2.resize(picture, (round(width / scale), round(height / scale)), interpolation=cv2.INTER_LINEAR)
    canvas = np.zeros((384, 640, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    rows = opencv_faces(canvas)
    rows[:, 2:4] += rows[:, :2]
    return rows[np.argsort(rows[:, 0])], scale


@pytest.mark.parametrize(("size", "scale", "at"), SCENES)
def test_onnx_runtime_finds_what_opencv_finds(by_onnx_runtime: Detector, size: Size, scale: float, at: Size) -> None:
    picture = scene(*size, scale, *at)
    rows, enlarged = _letterboxed_by_opencv(picture)
    faces = from_left(by_onnx_runtime.detect(picture)).scaled(1 / enlarged)
    assert len(faces) == len(rows) == 2
    np.testing.assert_allclose(faces.boxes, rows[:, :4], atol=OPENCV_PX)
    np.testing.assert_allclose(faces.landmarks, rows[:, 4:14].reshape(-1, 5, 2), atol=OPENCV_PX)
    np.testing.assert_allclose(faces.scores, rows[:, 14], atol=0.01)


@pytest.mark.parametrize(("size", "scale", "at"), [SCENES[2], SCENES[4], SCENES[0]])
def test_a_detector_for_one_size_finds_the_same(
    vision: Vision, golden: Golden, size: Size, scale: float, at: Size
) -> None:
    fixed = vision.detector_for(size[1], size[0], "full")
    _check(fixed, golden, size, scale, at)
    picture = scene(*size, scale, *at)
    np.testing.assert_allclose(
        from_left(fixed.detect(picture)).boxes,
        from_left(vision.detector.detect(picture)).boxes,
        atol=BF16_PX * max(size[0] / 640, size[1] / 384),
    )


def test_pictures_of_a_batch_do_not_mix() -> None:
    batch = np.stack([scene(320, 200, 0.5, left, 3) for left in (0, 30, 60)])
    together = runtime(FILES / "yunet.onnx", image=batch)
    alone = runtime(FILES / "yunet.onnx", image=batch[1:2])
    assert [output.shape for output in together] == [(3, 5040), (3, 5040, 4), (3, 5040, 10)]
    for many, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, many[1:2], atol=1e-3)


def test_chips_of_a_batch_do_not_mix_and_are_unit_length() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    (together,) = runtime(FILES / "sface.onnx", image=batch)
    (alone,) = runtime(FILES / "sface.onnx", image=batch[2:])
    np.testing.assert_allclose(alone, together[2:], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("name", "outputs"), [("yunet", ["scores", "boxes", "landmarks"]), ("sface", ["vectors"])])
def test_a_built_graph_takes_bytes_and_nothing_else(name: str, outputs: list[str]) -> None:
    graph = onnx.load(FILES / f"{name}.onnx").graph
    (image,) = graph.input
    shape = image.type.tensor_type.shape.dim
    assert (image.name, image.type.tensor_type.elem_type) == ("image", TensorProto.UINT8)
    assert (shape[0].dim_param, shape[3].dim_value) == ("n", 3)
    assert [value.name for value in graph.output] == outputs
    assert not {tensor.name for tensor in graph.initializer} & {"image"}


@pytest.mark.parametrize("canvas", [(640, 380), (630, 384), (0, 384), (0, 0)])
def test_a_canvas_that_does_not_fit_the_grids(canvas: Size, manifest: Manifest) -> None:
    with pytest.raises(ModelError, match=r"yunet: canvas \(\d+, \d+\) is not a multiple of 32"):
        detector_graph(onnx.load(FILES / "yunet-fp32.onnx"), manifest.one("detector"), canvas)


def test_channels_that_cannot_be_swapped_are_said(manifest: Manifest) -> None:
    net = changed(manifest.one("embedder"), native_channels="BGR")
    with pytest.raises(ModelError, match="sface: expected a convolution behind 'data', found Sub"):
        embedder_graph(onnx.load(FILES / "sface-fp32.onnx"), net)


def test_the_graph_of_another_canvas_finds_the_same_faces(manifest: Manifest, golden: Golden, tmp_path: Path) -> None:
    canvas = (960, 544)
    onnx.save(
        detector_graph(onnx.load(FILES / "yunet-fp32.onnx"), manifest.one("detector"), canvas), tmp_path / "l.onnx"
    )
    _check(Detector(RuntimeRunner(tmp_path / "l.onnx"), canvas), golden, (1280, 720), 1.4, (301, 177))
