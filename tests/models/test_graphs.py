"""Preprocessing inside the graph: faces come back where they are, whatever the picture's size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.detector import Detector
from models.faces import F32
from models.graphs import detector_graph, embedder_graph
from models.manifest import Manifest, ModelError
from models.rebuild import rebuild
from models.vision import Vision
from tests.models.published import ARCFACE, SCRFD, drawn_at, iresnet, scrfd
from tests.models.reference import FILES, opencv_faces
from tests.models.stage import Golden, Pixels, RuntimeRunner, changed, from_left, runtime, scene

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


def test_chips_of_a_batch_do_not_mix() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    (together,) = runtime(FILES / "sface.onnx", image=batch)
    (alone,) = runtime(FILES / "sface.onnx", image=batch[2:])
    np.testing.assert_allclose(alone, together[2:], atol=1e-5)


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


def _normalised(pictures: Pixels, mean: float, std: float) -> F32:
    return (pictures.transpose(0, 3, 1, 2).astype(np.float32) - np.float32(mean)) / np.float32(std)


@pytest.mark.parametrize(("mean", "std"), [(127.5, 127.5), (127.5, 128.0), (0.0, 255.0), (104.0, 1.0)])
def test_values_are_normalised_as_the_manifest_says(mean: float, std: float) -> None:
    net = changed(ARCFACE, mean=mean, std=std)
    chips = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3)).astype(np.uint8)
    (raw,) = runtime(iresnet(), **{"input.1": _normalised(chips, mean, std)})
    (vectors,) = runtime(embedder_graph(rebuild(iresnet().SerializeToString(), net), net), image=chips)
    np.testing.assert_allclose(vectors, raw, atol=1e-4)


def test_a_detectors_margin_is_black_before_it_is_normalised() -> None:
    square = np.full((1, 40, 40, 3), 255, np.uint8)
    canvas = np.zeros((1, 96, 160, 3), np.uint8)
    canvas[:, :96, :96] = 255
    published = runtime(scrfd(), **{"input.1": _normalised(canvas, 127.5, 128.0)})
    plain = rebuild(scrfd().SerializeToString(), SCRFD)
    built = runtime(detector_graph(plain, SCRFD, SCRFD.canvas_px), image=square)
    np.testing.assert_allclose(built[0][0], np.concatenate(published[:3])[:, 0], atol=1e-5)
    for output, start in ((built[1], 3), (built[2], 6)):
        np.testing.assert_allclose(output[0], np.concatenate(published[start : start + 3]), atol=1e-5)


def test_a_network_trained_on_bgr_is_given_rgb_all_the_same() -> None:
    net = changed(SCRFD, native_channels="BGR")
    plain = rebuild(scrfd().SerializeToString(), net)
    built = detector_graph(plain, net, net.canvas_px)
    red, blue = (drawn_at(*face, column=1, row=1)[None] for face in ((8, 0), (32, 0)))
    as_trained = runtime(
        detector_graph(rebuild(scrfd().SerializeToString(), SCRFD), SCRFD, SCRFD.canvas_px), image=blue
    )
    np.testing.assert_allclose(runtime(built, image=blue[..., ::-1].copy())[0], as_trained[0], atol=1e-5)
    assert float(runtime(built, image=red)[0].max()) < 0.5


def test_a_network_whose_input_goes_two_ways_cannot_have_its_channels_swapped() -> None:
    net = changed(ARCFACE, native_channels="BGR")
    model = iresnet()
    model.graph.node.append(helper.make_node("Flatten", ["input.1"], ["beside"]))
    with pytest.raises(ModelError, match=r"arcface: expected a convolution behind 'input\.1', found Conv, Flatten"):
        embedder_graph(rebuild(model.SerializeToString(), net), net)


@pytest.mark.parametrize("name", ["pixels", "planes", "vectors", "mean"])
def test_a_name_that_the_preprocessing_has_too_is_said(name: str) -> None:
    model = iresnet()
    for node in model.graph.node:
        node.input[:] = [name if value == "stem.bn" else value for value in node.input]
        node.output[:] = [name if value == "stem.bn" else value for value in node.output]
    with pytest.raises(
        ModelError, match=f"arcface: names {name} are those of the preprocessing; rename them in the file"
    ):
        embedder_graph(rebuild(model.SerializeToString(), ARCFACE), ARCFACE)


def test_an_embedder_that_takes_no_aligned_faces_is_said() -> None:
    model = iresnet()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 160
    with pytest.raises(ModelError, match=r"arcface: takes \['n', 3, 160, 112\], an aligned face is \[n, 3, 112, 112\]"):
        embedder_graph(rebuild(model.SerializeToString(), ARCFACE), ARCFACE)


def test_a_graph_that_is_not_sound_is_said() -> None:
    model = iresnet()
    model.graph.node[0].input[1] = "fc.bias"
    with pytest.raises(ModelError, match="arcface: not a sound graph: "):
        embedder_graph(rebuild(model.SerializeToString(), ARCFACE), ARCFACE)
