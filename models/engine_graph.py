"""Make a graph fit for TensorRT: one picture size, bytes cast first, area averaging, half precision. Knows ONNX only.

The graphs of :mod:`models.graphs` take any picture size; an engine is built for one. With the size known, all shape
arithmetic is a constant, and a picture at least twice too large is averaged before it is scaled, as on a host: linear
scaling alone would look at every third pixel of a 1080p frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from models.manifest import ModelError, Net
from models.runner import Profile

_FLOAT_WHATEVER_COMES = {"Resize": 1}
"""Inputs of an operator, from this index on, that stay as they are in half precision: Resize's roi, scales, sizes."""
_Constants = dict[str, npt.NDArray[np.generic]]


def engine_graph(model: onnx.ModelProto, net: Net, profile: Profile, *, half: bool) -> onnx.ModelProto:
    """A graph that computes what ``model`` does, for pictures of one size.

    Args:
        model: a graph of :mod:`models.graphs`; left as it is.
        net: of the manifest: its input and outputs bound what may be computed in half precision.
        profile: size of the pictures; with more than one at once, the batch stays dynamic.
        half: weights and activations between ``net.input`` and ``net.outputs`` in fp16. Pre- and postprocessing and all
            inputs and outputs stay as they are.

    Raises:
        ModelError: the graph cannot take such pictures.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    _fix_size(made, net, profile)
    _cast_bytes_first(made.graph)
    _fold_shapes(made, net)
    _average_before_scaling(made.graph)
    if half:
        _halve(made.graph, net)
    _drop_unused(made.graph)
    try:
        onnx.checker.check_model(made, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ModelError(f"{net.name}: cannot be fixed to {profile}: {error}") from error
    return made


def _fix_size(model: onnx.ModelProto, net: Net, profile: Profile) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for dim, size in zip(dims[1:3], (profile.height_px, profile.width_px), strict=True):
        if dim.dim_value not in {0, size}:
            raise ModelError(f"{net.name}: takes pictures of {dims[2].dim_value} x {dims[1].dim_value}, not {profile}")
        dim.dim_value = size
    if profile.batch == 1:
        dims[0].dim_value = 1
        for output in model.graph.output:
            output.type.tensor_type.shape.dim[0].dim_value = 1


def _cast_bytes_first(graph: onnx.GraphProto) -> None:
    """TensorRT takes uint8 only into a Cast (NVIDIA/TensorRT #3985): cast, then transpose, instead of the reverse."""
    transpose = _only(graph, "Transpose", "image")
    cast = _only(graph, "Cast", transpose.output[0])
    end = cast.output[0]
    nodes = [node for node in graph.node if node is not cast]
    for node in nodes:
        node.input[:] = ["image_f" if name == "image" else name for name in node.input]
    cast.input[0], cast.output[0], transpose.output[0] = "image", "image_f", end
    _replace_nodes(graph, [cast, *nodes])


def _only(graph: onnx.GraphProto, kind: str, reads: str) -> onnx.NodeProto:
    found = [node for node in graph.node if node.op_type == kind and reads in node.input]
    if len(found) != 1:
        raise ModelError(f"{graph.name}: expected one {kind} that reads '{reads}', found {len(found)}")
    node: onnx.NodeProto = found[0]
    return node


def _fold_shapes(model: onnx.ModelProto, net: Net) -> None:
    """Compute now what depends on the picture's size alone."""
    graph = model.graph
    known: _Constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    image = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
    rest = []
    for node in graph.node:
        if node.op_type == "Shape" and node.input[0] == "image_f" and all(image):
            known[node.output[0]] = np.array(image, np.int64)
        elif all(name in known for name in node.input if name) and node.output[0] != net.input:
            known |= _evaluated(node, known, model.opset_import)
        else:
            rest.append(node)
    _replace_nodes(graph, rest)
    _replace_constants(graph, known)


def _evaluated(node: onnx.NodeProto, known: _Constants, opsets: Sequence[onnx.OperatorSetIdProto]) -> _Constants:
    given = {name: known[name] for name in node.input if name}
    alone = helper.make_graph(
        [node],
        "constant",
        [_value(name, array) for name, array in given.items()],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
    )
    evaluator = ReferenceEvaluator(helper.make_model(alone, opset_imports=opsets))
    return dict(zip(node.output, map(np.asarray, evaluator.run(None, given)), strict=True))


def _value(name: str, array: npt.NDArray[np.generic]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def _average_before_scaling(graph: onnx.GraphProto) -> None:
    """Average by the whole part of the letterbox's ratio, where it divides the picture; drop a Resize left idle."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    sizes = {name: array for name, array in constants.items() if array.ndim == 1 and array.dtype == np.int64}
    resize = next((node for node in graph.node if node.op_type == "Resize" and node.input[-1] in sizes), None)
    height, width = (dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim[1:3])
    if resize is None or len(resize.input) != 4:
        return
    fit_height, fit_width = (int(side) for side in sizes[resize.input[3]][2:])
    factor = min(height // fit_height, width // fit_width)
    if factor > 1 and height % factor == 0 and width % factor == 0:
        averaged = f"{resize.input[0]}_averaged"
        pool = helper.make_node(
            "AveragePool", [resize.input[0]], [averaged], kernel_shape=[factor] * 2, strides=[factor] * 2
        )
        nodes = list(graph.node)
        nodes.insert(nodes.index(resize), pool)
        resize.input[0] = averaged
        _replace_nodes(graph, nodes)
        height, width = height // factor, width // factor
    if (height, width) == (fit_height, fit_width):
        _bypass(graph, resize)


def _bypass(graph: onnx.GraphProto, idle: onnx.NodeProto) -> None:
    nodes = [node for node in graph.node if node.output[0] != idle.output[0]]
    for node in nodes:
        node.input[:] = [idle.input[0] if name == idle.output[0] else name for name in node.input]
    _replace_nodes(graph, nodes)


@dataclass(frozen=True)
class _Inner:
    """The nodes between a net's input and its outputs."""

    nodes: list[onnx.NodeProto]
    made: set[str]


def _inner(graph: onnx.GraphProto, net: Net) -> _Inner:
    made = {net.input}
    inner = []
    for node in graph.node:
        if any(name in made for name in node.input) and not made & set(net.outputs) & set(node.input):
            inner.append(node)
            made |= set(node.output)
    missing = [name for name in net.outputs if name not in made]
    if missing:
        raise ModelError(f"{net.name}: no way from '{net.input}' to {', '.join(missing)}")
    return _Inner(inner, made)


def _halve(graph: onnx.GraphProto, net: Net) -> None:
    """Half precision between the net's input and its outputs, as typed ONNX: for runtimes without an FP16 switch."""
    inner = _inner(graph, net)
    inside = {id(node) for node in inner.nodes}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    halved: _Constants = {}
    for node in inner.nodes:
        keep_from = _FLOAT_WHATEVER_COMES.get(node.op_type, len(node.input))
        for index, name in enumerate(node.input):
            if name == net.input:
                node.input[index] = f"{name}_half"
            elif index < keep_from and name in constants and constants[name].dtype == np.float32:
                halved[f"{name}_half"] = _half(net, name, constants[name])
                node.input[index] = f"{name}_half"
        node.output[:] = [f"{name}_half" if name in net.outputs else name for name in node.output]
    nodes = []
    for node in graph.node:
        nodes.append(node)
        if net.input in node.output:
            nodes.append(helper.make_node("Cast", [net.input], [f"{net.input}_half"], to=TensorProto.FLOAT16))
        nodes += [
            helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT)
            for name in net.outputs
            if id(node) in inside and f"{name}_half" in node.output
        ]
    _replace_nodes(graph, nodes)
    _replace_constants(graph, constants | halved)


def _half(net: Net, name: str, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    largest = float(np.abs(array).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise ModelError(f"{net.name}: '{name}' holds {largest:.3g}, half precision ends at 65504")
    return array.astype(np.float16)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """An empty constant stands for an input that is left out, which ONNX says with no name: TensorRT warns of it."""
    empty = {tensor.name for tensor in graph.initializer if 0 in tensor.dims}
    for node in graph.node:
        node.input[:] = ["" if name in empty else name for name in node.input]
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    _replace_constants(graph, {tensor.name: numpy_helper.to_array(tensor) for tensor in kept})


def _replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    kept = []
    for node in nodes:  # deleting the field would empty the nodes that are still to be used
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        kept.append(copy)
    del graph.node[:]
    graph.node.extend(kept)


def _replace_constants(graph: onnx.GraphProto, constants: _Constants) -> None:
    del graph.initializer[:]
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()
    )
