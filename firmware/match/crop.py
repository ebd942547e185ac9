"""The one picture that may leave: the matched face with a little around it, all of that made unrecognisable.

Knows pixels; refuses to know who else is there. What lies outside the matched face's own box is reduced to coarse
blocks whether or not a face was found in it, so a face that the detector missed is hidden too.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from board.picture import Pixels
from models.faces import F32

AROUND = 0.4
"""Context on each side, as a share of the box's longer side."""
LARGEST_PX = 256
BLOCKS = 8
"""Blocks that the longer side of the context is reduced to: a face in it is at most three blocks wide."""


def matched_face_jpeg(image: Pixels, box: F32) -> bytes:
    """JPEG of at most 256 x 256 px around ``box`` (4,) px of ``image`` (H, W, 3) u8 RGB."""
    height, width = image.shape[:2]
    around = AROUND * float(max(box[2] - box[0], box[3] - box[1]))
    left, top, right, bottom = _inside(box + np.array([-around, -around, around, around]), width, height)
    context = Image.fromarray(image[top:bottom, left:right])
    face = _inside(box, width, height)
    picture = _unrecognisable(context)
    picture.paste(
        Image.fromarray(image[face[1] : face[3], face[0] : face[2]]), (max(0, face[0] - left), max(0, face[1] - top))
    )
    picture.thumbnail((LARGEST_PX, LARGEST_PX))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


def _inside(box: F32, width: int, height: int) -> tuple[int, int, int, int]:
    """Whole pixels of a box within the picture, at least one wide and high."""
    left, top = (int(np.clip(value, 0, limit - 1)) for value, limit in zip(box[:2], (width, height), strict=True))
    right = int(np.clip(np.ceil(box[2]), left + 1, width))
    bottom = int(np.clip(np.ceil(box[3]), top + 1, height))
    return left, top, right, bottom


def _unrecognisable(picture: Image.Image) -> Image.Image:
    scale = BLOCKS / max(picture.size)
    blocks = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(blocks, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BILINEAR)
