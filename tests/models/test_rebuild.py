"""From a published file to a plain graph: the weights against ONNX's own reference, the form against our rules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from models.faces import F32
from models.manifest import Manifest, ModelError
from models.rebuild import rebuild
from tests.models.published import ARCFACE, SCRFD, Batch, iresnet, scrfd
from tests.models.reference import FILES
from tests.models.stage import TINY, called, changed, runtime, some_blocks, tiny_net


def _tensors(model: onnx.ModelProto) -> dict[str, F32]:
    return {tensor.name: np.asarray(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}


def _weights_by_onnx(data: bytes, names: set[str]) -> dict[str, F32]:
    """The published file's weights as ONNX's reference implementation computes them."""
    graph = onnx.load_from_string(data).graph
    nodes = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    nodes += [
        node for node in graph.node if node.op_type == "Reshape" and node.input[0] in {n.output[0] for n in nodes}
    ]
    wanted = sorted(names & {name for node in nodes for name in node.output})
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted]
    weights = helper.make_graph(nodes, "weights", [], outputs, graph.initializer)
    model = helper.make_model(weights, opset_imports=[helper.make_opsetid("", 21)])
    return dict(zip(wanted, ReferenceEvaluator(model).run(None, {}), strict=True))


@pytest.mark.parametrize(("name", "at_least"), [("yunet", 60), ("sface", 28)])
def test_weights_are_those_of_onnx_own_reference(
    name: str, at_least: int, manifest: Manifest, published: dict[str, bytes]
) -> None:
    net = called(manifest, name)
    tensors = _tensors(rebuild(published[name], net))
    expected = _weights_by_onnx(published[name], set(tensors))
    assert len(expected) >= at_least
    for tensor, values in expected.items():
        np.testing.assert_array_equal(tensors[tensor], values, err_msg=tensor)


@pytest.mark.parametrize(("axis", "size"), [(0, 1), (0, 3), (0, 4), (1, 2), (1, 3)])
def test_blocks_of_any_axis_and_a_smaller_last_one(axis: int, size: int) -> None:
    blocks = some_blocks(axis, size)
    model = rebuild(tiny_net(blocks).SerializeToString(), TINY)
    for row, column in np.ndindex(*blocks.values.shape):
        block = (row // size, column) if axis == 0 else (row, column // size)
        wanted = (int(blocks.values[row, column]) - int(blocks.zeros[block])) * blocks.scales[block]
        assert _tensors(model)["w"][row, column] == pytest.approx(float(wanted), rel=1e-6)


def test_the_plain_graph_has_one_input_and_nothing_to_fold() -> None:
    model = rebuild(tiny_net(some_blocks(0, 2)).SerializeToString(), TINY)
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["x"]
    assert [node.op_type for node in model.graph.node] == ["MatMul", "Reshape"]
    assert model.opset_import[0].version == 17
    assert {tensor.name for tensor in model.graph.initializer} == {"w", "row"}


def test_a_batch_does_not_mix_its_rows() -> None:
    model = rebuild(tiny_net(some_blocks(1, 2)).SerializeToString(), TINY)
    batch = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    (together,) = runtime(model, x=batch)
    (alone,) = runtime(model, x=batch[1:2])
    np.testing.assert_allclose(together, batch @ _tensors(model)["w"], rtol=1e-5)
    np.testing.assert_allclose(alone, together[1:2], rtol=1e-6)


@pytest.mark.parametrize("name", ["yunet", "sface"])
def test_the_real_graphs_keep_the_rules(name: str, manifest: Manifest, published: dict[str, bytes]) -> None:
    net = called(manifest, name)
    model = rebuild(published[name], net)
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == [net.input]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"
    assert [value.name for value in model.graph.output] == list(net.outputs)
    assert not {node.op_type for node in model.graph.node} & {"DequantizeLinear", "Dropout", "Constant"}
    assert {tensor.data_type for tensor in model.graph.initializer} <= {TensorProto.FLOAT, TensorProto.INT64}


def test_rebuilding_what_was_rebuilt_changes_nothing(manifest: Manifest) -> None:
    once = (FILES / "yunet-fp32.onnx").read_bytes()
    assert rebuild(once, manifest.one("detector")).SerializeToString(deterministic=True) == once


@pytest.mark.parametrize(("name", "size"), [("yunet", (96, 160)), ("sface", (112, 112))])
def test_a_picture_alone_gives_what_it_gives_among_others(name: str, size: tuple[int, int], manifest: Manifest) -> None:
    net = called(manifest, name)
    pictures = np.random.default_rng(1).uniform(0, 255, (3, 3, *size)).astype(np.float32)
    together = runtime(FILES / f"{name}-fp32.onnx", **{net.input: pictures})
    alone = runtime(FILES / f"{name}-fp32.onnx", **{net.input: pictures[2:]})
    for many, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, many[2:], atol=2e-4)


def _spoil_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        node.input[:] = ["picture" if name == "x" else name for name in node.input]


def _spoil_output(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = model.graph.output[0].name = "other"


def _hide_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "product"


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (_spoil_input, r"tiny: expected the input 'x', found \['picture'\]"),
        (_spoil_output, "tiny: no output y"),
        (_hide_output, "tiny: no output y"),
    ],
)
def test_another_graph_than_the_manifests_is_named(spoil: Callable[[onnx.ModelProto], None], complaint: str) -> None:
    model = tiny_net(some_blocks(0, 2))
    spoil(model)
    with pytest.raises(ModelError, match=complaint):
        rebuild(model.SerializeToString(), TINY)


def test_every_missing_output_is_named(manifest: Manifest) -> None:
    net = manifest.one("detector")
    net = changed(net, outputs=(*net.outputs[:-2], "age", "mood"))
    with pytest.raises(ModelError, match="yunet: no output age, mood"):
        rebuild((FILES / "yunet-fp32.onnx").read_bytes(), net)


@pytest.mark.parametrize("data", [b"", b"not a network", bytes(1000), b"\xff" * 64])
def test_what_is_no_onnx_file_is_said(data: bytes) -> None:
    with pytest.raises(ModelError, match="tiny: "):
        rebuild(data, TINY)


def test_half_an_onnx_file_is_said(manifest: Manifest) -> None:
    whole = (FILES / "yunet-fp32.onnx").read_bytes()
    with pytest.raises(ModelError, match="yunet: not an ONNX file"):
        rebuild(whole[: len(whole) // 2], manifest.one("detector"))


@pytest.mark.parametrize("opset", [8, 11, 13, 17, 18, 21])
@pytest.mark.parametrize("batch", ["one", "any"])
def test_a_brought_embedder_of_any_opset_computes_what_it_did(batch: Batch, opset: int) -> None:
    published = iresnet(batch, opset=opset, as_inputs=opset == 8)
    model = rebuild(published.SerializeToString(), ARCFACE)
    faces = np.random.default_rng(0).uniform(-1, 1, (2, 3, 112, 112)).astype(np.float32)
    wanted = np.concatenate([runtime(published, **{"input.1": faces[i : i + 1]})[0] for i in range(2)])
    np.testing.assert_allclose(runtime(model, **{"input.1": faces})[0], wanted, atol=1e-4)
    assert model.opset_import[0].version == 17
    assert [value.name for value in model.graph.input] == ["input.1"]


@pytest.mark.parametrize("as_inputs", [False, True])
def test_a_detector_for_one_picture_takes_several_and_answers_as_before(*, as_inputs: bool) -> None:
    published = scrfd()
    model = rebuild(scrfd(as_inputs=as_inputs).SerializeToString(), SCRFD)
    pictures = np.random.default_rng(0).uniform(-1, 1, (3, 3, 64, 96)).astype(np.float32)
    together = runtime(model, **{"input.1": pictures})
    for index in range(3):
        alone = runtime(published, **{"input.1": pictures[index : index + 1]})
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many[index], one, atol=1e-5)
    assert [output.shape[1:] for output in together] == [(n, k) for k in (1, 4, 10) for n in (192, 48, 12)]


def test_a_size_that_was_said_with_an_empty_constant_is_said_without() -> None:
    graph = rebuild(scrfd().SerializeToString(), SCRFD).graph
    assert {tuple(node.input)[1:3] for node in graph.node if node.op_type == "Resize"} == {("", "")}
    assert "none" not in {tensor.name for tensor in graph.initializer}


def test_cells_that_somebody_else_reads_too_are_left_in_their_order() -> None:
    model = scrfd()
    model.graph.node.append(helper.make_node("Identity", ["448.cells"], ["kept"]))
    nodes = {node.output[0]: node for node in rebuild(model.SerializeToString(), SCRFD).graph.node}
    assert list(nodes["448.cells"].attribute[0].ints) == [2, 3, 0, 1]
    assert list(nodes["451.cells"].attribute[0].ints) == [0, 2, 3, 1]


def _odd_operator(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "PRelu").op_type = "NonMaxSuppression"
    next(node for node in model.graph.node if node.op_type == "PRelu").op_type = "If"


def _odd_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def _half_precision(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def _weights_elsewhere(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def _opset_from_the_future(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


def _opset_from_the_past(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 3


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        pytest.param(_odd_operator, "If, NonMaxSuppression: not among what all runtimes take", id="operator"),
        pytest.param(_odd_domain, r"com\.microsoft\.Conv: not among what all runtimes take", id="domain"),
        pytest.param(_half_precision, "its input is FLOAT16, not FLOAT; export it as fp32", id="half precision"),
        pytest.param(_weights_elsewhere, "its weights lie in another file; save it as one", id="weights elsewhere"),
        pytest.param(_opset_from_the_future, "opset 999 cannot be made 17: .*; export it as 17", id="future"),
        pytest.param(_opset_from_the_past, "opset 3 cannot be made 17: .*; export it as 17", id="past"),
    ],
)
def test_what_cannot_be_made_to_run_everywhere_is_refused(
    spoil: Callable[[onnx.ModelProto], None], complaint: str
) -> None:
    model = iresnet(opset=17)
    spoil(model)
    with pytest.raises(ModelError, match=f"arcface: {complaint}"):
        rebuild(model.SerializeToString(), ARCFACE)


def test_a_detector_that_takes_no_planes_is_refused() -> None:
    model = scrfd()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 640
    with pytest.raises(ModelError, match=r"scrfd: its input is \[1, 640, 0, 0\], not \[n, 3, height, width\]"):
        rebuild(model.SerializeToString(), SCRFD)
