"""An engine is built, proven against fp32 and only then used; whatever fails leaves the old one in its place."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.built import FILES, Graph
from models.detector import Detector
from models.engines import EngineRefused
from models.faces import F32
from models.gate import agreement
from models.manifest import ModelError
from models.runner import Profile, Runner
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision
from models.workshop import build_engine, tend
from tests.models.stage import Pixels, from_left
from tests.models.van import CHIPS, CLOSEUP, REFERENCE, VERSIONS, Van, graphs

CAMERA_PX = (1280, 720)


@pytest.fixture(params=VERSIONS)
def any_van(request: pytest.FixtureRequest, tmp_path: Path) -> Van:
    return Van(tmp_path, version=request.param)


@pytest.fixture
def van(tmp_path: Path) -> Van:
    return Van(tmp_path)


def test_every_engine_of_a_van_is_built_proven_and_sees_what_the_host_sees(
    any_van: Van, vision: Vision, picture: Pixels
) -> None:
    for graph, profile in graphs().profiles((CAMERA_PX,)):
        any_van.build(graph, profile)
    on_van = open_vision(any_van.backend)  # which reproduces the golden vectors
    assert (on_van.in_place, on_van.runner) == (True, f"{any_van.backend.name} fp16")
    assert (on_van.digest, on_van.embedder.space) == (vision.digest, vision.embedder.space)
    large = picture.repeat(2, axis=0).repeat(2, axis=1)
    for size in (picture, large):
        found = from_left(on_van.detector_for(size.shape[0], size.shape[1], "full").detect(size))
        wanted = from_left(vision.detector.detect(size))
        np.testing.assert_allclose(found.boxes, wanted.boxes, atol=3)


def test_an_engine_says_what_it_was_built_for_and_how_near_it_is(van: Van) -> None:
    header = van.build(graphs().embedder, CHIPS)
    assert header.origin == van.backend.origin(graphs().embedder, CHIPS)
    assert header.outputs == ("vectors",)
    assert re.fullmatch(r"fp16: cosine (0\.999\d+|1\.0+) with fp32", header.agreement)
    assert van.build(graphs().closeup, CLOSEUP).agreement.endswith("px from fp32")


def test_the_small_canvas_has_engines_of_its_own(van: Van, picture: Pixels) -> None:
    van.equip()
    small = open_vision(van.backend).detector_for(720, 1280, "small")
    assert small.canvas_px == graphs().small.canvas_px
    assert len(small.detect(picture.repeat(2, axis=0).repeat(2, axis=1))) == 2


def test_a_picture_that_fits_the_canvas_needs_no_engine_of_its_own(van: Van, picture: Pixels) -> None:
    van.equip()
    on_van = open_vision(van.backend)
    assert len(on_van.detector_for(360, 640, "full").detect(picture)) == 2


def test_a_camera_of_another_size_is_told_that_nothing_was_built_for_it(van: Van) -> None:
    van.equip()
    on_van = open_vision(van.backend)
    with pytest.raises(EngineRefused, match=r"yunet-1920x1080\.engine: not built yet"):
        on_van.detector_for(1080, 1920, "full")
    on_van.detector_for(720, 1280, "full")


def test_half_precision_that_strays_too_far_gives_way_to_whole(van: Van) -> None:
    van.trt.fp16_error = 0.2
    header = van.build(graphs().embedder, CHIPS)
    reason, whole = header.agreement.split("; ")
    assert reason.startswith("fp16: a template agrees with fp32 to 0.")
    assert reason.endswith("at least 0.999 is required")
    assert re.fullmatch(r"fp32: cosine (0\.9999\d|1\.0+) with fp32", whole)
    assert van.engines.read(van.backend.origin(graphs().embedder, CHIPS)).header == header


def test_a_detector_in_half_precision_that_strays_gives_way_too(van: Van) -> None:
    van.trt.fp16_error = 0.2
    words = van.build(graphs().detector, Profile(384, 640)).agreement
    assert re.fullmatch(r"fp16: (.* is allowed|faces found in .*); fp32: 0\.\d\d px from fp32", words)


class Changed:
    """A runner that answers with a fixed change of another's answers."""

    name = "changed"

    def __init__(self, inner: Runner, change: Callable[[int, F32], F32]) -> None:
        self._inner, self._change = inner, change

    def run(self, images: Pixels) -> list[F32]:
        outputs = self._inner.run(images)
        return [self._change(index, output) for index, output in enumerate(outputs)]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param(
            lambda index, out: out * np.float32(0 if index == 0 else 1), r"\[0, 0, 0\], fp32 finds", id="blind"
        ),
        pytest.param(lambda index, out: out * np.float32("nan"), r"\[0, 0, 0\], fp32 finds", id="not a number"),
        pytest.param(
            lambda index, out: out * np.float32("nan" if index == 2 else 1), "off by nan px", id="landmarks not numbers"
        ),
        pytest.param(
            lambda index, out: out * np.float32(0.9 if index == 0 else 1), r"score differs by 0\.\d+", id="less sure"
        ),
        pytest.param(
            lambda index, out: out + np.float32(0.2 if index == 1 else 0), r"is off by \d+\.\d+ px of fp32", id="boxes"
        ),
        pytest.param(
            lambda index, out: out + np.float32(0.2 if index == 2 else 0),
            r"is off by \d+\.\d+ px of fp32",
            id="landmarks",
        ),
    ],
)
def test_a_detector_that_disagrees_with_fp32_is_refused(change: Callable[[int, F32], F32], complaint: str) -> None:
    graph, profile = graphs().detector, Profile(384, 640)
    reference = REFERENCE.open(graph, profile)
    assert agreement(graph, profile, reference, reference) == "0.00 px from fp32"
    with pytest.raises(ModelError, match=complaint):
        agreement(graph, profile, Changed(reference, change), reference)


def test_a_template_that_is_not_a_number_is_refused() -> None:
    graph = graphs().embedder
    reference = REFERENCE.open(graph, CHIPS)
    with pytest.raises(ModelError, match=r"agrees with fp32 to nan, at least 0\.999"):
        agreement(graph, CHIPS, Changed(reference, lambda index, out: out * np.float32("nan")), reference)


def test_a_template_of_another_length_is_refused() -> None:
    """It would say of every face that more of it was seen than was."""
    graph = graphs().embedder
    reference = OpenVinoBackend("f32").open(graph, CHIPS)
    with pytest.raises(ModelError, match=r"a template's length differs by 10\.0% from fp32's, at most 5%"):
        agreement(graph, CHIPS, Changed(reference, lambda index, out: out * np.float32(1.1)), reference)


def test_an_embedder_that_mixes_a_batch_is_refused() -> None:
    graph = graphs().embedder
    reference = REFERENCE.open(graph, CHIPS)

    def mixing(index: int, out: F32) -> F32:
        return out + np.float32(0.01) * np.roll(out, 1, axis=0) * np.float32(len(out) > 1)

    with pytest.raises(ModelError, match=r"a face among 8 differs by 0\.\d+ from itself alone, at most 0\.001"):
        agreement(graph, CHIPS, Changed(reference, mixing), reference)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Graphs that may be changed."""
    shutil.copytree(FILES, tmp_path / "files", ignore=shutil.ignore_patterns("*-fp32.onnx"))
    return tmp_path / "files"


def test_a_build_that_fails_leaves_the_old_engine(van: Van, files: Path) -> None:
    graph = graphs(files).closeup
    van.build(graph, CLOSEUP)
    before = (van.engines.folder / "yunet-closeup-128x128.engine").read_bytes()
    model = onnx.load(graph.path)
    next(node for node in model.graph.node if "input" in node.input).op_type = "Daydream"
    onnx.save(model, graph.path)
    with pytest.raises(ModelError, match="yunet: cannot be fixed to 128x128: No Op registered for Daydream"):
        van.build(graph, CLOSEUP)
    assert (van.engines.folder / "yunet-closeup-128x128.engine").read_bytes() == before


def test_an_engine_that_the_gate_refuses_leaves_the_old_one(van: Van) -> None:
    graph = graphs().embedder
    van.build(graph, CHIPS)
    before = van.engines.read(van.backend.origin(graph, CHIPS)).plan

    class Disagreeing:
        name, in_place, any_size = "another", False, True

        def open(self, graph: Graph, profile: Profile | None = None) -> Changed:
            return Changed(REFERENCE.open(graph, profile), lambda index, out: -out)

    with pytest.raises(ModelError, match=r"fp16: a template .*; fp32: a template .*; the old engine stays"):
        build_engine(van.backend, graph, CHIPS, Disagreeing(), lambda what, done, of: None)
    assert van.engines.read(van.backend.origin(graph, CHIPS)).plan == before


def test_too_little_memory_for_the_proof_leaves_the_old_engine(van: Van) -> None:
    graph = graphs().closeup
    van.build(graph, CLOSEUP)
    van.trt.out_of_memory = True
    with pytest.raises(ModelError, match="OutOfMemory"):
        van.build(graph, CLOSEUP)
    van.engines.read(van.backend.origin(graph, CLOSEUP))


def test_a_second_build_of_the_same_layers_uses_the_timings_of_the_first(van: Van) -> None:
    van.build(graphs().closeup, CLOSEUP)
    van.build(graphs().closeup, CLOSEUP)
    assert van.trt.timings_used == [False, True]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"version": "10.16.2"}, "out of date: tensorrt is TensorRT 10.3.0", id="TensorRT"),
        pytest.param({"gpu": "Thor"}, "out of date: gpu is Orin", id="GPU"),
        pytest.param({"power_mode": "40W"}, "out of date: power_mode is 25W", id="power mode"),
        pytest.param({"precision": "fp32"}, "out of date: precision is fp16", id="precision"),
        pytest.param({"key": bytes(32)}, "not built by this device", id="key"),
    ],
)
def test_a_changed_van_refuses_its_old_engines(van: Van, change: dict[str, Any], complaint: str) -> None:
    graph = graphs().closeup
    van.build(graph, CLOSEUP)
    changed = dataclasses.replace(van, **change)
    with pytest.raises(EngineRefused, match=complaint):
        changed.backend.open(graph, CLOSEUP)
    changed.build(graph, CLOSEUP)
    assert changed.backend.open(graph, CLOSEUP).name.startswith(changed.backend.name)


def test_an_engine_that_is_ours_and_does_not_load_is_built_anew(van: Van) -> None:
    graph = graphs().closeup
    header = van.build(graph, CLOSEUP)
    van.engines.write(header, b"a plan of another driver")
    state = tend(van.backend, graph, CLOSEUP, REFERENCE, lambda what, done, of: None)
    assert (state.usable, state.built) == (True, True)
    assert "could not load the engine" in state.refused
    van.backend.open(graph, CLOSEUP)


def test_a_runner_says_what_precision_it_came_to(van: Van) -> None:
    van.trt.fp16_error = 0.2
    assert van.build(graphs().embedder, CHIPS).precision == "fp32"
    assert van.backend.open(graphs().embedder, CHIPS).name == "TensorRT 10.3.0 fp32"


def test_a_van_without_engines_does_not_open(van: Van) -> None:
    with pytest.raises(EngineRefused, match="not built yet"):
        open_vision(van.backend)


def test_an_engine_is_not_asked_for_without_a_size(van: Van) -> None:
    with pytest.raises(EngineRefused, match="yunet: an engine takes pictures of one size, and none was named"):
        van.backend.open(graphs().detector)


def test_a_detector_on_the_processor_reads_nothing_on_a_device(vision: Vision) -> None:
    detector = Detector(OpenVinoBackend().open(graphs().closeup, CLOSEUP), (128, 128))
    with pytest.raises(ModelError, match=r"OpenVINO .* reads no pictures on a device"):
        detector.detect_in_place(np.zeros((128, 128, 3), np.uint8))  # type: ignore[arg-type]
