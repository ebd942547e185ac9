"""Find the faces of a frame by looking at the smallest picture that serves. Knows sizes and detectors; no tracks."""

from __future__ import annotations

from collections.abc import Callable

from board.camera import Frame
from board.picture import Pixels
from models.detector import Detector
from models.faces import Faces

MOST_SIZES = 8
"""Compiled detectors kept, 10 MB each: as many as a van has cameras."""
DetectorFor = Callable[[int, int], Detector]


class Finder:
    """Detectors for the cameras' picture sizes, each made when its size first comes.

    Args:
        canvas_px: (width, height) of the detectors' canvas.
        detector_for: (height, width) in pixels to a detector that is compiled for such pictures.
    """

    def __init__(self, canvas_px: tuple[int, int], detector_for: DetectorFor) -> None:
        self._canvas_px = canvas_px
        self._detector_for = detector_for
        self._detectors: dict[tuple[int, int], Detector] = {}

    def shrink(self, frame: Frame) -> Pixels:
        """The picture that :meth:`find` needs, (h, w, 3) u8; apart, so that another thread can make it ahead."""
        return frame.picture.fitted(*self._canvas_px)

    def find(self, frame: Frame, small: Pixels) -> Faces:
        """The faces of a frame, in pixels of its whole picture."""
        size = (small.shape[0], small.shape[1])
        if size not in self._detectors:
            if len(self._detectors) >= MOST_SIZES:
                del self._detectors[next(iter(self._detectors))]
            self._detectors[size] = self._detector_for(*size)
        return self._detectors[size].detect(small).scaled(frame.picture.width_px / small.shape[1])
