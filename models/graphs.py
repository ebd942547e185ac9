"""Put the preprocessing inside the graph: bytes of RGB pixels in, what the decoder needs out. Knows ONNX; no runner.

One file then does the same on a laptop, in CI and on the van: no letterbox, no normalisation and no channel order is
left to be written twice. Every graph takes uint8, NHWC, RGB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.align import CHIP_PX
from models.decode import STRIDES
from models.manifest import ModelError, Net
from models.rebuild import Constants


def detector_graph(plain: onnx.ModelProto, net: Net, canvas_px: tuple[int, int]) -> onnx.ModelProto:
    """Letterbox and normalisation, then the net, then its outputs as three.

    Input ``image``: (n, height, width, 3) u8 RGB of any size; it is scaled (linear) to fit ``canvas_px`` (width,
    height) and padded with black on the right and below. Outputs, in the canvas's anchors from the finest stride to the
    coarsest: ``scores`` (n, anchors), in [0, 1]; ``boxes`` (n, anchors, 4) and ``landmarks`` (n, anchors, 10), raw, for
    the family's decoder.

    Raises:
        ModelError: the canvas does not fit the grids, or the net is not built as it should be.
    """
    width, height = canvas_px
    if width % STRIDES[-1] or height % STRIDES[-1] or not width * height:
        raise ModelError(f"{net.name}: canvas {canvas_px} is not a multiple of {STRIDES[-1]}")
    constants: Constants = {
        "canvas_hw": np.array([height, width], np.int64),
        "canvas_hw_f": np.array([height, width], np.float32),
        "channels": np.array([3], np.int64),
        "from_first": np.array([0], np.int64),
        "from_second": np.array([1], np.int64),
        "to_third": np.array([3], np.int64),
        "half": np.array(0.5, np.float32),
        "black": np.array(0, np.float32),
        "no_pad": np.zeros(6, np.int64),
        "last_axis": np.array([2], np.int64),
    }
    feed = _feed(net, "canvas")
    before = [*_letterbox(feed.takes), *feed.nodes]
    after = _JOINS[net.family](_by_kind(net.outputs))
    ends = Ends(["n", "height", "width", 3], {"scores": [], "boxes": [4], "landmarks": [10]}, "anchors")
    return _wrap(plain, net, Preprocessing(before, after, constants | feed.constants), ends)


def embedder_graph(plain: onnx.ModelProto, net: Net) -> onnx.ModelProto:
    """Input ``image``: (n, 112, 112, 3) u8 RGB; output ``vectors``: (n, dimension) f32, of the length the net gives.

    Raises:
        ModelError: the net does not take such faces, or is not built as it should be.
    """
    shape = [dim.dim_value or dim.dim_param for dim in plain.graph.input[0].type.tensor_type.shape.dim]
    if shape[1:] != [3, CHIP_PX, CHIP_PX]:
        raise ModelError(f"{net.name}: takes {shape}, an aligned face is [n, 3, {CHIP_PX}, {CHIP_PX}]")
    node, raw = helper.make_node, net.outputs[0]
    feed = _feed(net, "pixels")
    before = [
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], [feed.takes], to=TensorProto.FLOAT),
        *feed.nodes,
    ]
    after = [node("Identity", [raw], ["vectors"])]
    ends = Ends(["n", CHIP_PX, CHIP_PX, 3], {"vectors": []}, net.dimension)
    return _wrap(plain, net, Preprocessing(before, after, feed.constants), ends)


@dataclass(frozen=True)
class Preprocessing:
    """What goes before and after the published graph, and the constants that it uses."""

    before: list[onnx.NodeProto]
    after: list[onnx.NodeProto]
    constants: Constants


@dataclass(frozen=True)
class Ends:
    """The new graph's input shape; its outputs' names with what follows (n, rows) in their shapes."""

    image: list[int | str]
    outputs: dict[str, list[int]]
    rows: int | str


@dataclass(frozen=True)
class _Feed:
    """How values of 0 to 255, called ``takes``, become the net's input."""

    takes: str
    nodes: list[onnx.NodeProto]
    constants: Constants


def _feed(net: Net, pixels: str) -> _Feed:
    """Normalisation of ``pixels``; for a net that takes them as they are, no node at all."""
    if (net.mean, net.std) == (0.0, 1.0):
        return _Feed(net.input, [], {})
    node = helper.make_node
    nodes = [
        node("Sub", [pixels, "mean"], ["centred"]),
        node("Div", ["centred", "std"], [net.input]),
    ]
    return _Feed(pixels, nodes, {"mean": np.array(net.mean, np.float32), "std": np.array(net.std, np.float32)})


def _letterbox(to: str) -> list[onnx.NodeProto]:
    """``image`` scaled to fit the canvas and padded, as f32 NCHW ``to``; every size is computed in the graph."""
    node = helper.make_node
    resize = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return [
        node("Shape", ["image"], ["image_shape"]),
        node("Slice", ["image_shape", "from_second", "to_third"], ["image_hw"]),
        node("Cast", ["image_hw"], ["image_hw_f"], to=TensorProto.FLOAT),
        node("Div", ["canvas_hw_f", "image_hw_f"], ["ratios"]),
        node("ReduceMin", ["ratios"], ["ratio"], keepdims=1),
        node("Mul", ["image_hw_f", "ratio"], ["fit_hw_f"]),
        node("Add", ["fit_hw_f", "half"], ["fit_hw_up"]),
        node("Floor", ["fit_hw_up"], ["fit_hw_rounded"]),
        node("Cast", ["fit_hw_rounded"], ["fit_hw"], to=TensorProto.INT64),
        node("Slice", ["image_shape", "from_first", "from_second"], ["batch"]),
        node("Concat", ["batch", "channels", "fit_hw"], ["fit_shape"], axis=0),
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], ["planes_f"], to=TensorProto.FLOAT),
        node("Resize", ["planes_f", "", "", "fit_shape"], ["fit"], **resize),
        node("Sub", ["canvas_hw", "fit_hw"], ["pad_hw"]),
        node("Concat", ["no_pad", "pad_hw"], ["pads"], axis=0),
        node("Pad", ["fit", "pads", "black"], [to]),
    ]


def _by_kind(outputs: tuple[str, ...]) -> list[list[str]]:
    """A net's outputs, one list for each kind, in the order of the strides."""
    return [list(outputs[start : start + len(STRIDES)]) for start in range(0, len(outputs), len(STRIDES))]


def _join_yunet(kinds: list[list[str]]) -> list[onnx.NodeProto]:
    """Outputs a grid each as one row of anchors, finest grid first; class and objectness as one score."""
    node = helper.make_node
    classes, objects, boxes, landmarks = kinds
    return [
        *_flat(classes + objects),
        _row(classes, "cls"),
        _row(objects, "obj"),
        node("Mul", ["cls", "obj"], ["cls_obj"]),
        node("Sqrt", ["cls_obj"], ["scores"]),
        node("Concat", boxes, ["boxes"], axis=1),
        node("Concat", landmarks, ["landmarks"], axis=1),
    ]


def _join_scrfd(kinds: list[list[str]]) -> list[onnx.NodeProto]:
    """Outputs a grid each as one row of anchors, finest grid first; the sigmoid is in the net."""
    node = helper.make_node
    scores, boxes, landmarks = kinds
    return [
        *_flat(scores),
        _row(scores, "scores"),
        node("Concat", boxes, ["boxes"], axis=1),
        node("Concat", landmarks, ["landmarks"], axis=1),
    ]


def _flat(names: list[str]) -> list[onnx.NodeProto]:
    return [helper.make_node("Squeeze", [name, "last_axis"], [f"{name}_flat"]) for name in names]


def _row(names: list[str], to: str) -> onnx.NodeProto:
    return helper.make_node("Concat", [f"{name}_flat" for name in names], [to], axis=1)


_JOINS: dict[str, Callable[[list[list[str]]], list[onnx.NodeProto]]] = {"yunet": _join_yunet, "scrfd": _join_scrfd}


def _wrap(plain: onnx.ModelProto, net: Net, around: Preprocessing, ends: Ends) -> onnx.ModelProto:
    """The published graph with its preprocessing and ``image``, always RGB, as its only input."""
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", ends.rows, *tail])
        for name, tail in ends.outputs.items()
    ]
    _check_names(plain, net, around)
    constants = [numpy_helper.from_array(array, name) for name, array in around.constants.items()]
    graph = helper.make_graph(
        [*around.before, *plain.graph.node, *around.after],
        net.name,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ends.image)],
        outputs,
        [*plain.graph.initializer, *constants],
    )
    model = helper.make_model(graph, opset_imports=plain.opset_import, ir_version=plain.ir_version)
    if net.native_channels == "BGR":
        _swap_channels(model, net)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"{net.name}: not a sound graph: {error}") from error
    return model


def _check_names(plain: onnx.ModelProto, net: Net, around: Preprocessing) -> None:
    """A name that stands for two things would join what does not belong together."""
    made = {name for node in (*around.before, *around.after) for name in node.output} | set(around.constants)
    inside = {name for node in plain.graph.node for name in node.output}
    inside |= {tensor.name for tensor in plain.graph.initializer}
    if taken := sorted(made & inside):
        raise ModelError(
            f"{net.name}: names {', '.join(taken)} are those of the preprocessing; rename them in the file"
        )


def _swap_channels(model: onnx.ModelProto, net: Net) -> None:
    """For a net trained on BGR, swap its first convolution's input channels: RGB then costs nothing at run time."""
    readers = [node for node in model.graph.node if net.input in node.input]
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    kinds = ", ".join(node.op_type for node in readers)
    if kinds != "Conv" or readers[0].input[1] not in weights:
        raise ModelError(f"{net.name}: expected a convolution behind '{net.input}', found {kinds}")
    name = readers[0].input[1]
    swapped = np.ascontiguousarray(numpy_helper.to_array(weights[name])[:, ::-1])
    if sum(name in node.input for node in model.graph.node) == 1:
        weights[name].CopyFrom(numpy_helper.from_array(swapped, name))
    else:  # another layer has the same weights, and keeps them
        readers[0].input[1] = f"{name}_swapped"
        model.graph.initializer.append(numpy_helper.from_array(swapped, readers[0].input[1]))
