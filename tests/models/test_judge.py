"""The judge of networks that are brought: it says what OpenCV says of the shipped ones."""

from __future__ import annotations

import numpy as np
import pytest

from models.golden import Answers, DetectorFigures, EmbedderFigures, Figures, verify
from models.judge import MOST_ANSWERS, figures_of
from models.manifest import Manifest, ModelError, Net, sha256_of
from models.vision import Vision
from tests.models.published import ARCFACE, FACES, SCRFD, drawn_at, expected_face, iresnet, scrfd
from tests.models.reference import FILES
from tests.models.stage import Golden, Pixels, called, changed, scene

OPENCV_PX = 0.02
"""Its figures are stored with three digits."""


@pytest.fixture(scope="module")
def landmarks(golden: Golden) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(golden.landmarks, np.float32)


def _faces(net: Net, data: bytes, picture: Pixels) -> DetectorFigures:
    figures = figures_of(net, data, picture, np.zeros((0, 5, 2), np.float32))
    assert isinstance(figures, DetectorFigures)
    return figures


def _templates(net: Net, data: bytes, picture: Pixels, landmarks: object) -> EmbedderFigures:
    figures = figures_of(net, data, picture, np.asarray(landmarks, np.float32))
    assert isinstance(figures, EmbedderFigures)
    return figures


def test_it_finds_what_opencv_finds(manifest: Manifest, picture: Pixels, golden: Golden) -> None:
    figures = _faces(manifest.one("detector"), (FILES / "yunet-fp32.onnx").read_bytes(), picture)
    order = np.argsort(np.array(figures.boxes)[:, 0])
    np.testing.assert_allclose(np.array(figures.boxes)[order], golden.boxes, atol=OPENCV_PX)
    np.testing.assert_allclose(np.array(figures.landmarks)[order], golden.landmarks, atol=OPENCV_PX)


def test_it_embeds_as_the_reference_does(manifest: Manifest, picture: Pixels, golden: Golden) -> None:
    data = (FILES / "sface-fp32.onnx").read_bytes()
    figures = _templates(manifest.one("embedder"), data, picture, golden.landmarks)
    for found, wanted in [(figures.vectors, golden.vectors), (figures.vectors_mirrored, golden.vectors_mirrored)]:
        assert float((np.array(found) * np.array(wanted)).sum(1).min()) > 0.9995  # Pillow's chips beside OpenCV's


def test_what_it_says_of_the_shipped_networks_is_reproduced(
    manifest: Manifest, picture: Pixels, golden: Golden, vision: Vision
) -> None:
    nets = [(called(manifest, name), (FILES / f"{name}-fp32.onnx").read_bytes()) for name in ("yunet", "sface")]
    faces, templates = _faces(*nets[0], picture), _templates(*nets[1], picture, golden.landmarks)
    assert len(faces.answers.scores) == MOST_ANSWERS
    verify(vision.detector, vision.embedder, Figures(faces, templates))


@pytest.mark.parametrize(
    ("boxes_px", "landmarks_px", "odds"),
    [
        pytest.param(40, 0, 1, id="another box"),
        pytest.param(0, 40, 1, id="other landmarks"),
        pytest.param(0, 0, 0.3, id="another score"),
    ],
)
def test_a_strongest_answer_that_is_not_found_again_is_said(
    manifest: Manifest, picture: Pixels, vision: Vision, boxes_px: float, landmarks_px: float, odds: float
) -> None:
    net = manifest.one("detector")
    figures = _faces(net, (FILES / "yunet-fp32.onnx").read_bytes(), picture)
    found = figures.answers.faces()
    scores = found.scores * odds / (1 - found.scores + found.scores * odds)
    answers = Answers(
        (found.boxes + np.float32(boxes_px)).tolist(),
        (found.landmarks + np.float32(landmarks_px)).tolist(),
        scores.tolist(),
    )
    shipped = Figures.load(net, manifest.one("embedder"))
    other = DetectorFigures(figures.boxes, figures.landmarks, answers)
    with pytest.raises(ModelError, match=r"golden vectors: no answer like the expected \[.*\] of score 0\.\d+"):
        verify(vision.detector, vision.embedder, Figures(other, shipped.embedder))


@pytest.mark.parametrize(("stride", "anchor"), FACES)
@pytest.mark.parametrize("batch", ["one", "any"])
def test_it_finds_a_made_detectors_faces_where_they_are(stride: int, anchor: int, batch: str) -> None:
    data = scrfd("one" if batch == "one" else "any").SerializeToString()
    figures = _faces(SCRFD, data, drawn_at(stride, anchor, column=1, row=2))
    wanted = expected_face(stride, anchor, column=1, row=2)
    np.testing.assert_allclose(np.array(figures.boxes), wanted.boxes, atol=1e-3)
    np.testing.assert_allclose(np.array(figures.landmarks), wanted.landmarks, atol=1e-3)
    assert figures.made_from == sha256_of(data)


def test_the_strongest_answers_are_told_where_there_is_no_face() -> None:
    figures = _faces(SCRFD, scrfd().SerializeToString(), np.full((96, 160, 3), 90, np.uint8))
    assert figures.boxes == []
    assert len(figures.answers.scores) == MOST_ANSWERS
    assert max(figures.answers.scores) < 0.5


def test_it_scales_a_picture_that_is_not_of_the_canvas_as_the_graphs_do(manifest: Manifest, vision: Vision) -> None:
    large = scene(1280, 720, 1.4, 301, 177)
    figures = _faces(manifest.one("detector"), (FILES / "yunet-fp32.onnx").read_bytes(), large)
    found = vision.detector.detect(large)
    assert len(found) == len(figures.boxes) == 2
    np.testing.assert_allclose(np.sort(found.boxes, axis=0), np.sort(np.array(figures.boxes), axis=0), atol=6)


def test_it_takes_the_manifests_word_for_how_a_network_is_fed(picture: Pixels, golden: Golden) -> None:
    data = iresnet().SerializeToString()
    right = np.array(_templates(ARCFACE, data, picture, golden.landmarks).vectors)
    for net in (changed(ARCFACE, native_channels="BGR"), changed(ARCFACE, mean=0.0), changed(ARCFACE, std=64.0)):
        other = np.array(_templates(net, data, picture, golden.landmarks).vectors)
        assert float((right * other).sum(1).min()) < 0.999


def test_a_file_that_onnx_runtime_does_not_take_is_named(
    published: dict[str, bytes], picture: Pixels, manifest: Manifest
) -> None:
    with pytest.raises(ModelError, match="yunet: ONNX Runtime does not take it: "):
        _faces(called(manifest, "yunet"), published["yunet"], picture)
