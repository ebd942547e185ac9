"""The networks of one run: bound to their bytes by a digest, and opened only when they are proven."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from models.built import BUILT
from models.manifest import Manifest, ModelError, sha256_of
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision
from tests.models.reference import FILES
from tests.models.stage import Golden, Pixels, changed, from_left, scene


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the built graphs, to be tampered with."""
    shutil.copytree(FILES, tmp_path / "files", ignore=shutil.ignore_patterns("*-fp32.onnx"))
    return tmp_path / "files"


def _rebuilt_otherwise(files: Path, name: str, note: str) -> None:
    """Another graph under this name, properly recorded: same figures, other bytes."""
    model = onnx.load(files / name)
    model.doc_string = note
    onnx.save(model, files / name)
    hashes = msgspec.json.decode((files / BUILT).read_bytes(), type=dict[str, str])
    hashes[name] = sha256_of((files / name).read_bytes())
    (files / BUILT).write_bytes(msgspec.json.encode(hashes))


def test_the_same_bytes_have_the_same_digest(vision: Vision, files: Path) -> None:
    again = open_vision(OpenVinoBackend(), files=files)
    assert (again.digest, again.embedder.space) == (vision.digest, vision.embedder.space)


def test_another_embedder_is_another_space(vision: Vision, files: Path) -> None:
    _rebuilt_otherwise(files, "sface.onnx", "another")
    other = open_vision(OpenVinoBackend(), files=files)
    assert other.embedder.space != vision.embedder.space
    assert other.digest != vision.digest


def test_another_detector_is_another_model_and_the_same_space(vision: Vision, files: Path) -> None:
    _rebuilt_otherwise(files, "yunet.onnx", "another")
    other = open_vision(OpenVinoBackend(), files=files)
    assert other.embedder.space == vision.embedder.space
    assert other.digest != vision.digest


def test_a_graph_that_changed_since_is_refused(files: Path) -> None:
    model = onnx.load(files / "sface.onnx")
    model.doc_string = "another"
    onnx.save(model, files / "sface.onnx")
    with pytest.raises(ModelError, match=r"sface\.onnx: sha256 is"):
        open_vision(OpenVinoBackend(), files=files)


def test_a_graph_that_does_not_reproduce_the_golden_vectors_is_refused(files: Path) -> None:
    model = onnx.load(files / "sface.onnx")
    planes = next(node for node in model.graph.node if "planes" in node.output)
    planes.attribute[0].ints[:] = [0, 3, 2, 1]
    onnx.save(model, files / "sface.onnx")
    _rebuilt_otherwise(files, "sface.onnx", "recorded, and wrong")
    with pytest.raises(ModelError, match=r"golden vectors: a template agrees to"):
        open_vision(OpenVinoBackend(), files=files)


def test_a_manifest_of_another_canvas_than_the_graph_is_refused(manifest: Manifest, files: Path) -> None:
    other = Manifest((changed(manifest.one("detector"), canvas_px=(320, 192)), manifest.one("embedder")))
    with pytest.raises(ModelError, match=r"canvas \(320, 192\) has 1260 anchors"):
        open_vision(OpenVinoBackend(), other, files)


def test_a_detector_for_one_size_takes_that_size_only(picture: Pixels, vision: Vision) -> None:
    detector = vision.detector_for(360, 640, "full")
    assert len(detector.detect(picture)) == 2
    with pytest.raises(ModelError, match=r"expected \[1,360,640,3\] uint8, got \(1, 359, 640, 3\)"):
        detector.detect(picture[1:])


def test_a_second_look_finds_the_landmarks_of_a_small_face_better(vision: Vision, golden: Golden) -> None:
    picture = scene(1920, 1080, 0.7, 900, 500)
    wanted = np.array(golden.landmarks) * 0.7 + (900, 500)
    faces = from_left(vision.detector.detect(picture))
    refined = vision.closeup.refine(picture, faces.boxes, faces.landmarks)
    assert float(np.abs(refined - wanted).mean()) < float(np.abs(faces.landmarks - wanted).mean())
    assert float(np.abs(refined - wanted).max()) < 4


def test_where_a_second_look_finds_no_face_the_first_stays(vision: Vision, golden: Golden) -> None:
    empty = np.full((360, 640, 3), 90, np.uint8)
    landmarks = np.array(golden.landmarks, np.float32)
    refined = vision.closeup.refine(empty, np.array(golden.boxes, np.float32), landmarks)
    np.testing.assert_array_equal(refined, landmarks)
