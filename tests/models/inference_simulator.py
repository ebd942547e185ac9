"""A stand-in for the package ``jetson_inference``: its detectNet, as its sources say that it behaves. No tests.

Written from dusty-nv/jetson-inference: python/bindings/PyDetectNet.cpp (arguments, exceptions, Detection),
c/detectNet.cpp (Create, Detect, postProcess), c/modelDownloader.cpp (DownloadModel), data/networks/models.json. Traps:

- ``Detect`` paints boxes into its input unless ``overlay`` is ``none``.
- A picture of another format than four is logged and answered with an empty list.
- A preset's name makes it look for the preset's folder, in the working directory first, and run a download tool where
  there is none; a folder without the network counts as there.
- Errors are plain exceptions with a text.
- With TensorRT 10 an engine is loaded, and then not run: nothing is found, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

PRESETS = {
    "facedetect": ("facedetect_pruned_quantized_v2.0.1", "resnet18_facedetect_pruned.etlt.engine"),
    "peoplenet": ("peoplenet_deployable_quantized_v2.6.1", "resnet34_peoplenet_int8.etlt.engine"),
}
LABELS = {"facedetect": ("face",), "peoplenet": ("person", "bag", "face")}
COLOURS = {"person": 0, "bag": 1, "face": 2}
"""The channel whose brightest patch is one: what the network sees; its confidence is the patch's brightness."""
TENSORS = ("input_1", "output_cov/Sigmoid", "output_bbox/BiasAdd")
SUPPORTED = {"rgb8", "rgba8", "rgb32f", "rgba32f"}


@dataclass
class CudaImage:
    """What is used of jetson-utils' picture: pixels (H, W, 3) and the name of their format."""

    pixels: npt.NDArray[np.uint8]
    format: str = "rgb8"


@dataclass(frozen=True)
class Detection:
    """One box, in pixels of the picture and inside it."""

    ClassID: int
    Confidence: float
    Left: float
    Top: float
    Right: float
    Bottom: float


@dataclass
class Machine:
    """The machine that the package runs on, and what it did there."""

    networks: Path
    working_directory: Path
    tensorrt: int = 8
    downloads: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    unloadable: bool = False
    """Engines are of another TensorRT."""
    broken: bool = False
    """Inference fails."""

    def install(self, preset: str) -> Path:
        """Put a converted network where the tools put it; returns its engine."""
        folder, engine = PRESETS[preset]
        (self.networks / folder).mkdir(parents=True)
        (self.networks / folder / engine).write_bytes(b"plan")
        (self.networks / folder / "labels.txt").write_text("\n".join(LABELS[preset]) + "\n")
        return self.networks / folder / engine

    def locate(self, path: str) -> Path | None:
        """jetson-utils' locateFile: as given, hence from the working directory, and then among the system's folders."""
        for place in (self.working_directory / path, self.networks.parent / path):
            if place.exists():
                return place
        return None

    def module(self) -> ModuleType:
        """The package, to be imported under its name."""
        module = ModuleType("jetson_inference")
        vars(module)["detectNet"] = lambda *words, **options: DetectNet(self, *words, **options)
        return module


class DetectNet:
    """``jetson_inference.detectNet``."""

    def __init__(  # noqa: PLR0913, PLR0917  the bindings' own arguments, in their order
        self,
        machine: Machine,
        network: str = "ssd-mobilenet-v2",
        argv: Sequence[str] | None = None,
        threshold: float = 0.5,
        model: str | None = None,
        labels: str | None = None,
        colors: str | None = None,
        input_blob: str = "data",
        output_cvg: str = "coverage",
        output_bbox: str = "bboxes",
    ) -> None:
        self._machine = machine
        self._threshold = threshold
        blobs = (input_blob, output_cvg, output_bbox)
        if (model or network) in PRESETS:
            engine, labels = self._built_in(model or network)
            blobs = TENSORS
        else:
            engine = machine.locate(model or network)
        here = engine is not None and engine.is_file() and not machine.unloadable
        if not here or blobs != TENSORS:
            raise Exception("jetson.inference -- detectNet failed to load network")  # noqa: TRY002  as the bindings do
        self._labels = Path(labels).read_text().split() if labels else []

    def _built_in(self, preset: str) -> tuple[Path | None, str | None]:
        folder, engine = PRESETS[preset]
        if self._machine.locate(f"networks/{folder}") is None:
            self._machine.downloads.append(f"tao-model-downloader.sh {folder}")
            return None, None
        found = self._machine.locate(f"networks/{folder}/{engine}")
        return found, str(found.parent / "labels.txt") if found else None

    def Detect(self, image: CudaImage, overlay: str = "box,labels,conf") -> list[Detection]:  # noqa: N802
        if image.format not in SUPPORTED:
            self._machine.log.append(f"detectNet::Detect() -- unsupported image format ({image.format})")
            return []
        if self._machine.broken:
            raise Exception("detectNet.Detect() encountered an error classifying the image")  # noqa: TRY002
        if self._machine.tensorrt >= 10:
            return []
        found = [box for index, label in enumerate(self._labels) for box in self._patch(image, index, label)]
        for box in found if overlay != "none" else []:
            image.pixels[int(box.Top) : int(box.Bottom), int(box.Left) : int(box.Right)] = 128
        return found

    def _patch(self, image: CudaImage, index: int, label: str) -> list[Detection]:
        channel = image.pixels[..., COLOURS[label]]
        confidence = float(channel.max()) / 255
        if confidence < self._threshold or confidence == 0:
            return []
        rows, columns = np.nonzero(channel == channel.max())
        height, width = channel.shape
        right, bottom = min(columns.max() + 1, width - 1), min(rows.max() + 1, height - 1)
        return [Detection(index, confidence, float(columns.min()), float(rows.min()), float(right), float(bottom))]
