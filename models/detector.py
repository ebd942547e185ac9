"""Find faces in a picture. Knows a detector's answers and non-maximum suppression; no tracks, no people.

How the answers are decoded is the family's: :mod:`models.decode`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.built import Graph
from models.decode import FAMILIES, YUNET, Family, anchors
from models.faces import F32, Faces
from models.manifest import ModelError
from models.runner import CudaArray, InPlaceRunner, Runner

_Kind = TypeVar("_Kind", bound="Detector")


class Detector:
    """A graph of :func:`models.graphs.detector_graph` behind a runner.

    Args:
        runner: runs the graph.
        canvas_px: (width, height) of the graph's canvas.
        min_score: faces below are not reported; [0, 1]. The family's unless told.
        max_overlap: of two boxes with a larger intersection over union, the one with the lower score goes.
        family: how the graph's outputs are to be read.

    Raises:
        ModelError: the outputs are not the three of such a graph.
    """

    def __init__(
        self,
        runner: Runner,
        canvas_px: tuple[int, int],
        min_score: float | None = None,
        max_overlap: float = 0.3,
        family: Family = YUNET,
    ) -> None:
        self.canvas_px = canvas_px
        self.family = family
        self._runner = runner
        self._min_score = family.min_score if min_score is None else min_score
        self._max_overlap = max_overlap
        self._most: int | None = None
        self._anchors = anchors(canvas_px, family.anchors_a_cell)

    def detect(self, image: npt.NDArray[np.uint8]) -> Faces:
        """Faces of one picture in its own pixels, best score first.

        Args:
            image: (height, width, 3) u8 RGB of any size; the graph letterboxes it.

        Raises:
            ModelError: another shape, or outputs that do not fit the canvas.
        """
        return self._faces(self._runner.run(image[None]), image.shape)

    def detect_in_place(self, image: CudaArray) -> Faces:
        """As :meth:`detect`, for a picture that lies on the device and is not copied.

        Raises:
            ModelError: as :meth:`detect`, or the networks run on the processor.
        """
        if not isinstance(self._runner, InPlaceRunner):
            raise ModelError(f"{self._runner.name} reads no pictures on a device")
        return self._faces(self._runner.run_in_place(image), image.shape)

    def _faces(self, outputs: Sequence[F32], shape: tuple[int, ...]) -> Faces:
        if [output.shape[1:] for output in outputs] != [(n := len(self._anchors),), (n, 4), (n, 10)]:
            shapes = [output.shape for output in outputs]
            raise ModelError(f"detector: canvas {self.canvas_px} has {n} anchors, the outputs are {shapes}")
        scores, boxes, landmarks = (output[0] for output in outputs)
        found = np.flatnonzero(scores >= self._min_score)
        found = found[np.argsort(-scores[found], kind="stable")][: self._most]
        decoded = self.family.decode(self._anchors[found], boxes[found], landmarks[found])
        faces = Faces(*decoded, scores[found].astype(np.float32))
        kept = faces[suppress(faces.boxes, self._max_overlap)]
        height, width = shape[:2]
        return kept.scaled(max(width / self.canvas_px[0], height / self.canvas_px[1]))

    @classmethod
    def of(cls: type[_Kind], graph: Graph, runner: Runner) -> _Kind:  # noqa: PYI019 typing.Self is younger than 3.10
        """The detector of a built graph that ``runner`` runs."""
        return cls(runner, graph.canvas_px, family=FAMILIES[graph.net.family])

    def seeing_all(self, most: int) -> Detector:
        """The same detector, but that it reports its ``most`` best answers, whether or not they are faces."""
        other = copy.copy(self)
        other._min_score, other._most, other._max_overlap = 0.0, most, 1.0  # noqa: SLF001 its own kind
        return other


def suppress(boxes: F32, max_overlap: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: indices of the boxes to keep, for (n, 4) boxes with the best first."""
    overlap = intersection_over_union(boxes, boxes) > max_overlap
    kept = np.ones(len(boxes), bool)
    for index in range(len(boxes)):
        if kept[index]:
            kept[index + 1 :] &= ~overlap[index, index + 1 :]
    return np.flatnonzero(kept)


def intersection_over_union(a: F32, b: F32) -> F32:
    """(n, m) f32 of the (n, 4) and (m, 4) boxes x1 y1 x2 y2."""
    sizes = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    np.maximum(sizes, 0, out=sizes)
    shared = sizes[:, :, 0] * sizes[:, :, 1]
    union = _areas(a)[:, None] + _areas(b)[None, :] - shared
    result: F32 = shared / np.maximum(union, np.float32(1e-9))
    return result


def _areas(boxes: F32) -> F32:
    areas: F32 = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
