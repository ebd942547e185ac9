"""A pre-filter of jetson-inference's ``detectNet``, for JetPack 5 and 6.0. The only file that imports the package.

Knows two of its networks and what they need; refuses to fetch anything, and to start where it would find nothing for
ever. Both are larger than YuNet, so they can only pay before a large detector; on a Jetson that is not measured. After
dusty-nv/jetson-inference: python/bindings/PyDetectNet.cpp, c/detectNet.cpp, data/networks/models.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from models.faces import F32
from models.manifest import ModelError

NETWORKS = Path("/usr/local/bin/networks")
"""Where tools/tao-model-downloader.sh puts the networks, and tao-converter the engines that it makes of them."""
MIN_SCORE = 0.3
"""Low: a frame too many costs milliseconds, a frame too few a face."""
LAST_TENSORRT = 8
FORMATS = ("rgb8", "rgba8", "rgb32f", "rgba32f")

Preset = Literal["facedetect", "peoplenet"]


class CudaImage(Protocol):
    """A picture of jetson-utils, of which only its format is looked at here."""

    format: str


class _Detection(Protocol):
    ClassID: int
    Left: float
    Top: float
    Right: float
    Bottom: float


class _Net(Protocol):
    def Detect(self, image: CudaImage, *, overlay: str) -> list[_Detection]: ...  # noqa: N802  the bindings' name


@dataclass(frozen=True)
class _Files:
    """Where a preset's files lie in :data:`NETWORKS`, and which of its classes are somebody with a face."""

    folder: str
    engine: str
    classes: tuple[int, ...]
    labels: str = "labels.txt"


# fmt: off
_PRESETS: dict[Preset, _Files] = {
    "facedetect": _Files("facedetect_pruned_quantized_v2.0.1",    "resnet18_facedetect_pruned.etlt.engine", (0,)),
    "peoplenet":  _Files("peoplenet_deployable_quantized_v2.6.1", "resnet34_peoplenet_int8.etlt.engine",    (0, 2)),
}
# fmt: on
"""peoplenet's classes are person, bag and face."""


class DetectNet:
    """A loaded network. It is made by :func:`open_detectnet`, which looks before it loads."""

    def __init__(self, name: str, net: _Net, classes: tuple[int, ...]) -> None:
        self.name = name
        self._net = net
        self._classes = classes

    def boxes(self, image: CudaImage) -> F32:
        """See :class:`models.prefilter.Prefilter`. The image is not drawn into."""
        image = getattr(image, "image", image)  # the board wraps what the driver hands out
        shape = getattr(image, "format", type(image).__name__)
        if shape not in FORMATS:  # detectNet only logs it, and answers as if the street were empty
            raise ModelError(f"{self.name}: expected a CUDA image of {', '.join(FORMATS)}, got {shape}")
        try:
            found = self._net.Detect(image, overlay="none")  # its default paints boxes into the camera's picture
        except Exception as error:  # the bindings raise nothing more precise
            raise ModelError(f"{self.name}: {error}") from error
        boxes = [(d.Left, d.Top, d.Right, d.Bottom) for d in found if d.ClassID in self._classes]
        return np.array(boxes, np.float32).reshape(-1, 4)


def open_detectnet(preset: Preset, tensorrt: str, min_score: float = MIN_SCORE, networks: Path = NETWORKS) -> DetectNet:
    """Load a network of jetson-inference that lies on this machine already.

    Args:
        preset: ``facedetect`` (736 x 416, faces) or ``peoplenet`` (960 x 544, people and faces).
        tensorrt: this machine's TensorRT version, such as ``8.6.2``.
        min_score: what is found with less is not reported; [0, 1].
        networks: the folder of the networks' folders.

    Raises:
        ModelError: TensorRT is too new, a file is missing, or the package is not here or cannot load the network.
    """
    name = f"detectNet {preset}"
    major = tensorrt.split(".", maxsplit=1)[0]
    if not major.isdecimal() or int(major) > LAST_TENSORRT:
        # tensorNet::ProcessNetwork has no case for an engine there: it reports success and runs nothing, so nobody is
        # ever found; ONNX ends in a segmentation fault (dusty-nv/jetson-inference#1913).
        raise ModelError(f"{name}: needs TensorRT {LAST_TENSORRT} (JetPack 6.0 or older), this machine has {tensorrt}")
    files = _PRESETS[preset]
    engine, labels = networks / files.folder / files.engine, networks / files.folder / files.labels
    for path in (engine, labels):
        if not path.is_file():
            raise ModelError(f"{name}: no file {path}; convert it on this machine with tao-converter beforehand")
    try:
        from jetson_inference import detectNet  # a backend's import is its own
    except ImportError as error:
        raise ModelError(f"{name}: {error}") from error
    try:
        # By its path and not by the preset's name: a name makes the bindings look in the working directory first, and
        # run a download tool where they find no folder.
        net = detectNet(
            model=str(engine), labels=str(labels), threshold=min_score, input_blob="input_1",
            output_cvg="output_cov/Sigmoid", output_bbox="output_bbox/BiasAdd",
        )  # fmt: skip
    except Exception as error:  # the bindings raise nothing more precise
        raise ModelError(f"{name}: {engine}: {error}") from error
    return DetectNet(f"{name}, TensorRT {tensorrt}", net, files.classes)
