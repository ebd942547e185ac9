"""The real thing as far as it goes without a GPU: TensorRT for RTX parses our graphs and builds them into plans.

It cannot run them: that is what the tests in ``tests/device`` are for.
"""

from __future__ import annotations

from ctypes.util import find_library
from typing import Any

import numpy as np
import onnx
import pytest

from models.built import Graph
from models.cuda import Cuda
from models.engine_graph import engine_graph
from models.manifest import ModelError
from models.plan import Built, Order, build, wants_typed_graph
from models.runner import Profile
from models.runner_tensorrt import TensorRtRunner, load_tensorrt, name_of
from tests.models.cudart_simulator import SimulatedCudart
from tests.models.van import CHIPS, CLOSEUP, graphs

CAMERAS_PX = ((1280, 720), (1920, 1080), (640, 480))
ALL = [pytest.param(graph, profile, id=f"{graph.name} {profile}") for graph, profile in graphs().profiles(CAMERAS_PX)]


@pytest.fixture(scope="module")
def trt() -> Any:
    """The wheels of requirements/tensorrt.lock."""
    try:
        return load_tensorrt((("tensorrt_rtx_libs", "tensorrt_rtx_bindings"),))
    except ModelError as error:
        pytest.skip(f"{error} (requirements/tensorrt.lock)")


def _build(trt: Any, graph: Graph, profile: Profile, *, half: bool = True) -> Built:
    made = engine_graph(onnx.load(graph.path), graph.net, profile, half=half)
    return build(trt, Order(made.SerializeToString(), profile, fp16=half))


def test_it_is_asked_for_typed_graphs(trt: Any) -> None:
    assert wants_typed_graph(trt)
    assert name_of(trt).startswith("TensorRT-RTX 1.")


@pytest.mark.parametrize(("graph", "profile"), ALL)
def test_every_graph_of_a_van_builds_in_half_precision(trt: Any, graph: Graph, profile: Profile) -> None:
    plan = _build(trt, graph, profile).plan
    weights = sum(len(tensor.raw_data) for tensor in onnx.load(graph.path).graph.initializer)
    assert weights // 2 < len(plan) < weights // 2 + 4_000_000


def test_whole_precision_builds_too_and_is_larger(trt: Any) -> None:
    sizes = [len(_build(trt, graphs().embedder, CHIPS, half=half).plan) for half in (True, False)]
    assert sizes[1] > 1.5 * sizes[0]


def test_the_graph_as_it_is_on_a_host_is_refused_for_its_first_node(trt: Any) -> None:
    with pytest.raises(ModelError, match=r"cannot read the graph: .*input has type UInt8"):
        build(trt, Order(graphs().closeup.path.read_bytes(), CLOSEUP, fp16=True))


@pytest.mark.parametrize("profile", [Profile(256, 128), Profile(128, 128, 8)])
def test_a_profile_that_the_graph_does_not_cover_is_refused(trt: Any, profile: Profile) -> None:
    fixed = engine_graph(onnx.load(graphs().closeup.path), graphs().closeup.net, CLOSEUP, half=True)
    with pytest.raises(ModelError, match=r"the graph takes \(1, 128, 128, 3\), the profile .* asks for \("):
        build(trt, Order(fixed.SerializeToString(), profile, fp16=True))


def test_a_build_reports_its_steps(trt: Any) -> None:
    steps: list[tuple[str, int, int]] = []
    fixed = engine_graph(onnx.load(graphs().closeup.path), graphs().closeup.net, CLOSEUP, half=True)
    build(trt, Order(fixed.SerializeToString(), CLOSEUP, fp16=True), progress=lambda *step: steps.append(step))
    assert {what for what, _, _ in steps} == {"Building engine"}
    assert all(0 <= done <= of for _, done, of in steps)


@pytest.mark.parametrize("plan", [b"", b"nonsense", bytes(100_000)])
def test_what_is_no_plan_is_refused_in_its_words(trt: Any, plan: bytes) -> None:
    with pytest.raises(ModelError, match=r"TensorRT-RTX .* could not load the engine: .*Error"):
        TensorRtRunner(trt, Cuda(SimulatedCudart()), plan, CLOSEUP, ("scores",))


@pytest.mark.skipif(find_library("cuda") is not None, reason="this machine has a CUDA driver")
def test_without_a_driver_a_good_plan_is_refused_for_it(trt: Any) -> None:
    plan = _build(trt, graphs().closeup, CLOSEUP).plan
    with pytest.raises(ModelError, match="CUDA driver version is insufficient"):
        TensorRtRunner(trt, Cuda(SimulatedCudart()), plan, CLOSEUP, ("scores", "boxes", "landmarks"))


def test_it_agrees_with_numpy_on_types(trt: Any) -> None:
    assert np.dtype(trt.nptype(trt.DataType.UINT8)) == np.uint8
    assert np.dtype(trt.nptype(trt.DataType.FLOAT)) == np.float32
