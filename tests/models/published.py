"""Networks of the shape that InsightFace publishes, small and with weights set by hand. Holds no test.

The detector ends as the exported SCRFD files do: before insightface #1781 each grid's answers were laid out cells first
and flattened, (anchors, k), for a batch of one; after it, (n, anchors, k); and re-exports that only call the batch
dynamic mix it (insightface #2878, #2879). The embedder is an IResNet as torch2onnx.py of arcface_torch writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.faces import F32, Faces
from models.manifest import Net, Source, sha256_of
from models.rebuild import Constants
from tests.models.stage import Pixels

Batch = Literal["one", "any", "mixed"]
Colour = tuple[int, int, int]
STRIDES = (8, 16, 32)
FACES: dict[tuple[int, int], Colour] = {
    (8, 0): (255, 0, 0),
    (8, 1): (255, 255, 0),
    (16, 0): (0, 255, 0),
    (16, 1): (0, 255, 255),
    (32, 0): (0, 0, 255),
    (32, 1): (255, 0, 255),
}
"""Stride and anchor that take a cell of this RGB colour for a face."""
SURE = 8.0
"""Logit of such a cell; of any other at most -8."""
OLD_NAMES = ("448", "471", "494", "451", "474", "497", "454", "477", "500")
NEW_NAMES = tuple(f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in STRIDES)
SCRFD = Net(
    name="scrfd",
    role="detector",
    family="scrfd",
    licence="made for a test",
    input="input.1",
    native_channels="RGB",
    outputs=OLD_NAMES,
    mean=127.5,
    std=128.0,
    canvas_px=(160, 96),
    small_canvas_px=(96, 64),
    closeup_px=96,
    reference="none",
    source=(Source(form="fp32", sha256="0" * 64, file="/nowhere"),),
)
ARCFACE = Net(
    name="arcface",
    role="embedder",
    licence="made for a test",
    input="input.1",
    native_channels="RGB",
    outputs=("683",),
    mean=127.5,
    std=127.5,
    template="arcface-112",
    dimension=512,
    reference="none",
    source=(Source(form="fp32", sha256="0" * 64, file="/nowhere"),),
)


def distances(stride: int, anchor: int) -> F32:
    """(4,) from the anchor to left, top, right and bottom, in strides; all different, all exact in bf16."""
    start = STRIDES.index(stride) * 0.25 + anchor * 0.125
    return np.array([0.5, 1.0, 1.5, 2.0], np.float32) + np.float32(start)


def offsets(stride: int, anchor: int) -> F32:
    """(5, 2) from the anchor to the landmarks, in strides; all different, all exact in bf16."""
    start = STRIDES.index(stride) * 0.125 + anchor * 0.0625 - 1
    return (np.arange(10, dtype=np.float32).reshape(5, 2) * 0.25 + start).astype(np.float32)


def drawn_at(stride: int, anchor: int, column: int, row: int) -> Pixels:
    """A black picture of SCRFD's canvas with one cell of such a face."""
    width, height = SCRFD.canvas_px
    picture = np.zeros((height, width, 3), np.uint8)
    picture[row * stride : (row + 1) * stride, column * stride : (column + 1) * stride] = FACES[stride, anchor]
    return picture


def expected_face(stride: int, anchor: int, column: int, row: int) -> Faces:
    """What is to be found there: the anchor lies at the cell's upper left corner."""
    left, top, right, bottom = distances(stride, anchor).tolist()
    box = [(column - left) * stride, (row - top) * stride, (column + right) * stride, (row + bottom) * stride]
    points = (offsets(stride, anchor) + np.array([column, row], np.float32)) * stride
    score = 1 / (1 + np.exp(-SURE))
    return Faces(np.array([box], np.float32), points[None].astype(np.float32), np.array([score], np.float32))


@dataclass
class _Export:
    """A graph that is being written down, in the order of its nodes."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: Constants = field(default_factory=dict)

    def add(self, kind: str, inputs: list[str], to: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [to], **attributes))
        return to

    def constant(self, name: str, values: object, dtype: type[np.generic] = np.float32) -> str:
        self.constants[name] = np.array(values, dtype)
        return name

    def conv(self, of: str, to: str, weights: F32, bias: F32 | None = None, stride: int = 1) -> str:
        names = [self.constant(f"{to}.weight", weights)]
        names += [] if bias is None else [self.constant(f"{to}.bias", bias)]
        pad = (weights.shape[2] - 1) // 2
        return self.add("Conv", [of, *names], to, strides=[stride] * 2, pads=[pad] * 4)

    def batch_norm(self, of: str, to: str, rng: np.random.Generator, width: int) -> str:
        figures = {
            "scale": rng.uniform(0.7, 1.3, width),
            "bias": rng.normal(0, 0.1, width),
            "mean": rng.normal(0, 0.1, width),
            "var": rng.uniform(0.7, 1.3, width),
        }
        names = [self.constant(f"{to}.{name}", values) for name, values in figures.items()]
        return self.add("BatchNormalization", [of, *names], to, epsilon=2e-5)

    def model(
        self, image: list[int | str], outputs: dict[str, list[int | str]], opset: int, *, as_inputs: bool
    ) -> onnx.ModelProto:
        value = helper.make_tensor_value_info
        inputs = [value("input.1", TensorProto.FLOAT, image)]
        if as_inputs:
            inputs += [
                value(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                for name, array in self.constants.items()
            ]
        tensors = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        ends = [value(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
        graph = helper.make_graph(self.nodes, "torch-jit-export", inputs, ends, tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)


def scrfd(batch: Batch = "one", names: tuple[str, ...] = OLD_NAMES, *, as_inputs: bool = False) -> onnx.ModelProto:
    """A detector of opset 11 that takes a cell of one colour for a face: see FACES, ``distances``, ``offsets``."""
    export = _Export()
    halve = np.zeros((3, 3, 2, 2), np.float32)
    halve[range(3), range(3)] = 0.25
    grids, at = {}, "input.1"
    for stride in (2, 4, 8, 16, 32):
        export.constant("halve", halve)
        at = grids[stride] = export.add("Conv", [at, "halve"], f"grid_{stride}", strides=[2, 2], kernel_shape=[2, 2])
    for fine, coarse in ((16, 32), (8, 16)):
        grids[fine] = _look_up(export, grids[fine], grids[coarse], f"up_{fine}")
    for index, stride in enumerate(STRIDES):
        _answers(export, grids[stride], stride, batch, names[index::3])
    rows: list[int | str] = ["?"] if batch == "one" else ["n", "?"]
    outputs = {name: [*rows, width] for name, width in zip(names, (1,) * 3 + (4,) * 3 + (10,) * 3, strict=True)}
    return export.model([1 if batch == "one" else "n", 3, "h", "w"], outputs, 11, as_inputs=as_inputs)


def _look_up(export: _Export, fine: str, coarse: str, name: str) -> str:
    """What a feature pyramid does: the coarser grid, enlarged to the finer one's size, added (here 0 times)."""
    add, constant = export.add, export.constant
    constant("none", [], np.float32)
    for number in (0, 2, 4):
        constant(f"at_{number}", [number], np.int64)
    add("Shape", [fine], f"{name}.fine")
    add("Shape", [coarse], f"{name}.coarse")
    add("Slice", [f"{name}.fine", "at_2", "at_4", "at_0"], f"{name}.size")
    add("Slice", [f"{name}.coarse", "at_0", "at_2", "at_0"], f"{name}.batch")
    add("Concat", [f"{name}.batch", f"{name}.size"], f"{name}.sizes", axis=0)
    kind = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    add("Resize", [coarse, "none", "none", f"{name}.sizes"], f"{name}.large", **kind)
    export.conv(f"{name}.large", f"{name}.lateral", np.zeros((3, 3, 1, 1), np.float32))
    return add("Add", [fine, f"{name}.lateral"], name)


def _answers(export: _Export, grid: str, stride: int, batch: Batch, names: tuple[str, ...]) -> None:
    """Two anchors' scores, boxes and landmarks of each cell, behind 1 x 1 convolutions."""
    signs = np.array([np.sign(np.subtract(FACES[stride, anchor], 127.5)) for anchor in (0, 1)], np.float32)
    looks = [
        (signs * SURE, np.full(2, -2 * SURE)),
        (np.zeros((8, 3)), np.concatenate([distances(stride, anchor) for anchor in (0, 1)])),
        (np.zeros((20, 3)), np.concatenate([offsets(stride, anchor).ravel() for anchor in (0, 1)])),
    ]
    for (weights, bias), name, width in zip(looks, names, (1, 4, 10), strict=True):
        export.conv(grid, f"{name}.conv", weights[:, :, None, None].astype(np.float32), bias.astype(np.float32))
        order = [0, 2, 3, 1] if batch == "any" else [2, 3, 0, 1]
        export.add("Transpose", [f"{name}.conv"], f"{name}.cells", perm=order)
        shape = export.constant(f"rows_of_{width}", [-1, width], np.int64)
        if batch != "one":
            export.constant("at_0", [0], np.int64)
            export.constant(f"rest_{width}", [-1, width], np.int64)
            export.add("Shape", ["input.1"], f"{name}.shape")
            export.add("Gather", [f"{name}.shape", "at_0"], f"{name}.n", axis=0)
            shape = export.add("Concat", [f"{name}.n", f"rest_{width}"], f"{name}.rows", axis=0)
        flat = name if width > 1 else f"{name}.flat"
        export.add("Reshape", [f"{name}.cells", shape], flat)
    export.add("Sigmoid", [f"{names[0]}.flat"], names[0])


def iresnet(batch: Batch = "any", dimension: int = 512, *, as_inputs: bool = False, opset: int = 11) -> onnx.ModelProto:
    """An embedder with all that an IResNet has: four residual blocks, PRelu, BatchNormalization, Dropout, Gemm."""
    rng, export, width = np.random.default_rng(3), _Export(), 16
    at = export.conv("input.1", "stem", _weights(rng, width, 3, 3))
    at = _prelu(export, export.batch_norm(at, "stem.bn", rng, width), "stem.act", width)
    for block in range(4):
        at = _block(export, at, f"layer{block}", rng, width)
    at = export.batch_norm(at, "bn2", rng, width)
    at = export.add("Dropout", [at], "calm")
    if batch == "mixed":
        export.add("ReduceMean", [at], "crowd", axes=[0], keepdims=1)
        at = export.add("Sub", [at, "crowd"], "apart")
    if batch == "one":
        at = export.add("Reshape", [at, export.constant("row", [1, -1], np.int64)], "flat")
    else:
        at = export.add("Flatten", [at], "flat", axis=1)
    weights = [export.constant("fc.weight", rng.normal(0, 0.05, (dimension, width * 49)))]
    weights.append(export.constant("fc.bias", rng.normal(0, 0.1, dimension)))
    export.add("Gemm", [at, *weights], "fc", alpha=1.0, beta=1.0, transB=1)
    export.batch_norm("fc", "683", rng, dimension)
    rows: int | str = 1 if batch == "one" else "None"
    return export.model([rows, 3, 112, 112], {"683": [rows, dimension]}, opset, as_inputs=as_inputs)


def _weights(rng: np.random.Generator, to: int, of: int, side: int) -> F32:
    return rng.normal(0, 1 / (side * np.sqrt(of)), (to, of, side, side)).astype(np.float32)


def _prelu(export: _Export, of: str, to: str, width: int) -> str:
    slope = export.constant(f"{to}.slope", np.linspace(0.1, 0.4, width).reshape(width, 1, 1))
    return export.add("PRelu", [of, slope], to)


def _block(export: _Export, of: str, name: str, rng: np.random.Generator, width: int) -> str:
    at = export.batch_norm(of, f"{name}.bn1", rng, width)
    at = export.conv(at, f"{name}.conv1", _weights(rng, width, width, 3))
    at = _prelu(export, export.batch_norm(at, f"{name}.bn2", rng, width), f"{name}.act", width)
    at = export.conv(at, f"{name}.conv2", _weights(rng, width, width, 3), stride=2)
    at = export.batch_norm(at, f"{name}.bn3", rng, width)
    beside = export.conv(of, f"{name}.down", _weights(rng, width, width, 1), stride=2)
    beside = export.batch_norm(beside, f"{name}.down.bn", rng, width)
    return export.add("Add", [at, beside], name)


def bring(net: Net, model: onnx.ModelProto, folder: Path) -> Net:
    """The network, brought as a file of this folder."""
    path, data = folder / f"{net.name}-published.onnx", model.SerializeToString()
    path.write_bytes(data)
    return msgspec.structs.replace(net, source=(Source(form="fp32", sha256=sha256_of(data), file=str(path)),))
