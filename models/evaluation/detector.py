"""How small a face the detector finds, and how often it sees one where none is. Knows boxes and rates; no template.

The truth is the detector's own box on the photograph at its full size: nobody drew boxes, so a face that it misses even
there is in no figure here. What ISO/IEC 19795-1 calls failure to acquire begins with these misses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from models.evaluation.frame import FRAME_PX, FramePath, Shown, found_again, laid, scaled
from models.faces import F32, Faces
from models.intervals import Rate, exact
from models.plan import Progress
from models.portrait import Pixels
from models.vision import Canvas, Vision

PHOTOS = 300
"""Photographs that are tried; enough for 1.2 % at most where none is missed."""
WIDTHS_PX = (8, 12, 16, 20, 24, 32, 40, 56, 80, 120, 200)
"""Of a face's box on the frame."""
CANVASES: tuple[Canvas, ...] = ("full", "small")
BLOCK_PX = 16
"""Side of the pieces that a picture is taken apart into: no face of :data:`WIDTHS_PX` above it survives."""
BLANKED, MIXED = "the only face blanked", f"mixed in pieces of {BLOCK_PX} px"
_GROWN = 1.5
"""A box holds a face without hair and chin's end; so much more is blanked."""


class WidthRecall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Faces of one width.

    Attributes:
        width_px: of the box, on a frame of 1280 x 720.
        canvas: of the detector.
        recall: faces found, with an intersection over union of a half at least.
    """

    width_px: int
    canvas: str
    recall: Rate


class FalseFaces(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pictures without a face.

    Attributes:
        made: how they were made.
        canvas: of the detector.
        pictures: with a face all the same.
        faces: found on all of them together.
    """

    made: str
    canvas: str
    pictures: Rate
    faces: int


class DetectorReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recall by rising width, and what is found where nothing is."""

    recalls: tuple[WidthRecall, ...]
    false_faces: tuple[FalseFaces, ...]


def measure(
    photos: Sequence[Shown],
    vision: Vision,
    rng: np.random.Generator,
    progress: Progress = lambda what, done, of: None,
) -> DetectorReport:
    """Lay each photograph on a frame once for each width, anywhere; then once blanked and once in pieces.

    Args:
        photos: with their faces; those in which more than one face is found are not blanked.
        vision: the networks.
        rng: where on the frame, and how the pieces are mixed.
        progress: called with ("faces of falling size", done, all).

    Raises:
        ValueError: no photograph.
        ModelError: as the networks say.
    """
    paths = {canvas: FramePath(vision, canvas) for canvas in CANVASES}
    found = {(width, canvas): list[bool]() for canvas in CANVASES for width in WIDTHS_PX}
    seen = {(made, canvas): list[int]() for canvas in CANVASES for made in (BLANKED, MIXED)}
    for done, photo in enumerate(photos):
        progress("faces of falling size", done, len(photos))
        for width in WIDTHS_PX:
            frame = laid(scaled(photo, width / photo.face_width_px), *rng.random(2))
            for canvas, path in paths.items():
                found[width, canvas].append(found_again(path.faces(frame.image), frame.face) is not None)
        for made, picture in _without_face(photo, vision, rng):
            for canvas, path in paths.items():
                seen[made, canvas].append(len(path.faces(picture)))
    progress("faces of falling size", len(photos), len(photos))
    return DetectorReport(
        recalls=tuple(WidthRecall(*key, exact(sum(each), len(each))) for key, each in found.items()),
        false_faces=tuple(
            FalseFaces(*key, exact(sum(count > 0 for count in each), len(each)), sum(each))
            for key, each in seen.items()
            if each
        ),
    )


def blanked(image: Pixels, box: F32) -> Pixels:
    """The picture (H, W, 3) u8 with a box (4) and its surroundings filled across from left to right edge."""
    height, width = image.shape[:2]
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * _GROWN
    left, top = np.clip(np.floor(middle - half).astype(int), 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(middle + half).astype(int), [left + 1, top + 1], [width, height])
    share = np.linspace(0, 1, right - left, dtype=np.float32)[None, :, None]
    edges = image[top:bottom, [left, right - 1]].astype(np.float32)
    filled: Pixels = image.copy()
    filled[top:bottom, left:right] = edges[:, :1] * (1 - share) + edges[:, 1:] * share
    return filled


def mixed(image: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture taken apart into squares of :data:`BLOCK_PX`, laid together by chance; the rest is cut off."""
    rows, columns = (side // BLOCK_PX for side in image.shape[:2])
    squares = image[: rows * BLOCK_PX, : columns * BLOCK_PX].reshape(rows, BLOCK_PX, columns, BLOCK_PX, 3)
    order = rng.permutation(rows * columns)
    pieces = squares.swapaxes(1, 2).reshape(-1, BLOCK_PX, BLOCK_PX, 3)[order]
    whole: Pixels = pieces.reshape(rows, columns, BLOCK_PX, BLOCK_PX, 3).swapaxes(1, 2)
    return whole.reshape(rows * BLOCK_PX, columns * BLOCK_PX, 3)


def _without_face(photo: Shown, vision: Vision, rng: np.random.Generator) -> Iterator[tuple[str, Pixels]]:
    """Frames without a face, each with how it was made."""
    if len(vision.detector.detect(photo.image)) == 1:
        yield BLANKED, _filling(blanked(photo.image, photo.face.boxes[0]))
    yield MIXED, mixed(_filling(photo.image), rng)


def _filling(image: Pixels) -> Pixels:
    """A frame (720, 1280, 3) u8 with the picture as large as it goes."""
    photo = Shown(image, Faces.none())
    return laid(scaled(photo, min(side / own for side, own in zip(FRAME_PX, photo.size_px, strict=True)))).image
