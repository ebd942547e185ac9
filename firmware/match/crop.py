"""The one picture that may leave: the matched face with a little around it, all of that made unrecognisable.

Knows pixels; refuses to know who else is there. What lies outside the ellipse of the matched face is reduced to coarse
blocks whether or not a face was found in it, so a face that the detector missed is hidden too.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from board.picture import Pixels
from models.faces import F32

AROUND = 0.4
"""Context on each side, as a share of the box's longer side."""
MARGIN = 0.1
"""What is hidden around another face, as a share of its box's width."""
LARGEST_PX = 256
BLOCKS = 8
"""Blocks that the longer side of the context is reduced to: a face in it is at most three blocks wide."""


def matched_face_jpeg(image: Pixels, box: F32, beside: F32) -> bytes:
    """JPEG of at most 256 x 256 px around a face.

    Args:
        image: (H, W, 3) u8 RGB.
        box: (4,) px of the matched face; only the ellipse in it is shown as it is.
        beside: (n, 4) px of the frame's other faces; where they reach into the ellipse they are hidden too.
    """
    height, width = image.shape[:2]
    around = AROUND * float(max(box[2] - box[0], box[3] - box[1]))
    left, top, right, bottom = _inside(box + np.array([-around, -around, around, around]), width, height)
    context = Image.fromarray(image[top:bottom, left:right])
    shown = Image.new("L", context.size, 0)
    pen = ImageDraw.Draw(shown)
    corner = np.array([left, top, left, top], np.float32)
    pen.ellipse([float(edge) for edge in box - corner], fill=255)
    for other in beside:
        margin = MARGIN * float(other[2] - other[0])
        pen.rectangle([float(edge) for edge in other - corner + np.array([-margin, -margin, margin, margin])], fill=0)
    picture = Image.composite(context, _unrecognisable(context), shown)
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
