"""Turn a published ONNX file into the plain fp32 graph that every runner takes. Knows ONNX; not what a net is for.

OpenCV Zoo's int8bq files store weights as blocks of int8 with a scale each (DequantizeLinear with ``block_size``, ONNX
opset 21), which ONNX Runtime and TensorRT refuse. All of it is arithmetic on constants, so it is done here, once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from models.manifest import ModelError, Net

OPSET = 17
"""Low enough for TensorRT 8.6, and below the GridSample and strong-typing traps of newer ones."""
Constants = dict[str, npt.NDArray[np.generic]]


def rebuild(data: bytes, net: Net) -> onnx.ModelProto:
    """A checked graph with fp32 initialisers, one dynamic-batch input and the manifest's outputs.

    Raises:
        ModelError: not an ONNX file, or not the graph that the manifest describes.
    """
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf's DecodeError has no stable public name
        raise ModelError(f"{net.name}: not an ONNX file: {error}") from error
    graph = model.graph
    constants: Constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = _without_dropout(_evaluate_constants(list(graph.node), constants))
    _free_batch(nodes, constants)
    used = {name for node in nodes for name in node.input}
    inputs = [value for value in graph.input if value.name in used and value.name not in constants]
    produced = {name for node in nodes for name in node.output}
    widths = {value.name: _shape(value)[-1] for value in graph.output if value.name in produced}
    _check_names(net, [value.name for value in inputs], set(widths))

    shape = _shape(inputs[0])
    rebuilt = helper.make_graph(
        nodes,
        net.name,
        [_value(net.input, _input_shape(net, shape))],
        [_output(net, name, widths[name]) for name in net.outputs],
        [_tensor(name, array) for name, array in constants.items() if name in used],
    )
    return helper.make_model(rebuilt, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _tensor(name: str, array: npt.NDArray[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(array), name)


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _output(net: Net, name: str, width: int) -> onnx.ValueInfoProto:
    shape: list[str | int | None] = ["n", f"{name}_anchors", width] if net.role == "detector" else ["n", width]
    return _value(name, shape)


def _value(name: str, shape: list[str | int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _input_shape(net: Net, shape: list[int]) -> list[str | int | None]:
    """A detector is convolutional and takes any height and width; an embedder's are fixed by its last layer."""
    return ["n", shape[1], "height", "width"] if net.role == "detector" else ["n", *shape[1:]]


def _check_names(net: Net, inputs: list[str], outputs: set[str]) -> None:
    if inputs != [net.input]:
        raise ModelError(f"{net.name}: expected the input '{net.input}', found {inputs}")
    missing = [name for name in net.outputs if name not in outputs]
    if missing:
        raise ModelError(f"{net.name}: no output {', '.join(missing)}")


def _evaluate_constants(nodes: list[onnx.NodeProto], constants: Constants) -> list[onnx.NodeProto]:
    """Fold Constant, DequantizeLinear and Reshape nodes whose inputs are known into ``constants``; return the rest."""
    rest = []
    for node in nodes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        known = all(name in constants for name in node.input)
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
        elif node.op_type == "DequantizeLinear" and known:
            quantised, scale, zero = (constants[name] for name in node.input)
            axis, block = attributes["axis"], attributes["block_size"]
            constants[node.output[0]] = _dequantise(quantised, scale, zero, axis, block)
        elif node.op_type == "Reshape" and known:
            data, shape = (constants[name] for name in node.input)
            constants[node.output[0]] = data.reshape(shape.astype(np.int64).tolist())
        else:
            rest.append(node)
    return rest


def _dequantise(
    quantised: npt.NDArray[np.generic],
    scale: npt.NDArray[np.generic],
    zero: npt.NDArray[np.generic],
    axis: int,
    block: int,
) -> npt.NDArray[np.float32]:
    """Blocked DequantizeLinear (ONNX operator specification, opset 21): one scale and zero for ``block`` values."""
    crop = tuple(slice(0, size) for size in quantised.shape)
    scales = np.repeat(scale.astype(np.float32), block, axis=axis)[crop]
    zeros = np.repeat(zero.astype(np.float32), block, axis=axis)[crop]
    values: npt.NDArray[np.float32] = (quantised.astype(np.float32) - zeros) * scales
    return values


def _free_batch(nodes: list[onnx.NodeProto], constants: Constants) -> None:
    """A Reshape to (1, -1, c) would mix the pictures of a batch into one row: 0 keeps the batch (ONNX Reshape)."""
    for node in nodes:
        if node.op_type == "Reshape" and node.input[1] in constants:
            shape = constants[node.input[1]].copy()
            shape[0] = 0
            constants[node.input[1]] = shape


def _without_dropout(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Dropout does nothing at inference, and some runtimes refuse its old form."""
    renamed = {node.output[0]: node.input[0] for node in nodes if node.op_type == "Dropout"}
    rest = [node for node in nodes if node.op_type != "Dropout"]
    for node in rest:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    return rest
