"""What the simulator promises of TensorRT, on a real one: near fp32, batches that do not mix, frames that stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.backend_tensorrt import TensorRtBackend
from models.cuda import Mapped
from models.engines import EngineRefused
from models.gate import MAX_BATCH_DIFFERENCE, agreement
from models.runner import InPlaceRunner
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision
from models.workshop import build_engine
from tests.models.stage import Pixels, from_left, golden_picture
from tests.models.van import CHIPS, CLOSEUP, graphs

pytestmark = pytest.mark.gpu

SIZES_PX = ((1280, 720), (1920, 1080))


@pytest.fixture(scope="module")
def built(gpu: TensorRtBackend) -> TensorRtBackend:
    """With every engine of a van; each was gated against OpenVINO in f32."""
    for graph, profile in graphs().profiles(SIZES_PX):
        build_engine(gpu, graph, profile, OpenVinoBackend("f32"), lambda what, done, of: None)
    return gpu


@pytest.fixture(scope="module")
def on_gpu(built: TensorRtBackend) -> Vision:
    """Which reproduces the golden vectors."""
    return open_vision(built)


class OnDevice:
    """A picture that lies in memory which the GPU reads."""

    def __init__(self, memory: Mapped) -> None:
        self._memory = memory
        self.shape = memory.array.shape

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": "<u1", "data": (self._memory.pointer, True), "version": 3}


def _twice(picture: Pixels) -> Pixels:
    return picture.repeat(2, axis=0).repeat(2, axis=1)


def test_every_engine_agrees_with_fp32_again_after_it_was_loaded(built: TensorRtBackend) -> None:
    for graph, profile in graphs().profiles(SIZES_PX):
        words = agreement(graph, profile, built.open(graph, profile), OpenVinoBackend("f32").open(graph, profile))
        assert "fp32" in words


def test_a_face_among_others_has_the_template_that_it_has_alone(built: TensorRtBackend) -> None:
    runner = built.open(graphs().embedder, CHIPS)
    faces = np.random.default_rng(0).integers(0, 256, (8, 112, 112, 3)).astype(np.uint8)
    together = np.array(runner.run(faces)[0])
    alone = np.concatenate([np.array(runner.run(faces[index : index + 1])[0]) for index in range(8)])
    np.testing.assert_allclose(together, alone, atol=MAX_BATCH_DIFFERENCE)


def test_a_picture_in_place_is_seen_as_the_copied_one_and_again_and_again(built: TensorRtBackend) -> None:
    runner = built.open(graphs().closeup, CLOSEUP)
    assert isinstance(runner, InPlaceRunner)
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    wanted = [np.array(output) for output in runner.run(picture[None])]
    memory = built.cuda.mapped(picture.shape, np.uint8)
    memory.array[:] = picture
    for _ in range(3):  # enqueued first, then recorded, then launched
        for found, reference in zip(runner.run_in_place(OnDevice(memory)), wanted, strict=True):
            np.testing.assert_allclose(found, reference, atol=1e-5)


def test_a_frame_goes_to_faces_without_a_copy(on_gpu: Vision, built: TensorRtBackend) -> None:
    large = _twice(golden_picture())
    memory = built.cuda.mapped(large.shape, np.uint8)
    memory.array[:] = large
    detector = on_gpu.detector_for(720, 1280, "full")
    found = from_left(detector.detect_in_place(OnDevice(memory)))
    wanted = from_left(detector.detect(large))
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=0.01)


def test_a_changed_power_mode_is_out_of_date(built: TensorRtBackend) -> None:
    other = TensorRtBackend(built.trt, built.cuda, built.store, "15W")
    with pytest.raises(EngineRefused, match="power_mode is none, wanted is 15W"):
        other.open(graphs().closeup, CLOSEUP)
