"""Open the manifest's detector and embedder, ready and proven. Knows how they belong together; nothing of cameras."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.align import CHIP_PX, TEMPLATE
from models.built import FILES, Graph, built_graph
from models.closeup import Closeup
from models.detector import Detector
from models.embedder import BATCH, Embedder
from models.golden import Figures, verify
from models.letterbox import CanvasDetector
from models.manifest import MANIFEST, Manifest, load_manifest
from models.runner import Backend, Profile

Canvas = Literal["full", "small"]
"""How large the detector sees: the small one costs half and misses small faces."""
DetectorFor = Callable[[int, int, Canvas], Detector]
"""(height, width) in pixels and the canvas, to a detector for such pictures."""
_CHIPS = Profile(CHIP_PX, CHIP_PX, BATCH)


@dataclass(frozen=True)
class Vision:
    """The networks of one run.

    Attributes:
        detector: finds faces in pictures of any size.
        closeup: finds the landmarks of one face better.
        embedder: makes templates.
        runner: backend, version and precision, in words.
        digest: sha256 over all graphs and the alignment template.
        detector_for: makes a detector for one picture size, which is faster (measured with OpenVINO: 3.0 instead of 5.8
            ms at 640x360); raises ModelError where none can be had.
        canvases_px: (width, height) that a detector sees at most.
        self_test: reproduces the golden vectors; raises ModelError where it does not.
        in_place: its detectors take pictures that lie on the device.
        figures: the golden ones.
    """

    detector: Detector
    closeup: Closeup
    embedder: Embedder
    runner: str
    digest: str
    detector_for: DetectorFor
    canvases_px: dict[Canvas, tuple[int, int]]
    self_test: Callable[[], None]
    in_place: bool = False
    figures: Figures | None = None


@dataclass(frozen=True)
class Graphs:
    """All graphs that run, read and checked."""

    detector: Graph
    small: Graph
    closeup: Graph
    embedder: Graph

    @staticmethod
    def load(manifest: Manifest, files: Path = FILES) -> Graphs:
        """The manifest's.

        Raises:
            ModelError: one is missing or changed.
        """
        detector, embedder = manifest.one("detector"), manifest.one("embedder")
        return Graphs(
            detector=built_graph(detector, files),
            small=built_graph(detector, files, "small"),
            closeup=built_graph(detector, files, "closeup"),
            embedder=built_graph(embedder, files),
        )

    def profiles(self, sizes_px: tuple[tuple[int, int], ...]) -> list[tuple[Graph, Profile]]:
        """Each graph with each kind of pictures that it will be given on a device.

        Args:
            sizes_px: (width, height) of the cameras' pictures.
        """
        whole = [
            (graph, Profile(height, width))
            for graph in (self.detector, self.small)
            for width, height in dict.fromkeys((graph.canvas_px, *sizes_px))
        ]
        return [(self.embedder, _CHIPS), (self.closeup, _square(self.closeup)), *whole]


def open_folder(backend: Backend, folder: Path | None) -> Vision:
    """The networks of a folder that holds a manifest, its graphs and their golden figures; ``None``: the shipped ones.

    Raises:
        ModelError: as :func:`open_vision`.
    """
    return (
        open_vision(backend) if folder is None else open_vision(backend, load_manifest(folder / MANIFEST.name), folder)
    )


def open_vision(backend: Backend, manifest: Manifest | None = None, files: Path = FILES) -> Vision:
    """Load, check against the golden vectors, and hand out the networks.

    Raises:
        ModelError: a graph or its golden figures are missing, or it was changed, cannot be run, or does not
            reproduce them.
    """
    graphs = Graphs.load(manifest or load_manifest(), files)
    closeup = Detector.of(graphs.closeup, backend.open(graphs.closeup, _square(graphs.closeup)))
    template = hashlib.sha256(TEMPLATE.tobytes()).hexdigest()
    space = hashlib.sha256(f"{graphs.embedder.sha256}:{graphs.closeup.sha256}:{template}".encode()).hexdigest()
    runner = backend.open(graphs.embedder, _CHIPS)
    net = graphs.embedder.net
    embedder = Embedder(runner, space, net.dimension, net.full_length)
    detector = _for_any_size(backend, graphs.detector)
    figures = Figures.load(graphs.detector.net, graphs.embedder.net, files)
    self_test = functools.partial(verify, detector, embedder, figures)
    self_test()
    return Vision(
        detector=detector,
        closeup=Closeup(closeup),
        embedder=embedder,
        runner=runner.name,
        digest=hashlib.sha256(
            f"{graphs.detector.sha256}:{graphs.small.sha256}:{space}:{net.full_length}".encode()
        ).hexdigest(),
        detector_for=lambda height_px, width_px, canvas: _for_one_size(backend, graphs, (width_px, height_px), canvas),
        canvases_px={"full": graphs.detector.canvas_px, "small": graphs.small.canvas_px},
        self_test=self_test,
        in_place=backend.in_place,
        figures=figures,
    )


def _for_any_size(backend: Backend, graph: Graph) -> Detector:
    if backend.any_size:
        return Detector.of(graph, backend.open(graph))
    width, height = graph.canvas_px
    return CanvasDetector.of(graph, backend.open(graph, Profile(height, width)))


def _for_one_size(backend: Backend, graphs: Graphs, size_px: tuple[int, int], canvas: Canvas) -> Detector:
    """Where engines have to be built, a picture that was fitted into the canvas needs no engine of its own."""
    graph = {"full": graphs.detector, "small": graphs.small}[canvas]
    fitted = size_px[0] <= graph.canvas_px[0] and size_px[1] <= graph.canvas_px[1]
    if fitted and not backend.any_size:
        return _for_any_size(backend, graph)
    return Detector.of(graph, backend.open(graph, Profile(size_px[1], size_px[0])))


def _square(graph: Graph) -> Profile:
    return Profile(graph.canvas_px[1], graph.canvas_px[0])
