"""Turn a published ONNX file into the plain fp32 graph that every runner takes. Knows ONNX; not what a net is for.

OpenCV Zoo's int8bq files store weights as blocks of int8 with a scale each (DequantizeLinear with ``block_size``, ONNX
opset 21), which ONNX Runtime and TensorRT refuse. Others come with an old opset, constants among the inputs, a batch
that is one for ever. All of it is arithmetic on constants, so it is done here, once; what cannot be done is refused.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from models.decode import FAMILIES, STRIDES
from models.manifest import ModelError, Net

OPSET = 17
"""Low enough for TensorRT 8.6, and below the GridSample and strong-typing traps of newer ones."""
OPERATORS = {
    *("Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "Div", "Erf", "Exp", "Flatten"),
    *("Floor", "Gather", "Gemm", "GlobalAveragePool", "HardSigmoid", "Identity", "InstanceNormalization", "LeakyRelu"),
    *("MatMul", "MaxPool", "Mul", "PRelu", "Pad", "Pow", "ReduceL2", "ReduceMean", "ReduceSum", "Relu", "Reshape"),
    *("Resize", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose"),
    "Unsqueeze",
}
"""What face networks are made of and all three runtimes take (onnx-tensorrt, docs/operators.md, of 8.4)."""
Constants = dict[str, npt.NDArray[np.generic]]
_CELLS_FIRST = [2, 3, 0, 1]
"""The order in which InsightFace's published detectors lay out an answer's axes: a batch would end up between cells."""
_BATCH_FIRST = [0, 2, 3, 1]


def rebuild(data: bytes, net: Net) -> onnx.ModelProto:
    """A checked graph with fp32 initialisers, one dynamic-batch input and the manifest's outputs.

    Raises:
        ModelError: not an ONNX file, not the graph that the manifest describes, or one that cannot be made to run on
            all three runtimes; says why.
    """
    model = _of_this_opset(_load(data, net), net)
    graph = model.graph
    constants: Constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = _without_dropout(_evaluate_constants(list(graph.node), constants))
    _leave_out_empty_scales(nodes, constants)
    _free_batch(nodes, constants)
    used = {name for node in nodes for name in node.input}
    inputs = [value for value in graph.input if value.name in used and value.name not in constants]
    produced = {name for node in nodes for name in node.output}
    _check_names(net, [value.name for value in inputs], {value.name for value in graph.output} & produced)
    _check_kinds(net, nodes, inputs[0])

    rebuilt = helper.make_graph(
        nodes,
        net.name,
        [_value(net.input, _input_shape(net, _shape(inputs[0])))],
        [_value(name, shape) for name, shape in _output_shapes(net)],
        [_tensor(name, array) for name, array in constants.items() if name in used],
    )
    return helper.make_model(rebuilt, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _load(data: bytes, net: Net) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf's DecodeError has no stable public name
        raise ModelError(f"{net.name}: not an ONNX file: {error}") from error
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ModelError(f"{net.name}: its weights lie in another file; save it as one")
    return model


def _of_this_opset(model: onnx.ModelProto, net: Net) -> onnx.ModelProto:
    """Other opsets are converted; a block-quantised file's operators are those of ours once its blocks are folded."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)
    if opset == OPSET or any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter raises RuntimeError and its own ConvertError
        raise ModelError(f"{net.name}: opset {opset} cannot be made {OPSET}: {error}; export it as {OPSET}") from error


def _tensor(name: str, array: npt.NDArray[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(array), name)


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _output_shapes(net: Net) -> list[tuple[str, list[str | int | None]]]:
    if net.role == "embedder":
        return [(net.outputs[0], ["n", net.dimension])]
    widths = [width for width in FAMILIES[net.family].widths for _ in STRIDES]
    return [(name, ["n", f"{name}_anchors", width]) for name, width in zip(net.outputs, widths, strict=True)]


def _value(name: str, shape: list[str | int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _input_shape(net: Net, shape: list[int]) -> list[str | int | None]:
    """A detector is convolutional and takes any height and width; an embedder's are fixed by its last layer."""
    return ["n", shape[1], "height", "width"] if net.role == "detector" else ["n", *shape[1:]]


def _check_names(net: Net, inputs: list[str], outputs: set[str]) -> None:
    if inputs != [net.input]:
        raise ModelError(f"{net.name}: expected the input '{net.input}', found {inputs}")
    missing = [name for name in net.outputs if name not in outputs]
    if missing:
        raise ModelError(f"{net.name}: no output {', '.join(missing)}")


def _check_kinds(net: Net, nodes: list[onnx.NodeProto], value: onnx.ValueInfoProto) -> None:
    odd = {
        f"{node.domain}.{node.op_type}".lstrip(".") for node in nodes if node.domain or node.op_type not in OPERATORS
    }
    if odd:
        raise ModelError(f"{net.name}: {', '.join(sorted(odd))}: not among what all runtimes take (models/rebuild.py)")
    kind, shape = value.type.tensor_type.elem_type, _shape(value)
    if kind != TensorProto.FLOAT:
        raise ModelError(f"{net.name}: its input is {TensorProto.DataType.Name(kind)}, not FLOAT; export it as fp32")
    if net.role == "detector" and (len(shape) != 4 or shape[1] != 3):
        raise ModelError(f"{net.name}: its input is {shape}, not [n, 3, height, width]")


def _evaluate_constants(nodes: list[onnx.NodeProto], constants: Constants) -> list[onnx.NodeProto]:
    """Fold Constant, DequantizeLinear and Reshape nodes whose inputs are known into ``constants``; return the rest."""
    rest = []
    for node in nodes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        known = all(name in constants for name in node.input)
        if node.op_type == "Constant" and "value" in attributes:
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
    """Let a graph that was exported for one picture take several without mixing them.

    A Reshape to (1, -1, c) would put the pictures of a batch into one row: 0 keeps the batch (ONNX Reshape). Where the
    cells come before the batch and both are flattened, the batch goes first instead, which is the same for one picture.
    """
    makers = {name: node for node in nodes for name in node.output}
    readers = [name for node in nodes for name in node.input]
    for node in nodes:
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        shape, maker = constants[node.input[1]].copy(), makers.get(node.input[0])
        if maker is not None and _puts_cells_first(maker) and readers.count(node.input[0]) == 1:
            maker.attribute[0].ints[:] = _BATCH_FIRST
            constants[node.input[1]] = np.array([0, -1, shape[-1]], shape.dtype)
        elif shape[0] == 1:
            shape[0] = 0
            constants[node.input[1]] = shape


def _puts_cells_first(node: onnx.NodeProto) -> bool:
    return node.op_type == "Transpose" and [[*a.ints] for a in node.attribute if a.name == "perm"] == [_CELLS_FIRST]


def _leave_out_empty_scales(nodes: list[onnx.NodeProto], constants: Constants) -> None:
    """A Resize to given sizes has no scales; opset 11 had to say so with an empty constant, which runtimes dislike."""
    for node in nodes:
        if node.op_type == "Resize" and len(node.input) == 4:
            node.input[:] = ["" if name in constants and not constants[name].size else name for name in node.input]


def _without_dropout(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Dropout does nothing at inference, and some runtimes refuse its old form."""
    renamed = {node.output[0]: node.input[0] for node in nodes if node.op_type == "Dropout"}
    rest = [node for node in nodes if node.op_type != "Dropout"]
    for node in rest:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    return rest
