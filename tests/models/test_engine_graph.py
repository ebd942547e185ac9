"""What TensorRT is given computes what the graph computes, for pictures of one size, in whole and half precision."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

from models.align import chips
from models.built import Graph
from models.detector import Detector
from models.engine_graph import engine_graph
from models.faces import Faces
from models.letterbox import on_canvas
from models.manifest import ModelError
from models.runner import Profile
from tests.models.stage import Golden, Pixels, RuntimeRunner, from_left
from tests.models.van import CHIPS, graphs

HALF_PX = 0.25
HALF_COSINE = 0.9999

SIZES = [(640, 360), (640, 384), (1280, 720), (1920, 1080), (640, 480), (1000, 700)]


class _InMemory(RuntimeRunner):
    def __init__(self, model: onnx.ModelProto) -> None:
        self._fixed = None
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _made(graph: Graph, profile: Profile, *, half: bool) -> onnx.ModelProto:
    return engine_graph(onnx.load(graph.path), graph.net, profile, half=half)


def _found(model: onnx.ModelProto, graph: Graph, picture: Pixels) -> Faces:
    return from_left(Detector(_InMemory(model), graph.canvas_px).detect(picture))


def _kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("size", SIZES)
def test_a_detector_for_one_size_finds_what_the_one_for_any_size_finds(picture: Pixels, size: tuple[int, int]) -> None:
    graph = graphs().detector
    sized = on_canvas(picture, size)[0]
    wanted = _found(onnx.load(graph.path), graph, sized)
    found = _found(_made(graph, Profile(size[1], size[0]), half=False), graph, sized)
    assert len(found) == len(wanted) == 2
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=0.5 * size[0] / 640)
    np.testing.assert_allclose(found.landmarks, wanted.landmarks, atol=0.5 * size[0] / 640)


@pytest.mark.parametrize("size", SIZES)
def test_half_precision_moves_no_box_by_a_pixel(picture: Pixels, size: tuple[int, int]) -> None:
    graph = graphs().detector
    sized, profile = on_canvas(picture, size)[0], Profile(size[1], size[0])
    found, wanted = (_found(_made(graph, profile, half=half), graph, sized) for half in (True, False))
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=HALF_PX)
    np.testing.assert_allclose(found.landmarks, wanted.landmarks, atol=HALF_PX)


def test_half_precision_keeps_the_templates(picture: Pixels, golden: Golden) -> None:
    graph = graphs().embedder
    faces = chips(picture, np.array(golden.landmarks, np.float32))
    half, whole = (_InMemory(_made(graph, CHIPS, half=half)).run(faces)[0] for half in (True, False))
    lengths = [np.linalg.norm(one, axis=1) for one in (half, whole)]
    assert float(((half * whole).sum(1) / lengths[0] / lengths[1]).min()) > HALF_COSINE
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=0.005)


def test_half_precision_is_inside_only() -> None:
    for graph, profile in graphs().profiles(((1280, 720),)):
        half, whole = (_made(graph, profile, half=half) for half in (True, False))
        kinds = [{tensor.data_type for tensor in model.graph.initializer} for model in (half, whole)]
        assert onnx.TensorProto.FLOAT16 in kinds[0]
        assert onnx.TensorProto.FLOAT16 not in kinds[1]
        assert half.graph.input == whole.graph.input
        assert half.graph.output == whole.graph.output
        assert _kinds(half)["Cast"] == _kinds(whole)["Cast"] + 1 + len(graph.net.outputs)


def test_bytes_go_into_a_cast_and_nowhere_else() -> None:
    for graph, profile in graphs().profiles(((1280, 720),)):
        made = _made(graph, profile, half=True)
        assert [node.op_type for node in made.graph.node if "image" in node.input] == ["Cast"]


def test_no_shape_is_left_to_be_computed() -> None:
    graph = graphs().detector
    made = _made(graph, Profile(720, 1280), half=False)
    assert not {"Shape", "Floor", "ReduceMin", "Slice"} & set(_kinds(made))
    assert {tensor.name for tensor in made.graph.initializer} <= {
        name for node in made.graph.node for name in node.input
    }


@pytest.mark.parametrize(
    ("size", "pools", "resizes"),
    [((640, 360), [], 0), ((1280, 720), [2], 0), ((1920, 1080), [3], 0), ((640, 480), [], 1), ((1280, 960), [2], 1)],
)
def test_a_picture_is_averaged_first_and_scaled_only_where_needed(
    size: tuple[int, int], pools: list[int], resizes: int
) -> None:
    graph = graphs().detector
    made = _made(graph, Profile(size[1], size[0]), half=False)
    inside = _kinds(onnx.load(graph.path))["Resize"] - 1  # YuNet scales its own features up, the rest is the letterbox
    kernels = [node.attribute[0].ints[0] for node in made.graph.node if node.op_type == "AveragePool"]
    assert (kernels, _kinds(made)["Resize"] - inside) == (pools, resizes)


def test_a_fine_pattern_is_averaged_and_not_sampled() -> None:
    graph = graphs().detector
    stripes = np.zeros((1080, 1920, 3), np.uint8)
    stripes[:, ::3] = 255  # every third column: sampled, it would be all or nothing
    made = _made(graph, Profile(1080, 1920), half=False)
    made.graph.output.append(onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, 384, 640]))
    seen = _InMemory(made).run(stripes[None])[-1]
    np.testing.assert_allclose(seen[0, :, :360], 85)


def test_one_picture_is_one_and_several_stay_several() -> None:
    one, several = (_made(graphs().embedder, profile, half=True) for profile in (Profile(112, 112), CHIPS))
    first = [model.graph.input[0].type.tensor_type.shape.dim[0] for model in (one, several)]
    assert [dim.dim_value for dim in first] == [1, 0]


def test_the_graph_that_was_given_is_left_as_it_was() -> None:
    graph = graphs().detector
    model = onnx.load(graph.path)
    before = model.SerializeToString(deterministic=True)
    engine_graph(model, graph.net, Profile(720, 1280), half=True)
    assert model.SerializeToString(deterministic=True) == before


def test_a_size_that_the_network_does_not_take_is_refused() -> None:
    with pytest.raises(ModelError, match="sface: takes pictures of 112 x 112, not 128x128"):
        _made(graphs().embedder, Profile(128, 128), half=False)


def test_a_weight_beyond_half_precision_is_refused_by_name() -> None:
    graph = graphs().embedder
    model = onnx.load(graph.path)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "scalar_op1")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.array(1e6, np.float32), bias.name))
    with pytest.raises(ModelError, match=r"sface: 'scalar_op1' holds 1e\+06, half precision ends at 65504"):
        engine_graph(model, graph.net, CHIPS, half=True)


def test_a_graph_without_the_usual_start_is_refused() -> None:
    graph = graphs().embedder
    model = onnx.load(graph.path)
    next(node for node in model.graph.node if node.op_type == "Transpose").op_type = "Identity"
    with pytest.raises(ModelError, match="sface: expected one Transpose that reads 'image', found 0"):
        engine_graph(model, graph.net, CHIPS, half=False)
