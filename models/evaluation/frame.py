"""A photograph as a camera's frame would show it, and its face found there again. Knows geometry; judges nothing.

A photograph fills the detector's canvas; a passer-by does not. So photographs are laid on a frame of the cameras' size
and go the way that a frame goes: detection on the whole frame, a second look close up, alignment, both passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from models.align import chips
from models.detector import intersection_over_union
from models.faces import F32, Faces
from models.portrait import Pixels
from models.vision import Canvas, Vision

FRAME_PX = (1280, 720)
"""Width and height."""
MIN_OVERLAP = 0.5
"""Intersection over union from which a box is the face that is looked for; as in WIDER FACE (Yang et al., 2016)."""
_GREY = 128


@dataclass(frozen=True)
class Shown:
    """A picture and the one face that it is of.

    Attributes:
        image: (H, W, 3) u8 RGB.
        face: one face, in the image's pixels.
    """

    image: Pixels
    face: Faces

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def face_width_px(self) -> float:
        """Of the face's box."""
        return float(self.face.boxes[0, 2] - self.face.boxes[0, 0])


def scaled(photo: Shown, scale: float) -> Shown:
    """The photograph ``scale`` times as large: averaged by area where it shrinks, linear where it grows."""
    width, height = (max(1, round(side * scale)) for side in photo.size_px)
    if (width, height) == photo.size_px:
        return photo
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    image = np.asarray(Image.fromarray(photo.image).resize((width, height), method))
    return Shown(image, photo.face.scaled(width / photo.size_px[0]))


def fitting(photo: Shown) -> Shown:
    """The photograph, made smaller where it is larger than a frame."""
    return scaled(photo, min(1.0, *(side / own for side, own in zip(FRAME_PX, photo.size_px, strict=True))))


def laid(photo: Shown, across: float = 0.5, down: float = 0.5) -> Shown:
    """The photograph on a grey frame; what reaches over the frame's edge is cut off.

    Args:
        photo: of any size.
        across: where, as a share of the room that is left; 0.5 is the middle.
        down: the same.
    """
    (width, height), (frame_width, frame_height) = photo.size_px, FRAME_PX
    left, top = round((frame_width - width) * across), round((frame_height - height) * down)
    frame = Image.new("RGB", FRAME_PX, (_GREY,) * 3)
    frame.paste(Image.fromarray(photo.image), (left, top))
    shift = np.array([left, top], np.float32)
    face = Faces(photo.face.boxes + np.tile(shift, 2), photo.face.landmarks + shift, photo.face.scores)
    return Shown(np.asarray(frame), face)


def found_again(faces: Faces, wanted: Faces) -> Faces | None:
    """Of the faces that were found, the one that covers the wanted face; none where no box overlaps it enough."""
    overlaps = intersection_over_union(wanted.boxes, faces.boxes)[0]
    if not len(overlaps) or overlaps.max() < MIN_OVERLAP:
        return None
    return faces[np.array([int(overlaps.argmax())])]


class Way(Protocol):
    """From a frame to a template."""

    def find(self, frame: Shown) -> Shown | None:
        """The frame with its face as it is found; none where it is not."""

    def template(self, found: Shown) -> F32:
        """The face's template (d), of unit length."""


class FramePath:
    """The way of a frame through the networks.

    Args:
        vision: the networks.
        canvas: how large the detector sees.

    Raises:
        ModelError: no detector can be had for a frame.
    """

    def __init__(self, vision: Vision, canvas: Canvas = "full") -> None:
        self._vision = vision
        self._detector = vision.detector_for(FRAME_PX[1], FRAME_PX[0], canvas)

    def faces(self, image: Pixels) -> Faces:
        """All faces of a frame (720, 1280, 3) u8."""
        return self._detector.detect(image)

    def find(self, frame: Shown) -> Shown | None:
        """The frame with its face as the detector sees it; none where it sees none there."""
        face = found_again(self.faces(frame.image), frame.face)
        return None if face is None else Shown(frame.image, face)

    def refine(self, found: Shown) -> F32:
        """The face's landmarks (1, 5, 2) after the second look."""
        return self._vision.closeup.refine(found.image, found.face.boxes, found.face.landmarks)

    def template(self, found: Shown) -> F32:
        """The face's template (d), both passes."""
        both: F32 = self._vision.embedder.embed_both(chips(found.image, self.refine(found))).vectors[0]
        return both
