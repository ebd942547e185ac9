"""Find faces in a picture. Knows the detector's grid, its decoding and non-maximum suppression; no tracks, no people.

Decoding after OpenCV's ``FaceDetectorYN`` (modules/objdetect/src/face_detect.cpp): for the cell (column, row) of a grid
of stride ``s``, centre = (cell + b[0:2]) s, size = exp(b[2:4]) s, landmark = (cell + k) s, score = sqrt(class object).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.faces import F32, Faces
from models.manifest import ModelError
from models.runner import CudaArray, InPlaceRunner, Runner

STRIDES = (8, 16, 32)
"""YuNet's three grids, in pixels of the canvas."""


class Detector:
    """YuNet's graph of :func:`models.graphs.detector_graph` behind a runner.

    Args:
        runner: runs the graph.
        canvas_px: (width, height) of the graph's canvas.
        min_score: faces below are not reported; [0, 1].
        max_overlap: of two boxes with a larger intersection over union, the one with the lower score goes.

    Raises:
        ModelError: the outputs are not the three of such a graph.
    """

    def __init__(
        self, runner: Runner, canvas_px: tuple[int, int], min_score: float = 0.6, max_overlap: float = 0.3
    ) -> None:
        self.canvas_px = canvas_px
        self._runner = runner
        self._min_score = min_score
        self._max_overlap = max_overlap
        self._cells, self._strides = _grid(canvas_px)

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
        if [output.shape[1:] for output in outputs] != [(n := len(self._strides),), (n, 4), (n, 10)]:
            shapes = [output.shape for output in outputs]
            raise ModelError(f"detector: canvas {self.canvas_px} has {n} anchors, the outputs are {shapes}")
        scores, boxes, landmarks = (output[0] for output in outputs)
        found = np.flatnonzero(scores >= self._min_score)
        found = found[np.argsort(-scores[found], kind="stable")]
        faces = self._decode(found, scores[found], boxes[found], landmarks[found])
        kept = faces[suppress(faces.boxes, self._max_overlap)]
        height, width = shape[:2]
        return kept.scaled(max(width / self.canvas_px[0], height / self.canvas_px[1]))

    def _decode(self, found: npt.NDArray[np.intp], scores: F32, boxes: F32, landmarks: F32) -> Faces:
        cells, strides = self._cells[found], self._strides[found][:, None]
        centres = (cells + boxes[:, :2]) * strides
        halves = np.exp(boxes[:, 2:]) * strides / 2
        points = (cells[:, None, :] + landmarks.reshape(-1, 5, 2)) * strides[:, :, None]
        return Faces(np.hstack([centres - halves, centres + halves]), points, scores.astype(np.float32))


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


def _grid(canvas_px: tuple[int, int]) -> tuple[F32, F32]:
    """Cell (column, row) and stride of every anchor, finest grid first, rows from the top: (n, 2) and (n,) f32."""
    cells, strides = [], []
    for stride in STRIDES:
        columns, rows = canvas_px[0] // stride, canvas_px[1] // stride
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
        cells.append(grid.astype(np.float32))
        strides.append(np.full(len(grid), stride, np.float32))
    return np.concatenate(cells), np.concatenate(strides)
