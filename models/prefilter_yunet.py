"""A pre-filter for hosts: the detector's own network on a small canvas. Stands in for detectNet where it is measured.

Knows how to make the small graph; refuses to be chosen by a van's configuration: the bench alone opens it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from models.built import FILES, built_graph
from models.detector import Detector
from models.faces import F32
from models.graphs import detector_graph
from models.manifest import Manifest, load_manifest
from models.runner_openvino import OpenVinoRunner


class SmallYuNet:
    """Finds boxes in a picture of the one size that it was opened for; see :class:`models.prefilter.Prefilter`."""

    def __init__(self, name: str, detector: Detector) -> None:
        self.name = name
        self._detector = detector

    def boxes(self, image: npt.NDArray[np.uint8]) -> F32:
        """Boxes of the faces that can be seen so small, (n, 4) f32, px of ``image`` (h, w, 3) u8 RGB."""
        return self._detector.detect(image).boxes


def open_small_yunet(
    canvas_px: tuple[int, int],
    picture_hw: tuple[int, int],
    min_score: float,
    manifest: Manifest | None = None,
    files: Path = FILES,
) -> SmallYuNet:
    """Build and compile the detector's network for ``canvas_px`` (width, height; multiples of 32).

    Args:
        canvas_px: in pixels; the network sees faces of about 10 of them and more.
        picture_hw: (height, width) in pixels of the pictures that it will be shown.
        min_score: boxes below are not reported; [0, 1].
        manifest: of the networks; the shipped one if absent.
        files: where built networks lie.

    Raises:
        ModelError: the network is not here or was changed, or the canvas does not fit its grids.
    """
    net = (manifest or load_manifest()).one("detector")
    plain = built_graph(net, files, "fp32")
    graph = detector_graph(onnx.load(plain.path), net, canvas_px)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{net.name}-small.onnx"
        onnx.save(graph, path)
        detector = Detector(OpenVinoRunner(path, picture_hw), canvas_px, min_score)
    return SmallYuNet(f"{net.name} at {canvas_px[0]} x {canvas_px[1]}", detector)
