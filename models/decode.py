"""From a detector's grids to boxes and landmarks. Knows each family's arithmetic; no runner, no picture, no threshold.

YuNet after OpenCV's ``FaceDetectorYN`` (modules/objdetect/src/face_detect.cpp). SCRFD after InsightFace's own decoder
(python-package/insightface/model_zoo/scrfd.py): an anchor lies at cell x stride, not in the middle of its cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.faces import F32, Index

STRIDES = (8, 16, 32)
"""The three grids of every family, in pixels of the canvas."""


@dataclass(frozen=True)
class Anchors:
    """Where a detector looks: ``cells`` (n, 2) f32 column and row, ``strides`` (n, 1) f32 in pixels of the canvas."""

    cells: F32
    strides: F32

    def __len__(self) -> int:
        """Number of anchors."""
        return len(self.cells)

    def __getitem__(self, index: Index) -> Anchors:
        """The anchors of an index or mask array."""
        return Anchors(self.cells[index], self.strides[index])


Decode = Callable[[Anchors, F32, F32], tuple[F32, F32]]
"""Anchors, their ``boxes`` (n, 4) and ``landmarks`` (n, 10) as the graph gives them, to boxes (n, 4), x1 y1 x2 y2, and
landmarks (n, 5, 2), in pixels of the canvas."""


def anchors(canvas_px: tuple[int, int], a_cell: int) -> Anchors:
    """All anchors of a canvas (width, height): finest grid first, rows from the top, ``a_cell`` after each other."""
    cells, strides = [], []
    for stride in STRIDES:
        columns, rows = canvas_px[0] // stride, canvas_px[1] // stride
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
        cells.append(grid.repeat(a_cell, axis=0).astype(np.float32))
        strides.append(np.full((len(cells[-1]), 1), stride, np.float32))
    return Anchors(np.concatenate(cells), np.concatenate(strides))


def decode_yunet(at: Anchors, boxes: F32, landmarks: F32) -> tuple[F32, F32]:
    """Centre = (cell + b[0:2]) stride, size = exp(b[2:4]) stride, landmark = (cell + k) stride."""
    centres = (at.cells + boxes[:, :2]) * at.strides
    halves = np.exp(boxes[:, 2:]) * at.strides / 2
    return np.hstack([centres - halves, centres + halves]), _points(at, landmarks)


def decode_scrfd(at: Anchors, boxes: F32, landmarks: F32) -> tuple[F32, F32]:
    """Distances from the anchor to left, top, right and bottom, and landmarks, all in strides."""
    first, last = at.cells - boxes[:, :2], at.cells + boxes[:, 2:]
    return np.hstack([first, last]) * at.strides, _points(at, landmarks)


def _points(at: Anchors, landmarks: F32) -> F32:
    points: F32 = (at.cells[:, None, :] + landmarks.reshape(-1, 5, 2)) * at.strides[:, :, None]
    return points


@dataclass(frozen=True)
class Family:
    """What detectors of one kind have alike.

    Attributes:
        anchors_a_cell: how many answers each cell of a grid gives.
        widths: what an answer consists of: the last dimension of each kind of output; a net has one a stride of each.
        decode: the arithmetic.
        min_score: faces below are not reported; [0, 1].
        closeup_share: width of a face in the second look, as a part of the canvas, at which the family sees best.
    """

    anchors_a_cell: int
    widths: tuple[int, ...]
    decode: Decode
    min_score: float
    closeup_share: float

    @property
    def outputs(self) -> int:
        """How many outputs a net of this family has."""
        return len(self.widths) * len(STRIDES)


YUNET = Family(anchors_a_cell=1, widths=(1, 1, 4, 10), decode=decode_yunet, min_score=0.6, closeup_share=0.5)
"""Outputs: class, objectness, box, landmarks."""
SCRFD = Family(anchors_a_cell=2, widths=(1, 4, 10), decode=decode_scrfd, min_score=0.5, closeup_share=0.3)
"""Outputs: score, box, landmarks. Its published nets miss faces wider than 0.4 of the picture (insightface #1518)."""
FAMILIES = {"yunet": YUNET, "scrfd": SCRFD}
