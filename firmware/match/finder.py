"""Find the faces of a frame by looking at the smallest picture that serves. Knows sizes and detectors; no tracks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from board.camera import Frame
from board.picture import Pixels
from models.detector import Detector
from models.engines import EngineRefused
from models.faces import Faces
from models.manifest import ModelError
from models.prefilter import Gate
from models.vision import Canvas, Vision

MOST_DETECTORS = 16
"""Compiled detectors kept, 10 MB each: one a camera's picture size and canvas."""


class Finder:
    """Detectors for the cameras' picture sizes, each made when its size first comes.

    Args:
        vision: makes the detectors.
        gate: spares the detector frames without anybody; it is shown the same picture.
    """

    def __init__(self, vision: Vision, gate: Gate[Any] | None = None) -> None:
        self._vision = vision
        self._gate = gate
        self._detectors: dict[tuple[int, int, Canvas], Detector] = {}
        self._refused: dict[tuple[int, int, Canvas], str] = {}
        self._gates_t_ns: int | None = None
        self.copied: dict[str, str] = {}
        """Cameras whose frames are copied and shrunk before they are looked at, and why."""

    def shrink(self, frame: Frame, canvas: Canvas = "full") -> Pixels:
        """The picture that :meth:`find` needs, (h, w, 3) u8; apart, so that another thread can make it ahead."""
        return frame.picture.fitted(*self._vision.canvases_px[canvas])

    def find(self, frame: Frame, small: Pixels, canvas: Canvas = "full") -> Faces:
        """The faces of a frame, in pixels of its whole picture; none where the gate spares the detector the frame.

        Raises:
            ModelError: no detector can be had for such pictures.
        """
        return self._through(frame, small, lambda: self._found(frame, small, canvas))

    def look(self, frame: Frame, canvas: Canvas = "full") -> Faces:
        """The faces of a frame, read where it lies if the networks can; raises as :meth:`find`."""
        if not self._vision.in_place:
            return self.find(frame, self.shrink(frame, canvas), canvas)
        with frame.picture.on_device() as pixels:
            if pixels is not None and (detector := self._in_place(frame, canvas)) is not None:
                return self._through(frame, pixels, lambda: detector.detect_in_place(pixels))
        return self._found(frame, self.shrink(frame, canvas), canvas)  # the gate looks at pictures on the device

    def rehearse(self, frame: Frame, canvas: Canvas = "full") -> Faces:
        """As :meth:`look`, with the same detectors, for a picture that never was on a device.

        A gate that takes small pictures has to notice the faces of one frame of a rehearsal, the one that first shows
        some; what it remembers of the cameras stays as it is. One
        that takes pictures on the device cannot be shown this one.

        Raises:
            ModelError: as :meth:`find`, or the gate would have spared the detector faces.
        """
        if self._vision.in_place and (detector := self._in_place(frame, canvas)) is not None:
            return detector.detect(frame.picture.rgb())
        small = self.shrink(frame, canvas)
        faces = self._found(frame, small, canvas)
        if self._gate is not None and not self._vision.in_place and len(faces):
            self._gates_t_ns = frame.t_ns if self._gates_t_ns is None else self._gates_t_ns
            if frame.t_ns == self._gates_t_ns and not self._gate.notices(small):
                raise ModelError(f"rehearsal: the pre-filter sees nobody, the detector finds {len(faces)} faces")
        return faces

    def _found(self, frame: Frame, small: Pixels, canvas: Canvas) -> Faces:
        detector = self._detector(small.shape[0], small.shape[1], canvas)
        return detector.detect(small).scaled(frame.picture.width_px / small.shape[1])

    def _in_place(self, frame: Frame, canvas: Canvas) -> Detector | None:
        """The detector for this camera's whole frames; None, and the reason in ``copied``, where there is no engine."""
        height, width = frame.picture.height_px, frame.picture.width_px
        if (height, width, canvas) not in self._refused:
            try:
                return self._detector(height, width, canvas)
            except EngineRefused as error:
                self._refused[height, width, canvas] = str(error)
        self.copied[frame.camera] = self._refused[height, width, canvas]
        return None

    def _through(self, frame: Frame, image: object, detect: Callable[[], Faces]) -> Faces:
        return detect() if self._gate is None else self._gate.through(frame.camera, frame.t_ns, image, detect)

    def _detector(self, height_px: int, width_px: int, canvas: Canvas) -> Detector:
        key = (height_px, width_px, canvas)
        if key not in self._detectors:
            if len(self._detectors) >= MOST_DETECTORS:
                del self._detectors[next(iter(self._detectors))]
            self._detectors[key] = self._vision.detector_for(*key)
        return self._detectors[key]
