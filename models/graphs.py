"""Put the preprocessing inside the graph: bytes of RGB pixels in, what the decoder needs out. Knows ONNX; no runner.

One file then does the same on a laptop, in CI and on the van: no letterbox, no normalisation and no channel order is
left to be written twice. Every graph takes uint8, NHWC, RGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.manifest import ModelError, Net
from models.rebuild import Constants

STRIDES = (8, 16, 32)
"""YuNet's three grids, in pixels of its input."""


def detector_graph(plain: onnx.ModelProto, net: Net, canvas_px: tuple[int, int]) -> onnx.ModelProto:
    """Letterbox, then the net, then its twelve outputs as three.

    Input ``image``: (n, height, width, 3) u8 RGB of any size; it is scaled (linear) to fit ``canvas_px`` (width,
    height) and padded with black on the right and below. Outputs, in the canvas's anchors from the finest stride to the
    coarsest: ``scores`` (n, anchors) = sqrt(class x objectness), ``boxes`` (n, anchors, 4), ``landmarks`` (n, anchors,
    10), raw.

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
    ends = Ends(["n", "height", "width", 3], {"scores": [], "boxes": [4], "landmarks": [10]}, "anchors")
    return _wrap(plain, net, Preprocessing(_letterbox(net.input), _join_grids(), constants), ends)


def embedder_graph(plain: onnx.ModelProto, net: Net) -> onnx.ModelProto:
    """Input ``image``: (n, 112, 112, 3) u8 RGB; output ``vectors``: (n, dimension) f32, unit length."""
    node, raw = helper.make_node, net.outputs[0]
    before = [
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], [net.input], to=TensorProto.FLOAT),
    ]
    after = [
        node("ReduceL2", [raw], ["length"], axes=[1], keepdims=1),
        node("Div", [raw, "length"], ["vectors"]),
    ]
    ends = Ends(["n", 112, 112, 3], {"vectors": []}, net.dimension)
    return _wrap(plain, net, Preprocessing(before, after, {}), ends)


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


def _join_grids() -> list[onnx.NodeProto]:
    """YuNet's outputs a grid each as one row of anchors, finest grid first; class and objectness as one score."""
    node = helper.make_node
    squeezed = [
        node("Squeeze", [f"{kind}_{stride}", "last_axis"], [f"{kind}_{stride}_flat"])
        for kind in ("cls", "obj")
        for stride in STRIDES
    ]
    return [
        *squeezed,
        *(node("Concat", [f"{kind}_{s}_flat" for s in STRIDES], [kind], axis=1) for kind in ("cls", "obj")),
        node("Mul", ["cls", "obj"], ["cls_obj"]),
        node("Sqrt", ["cls_obj"], ["scores"]),
        node("Concat", [f"bbox_{s}" for s in STRIDES], ["boxes"], axis=1),
        node("Concat", [f"kps_{s}" for s in STRIDES], ["landmarks"], axis=1),
    ]


def _wrap(plain: onnx.ModelProto, net: Net, around: Preprocessing, ends: Ends) -> onnx.ModelProto:
    """The published graph with its preprocessing and ``image``, always RGB, as its only input."""
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", ends.rows, *tail])
        for name, tail in ends.outputs.items()
    ]
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
    onnx.checker.check_model(model, full_check=True)
    return model


def _swap_channels(model: onnx.ModelProto, net: Net) -> None:
    """For a net trained on BGR, swap its first convolution's input channels: RGB then costs nothing at run time."""
    first = next(node for node in model.graph.node if net.input in node.input)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    if first.op_type != "Conv" or first.input[1] not in weights:
        raise ModelError(f"{net.name}: expected a convolution behind '{net.input}', found {first.op_type}")
    tensor = weights[first.input[1]]
    swapped = np.ascontiguousarray(numpy_helper.to_array(tensor)[:, ::-1])
    tensor.CopyFrom(numpy_helper.from_array(swapped, tensor.name))
