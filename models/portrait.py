"""Read a portrait, and find the one face that it is of. Knows pictures and faces; refuses to know whose they are.

A portrait is somebody's file: whatever is wrong with it becomes one exception with the figure and the limit.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from models.faces import F32, Faces
from models.vision import Vision

Pixels = npt.NDArray[np.uint8]
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
"""What a file may hold, whatever it is called: Pillow would run other decoders too, and Ghostscript."""
MAX_MEGAPIXELS = 24.0
MIN_SCORE = 0.6
MIN_SHARPNESS = 0.25
MAX_RIVAL = 0.6
"""A second face is a rival when its prominence (width x nearness to the middle) reaches this share of the first's.
Of LFW's 6,665 portraits 1,167 show bystanders, and 12 have a rival."""
DUPLICATE_SIMILARITY = 0.95
"""Two pictures of one person rarely reach it; two copies of one picture always do."""


class UnfitPortraitError(Exception):
    """The text is the reason, with figure and limit."""


@dataclass(frozen=True)
class Found:
    """A portrait, and the face that it is of.

    Attributes:
        image: (H, W, 3) u8 RGB, upright.
        face: one face, the most prominent, in the image's pixels.
        rival: the second face's prominence as a share of the first's; 0 where there is no second.
    """

    image: Pixels
    face: Faces
    rival: float

    @property
    def width_px(self) -> float:
        """Width of the face's box."""
        return float(self.face.boxes[0, 2] - self.face.boxes[0, 0])


def read(content: bytes) -> Pixels:
    """The picture (H, W, 3) u8 RGB that a file's bytes hold, turned upright as its camera noted.

    Raises:
        UnfitPortraitError: damaged, huge, or no picture of the formats that are read.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            _refuse_huge(picture)
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except UnfitPortraitError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them meet
        raise UnfitPortraitError(f"cannot be read as a picture: {_in_words(error)}") from error


def find(image: Pixels, vision: Vision) -> Found:
    """The face that a portrait (H, W, 3) u8 is of.

    Raises:
        UnfitPortraitError: no face found.
        ModelError: as the detector says.
    """
    small = _fitted(image, vision.detector.canvas_px)
    faces = vision.detector.detect(small).scaled(image.shape[1] / small.shape[1])
    faces = faces[faces.scores >= MIN_SCORE]
    if not len(faces):
        raise UnfitPortraitError("no face found")
    prominences = prominence(faces.boxes, image.shape[1], image.shape[0])
    order = np.argsort(-prominences)
    rival = float(prominences[order[1]] / prominences[order[0]]) if len(order) > 1 else 0.0
    return Found(image, faces[order[:1]], rival)


def prominence(boxes: F32, width_px: int, height_px: int) -> F32:
    """(n) f32 of (n, 4) boxes in a picture of that size: a face's width x its nearness to the middle."""
    widths = boxes[:, 2] - boxes[:, 0]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    offsets = (centres / np.array([width_px, height_px], np.float32) * 2 - 1) / np.sqrt(2)
    result: F32 = widths * np.maximum(0.05, 1 - np.hypot(*offsets.T))
    return result


def refuse_rival(found: Found) -> None:
    """Refuse a portrait that could be of another face.

    Raises:
        UnfitPortraitError: a second face is nearly as prominent.
    """
    if found.rival >= MAX_RIVAL:
        raise UnfitPortraitError(
            f"two faces: the second is {found.rival:.0%} as prominent as the first, limit {MAX_RIVAL:.0%}"
        )


def _fitted(image: Pixels, box_px: tuple[int, int]) -> Pixels:
    """Area-averaged down to the box, where it is larger."""
    height, width = image.shape[:2]
    scale = min(1.0, box_px[0] / width, box_px[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image if scale == 1 else np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def _refuse_huge(picture: Image.Image) -> None:
    megapixels = picture.width * picture.height / 1e6
    if megapixels > MAX_MEGAPIXELS:
        raise UnfitPortraitError(f"huge: {megapixels:.1f} megapixels, at most {MAX_MEGAPIXELS:.0f} are read")


def _in_words(error: Exception) -> str:
    """Pillow names the object that it read from by its address, which says nothing and differs each time."""
    return "no picture of a format that is read" if "cannot identify" in str(error) else str(error)
