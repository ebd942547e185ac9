"""Cut a face out of a picture so that its eyes, nose and mouth lie where the embedder learned them. Knows geometry.

The template is ArcFace's 112 x 112 (Deng et al., CVPR 2019); the transform is Umeyama's least-squares similarity (IEEE
TPAMI 1991): rotation, one scale and a shift, never a mirror.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.faces import F32

CHIP_PX = 112
TEMPLATE: F32 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""Where the five landmarks belong, x y in pixels of a chip; the order of :class:`models.faces.Faces`."""


def chips(image: npt.NDArray[np.uint8], landmarks: F32) -> npt.NDArray[np.uint8]:
    """Aligned faces, (n, 112, 112, 3) u8, of an image (H, W, 3) u8 and landmarks (n, 5, 2) in its pixels."""
    out = np.empty((len(landmarks), CHIP_PX, CHIP_PX, 3), np.uint8)
    for index, points in enumerate(landmarks):
        out[index] = _warp(image, to_picture(points))
    return out


def to_picture(points: F32) -> F32:
    """The (2, 3) f32 transform from chip to picture that brings the template nearest to five ``points`` (5, 2)."""
    source, target = TEMPLATE - TEMPLATE.mean(0), points - points.mean(0)
    # In the plane the best rotation times scale is a complex number: sum(conj(source) * target) / sum(|source|^2).
    power = float((source**2).sum())
    cosine = float((source * target).sum()) / power
    sine = float((source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum()) / power
    turn = np.array([[cosine, -sine], [sine, cosine]], np.float32)
    shift = points.mean(0) - turn @ TEMPLATE.mean(0)
    return np.hstack([turn, shift[:, None]]).astype(np.float32)


def _warp(image: npt.NDArray[np.uint8], transform: F32) -> npt.NDArray[np.uint8]:
    """Bilinear sampling; what lies beyond the picture is black, as in the training of the common embedders."""
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    corners = np.array([[0, 0, 1], [CHIP_PX, 0, 1], [0, CHIP_PX, 1], [CHIP_PX, CHIP_PX, 1]], np.float32) @ transform.T
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + 2, [left + 1, top + 1], [width, height])
    region = Image.fromarray(image[top:bottom, left:right])
    shrink = max(1, int(scale))
    if shrink > 1:  # a face larger than the chip is averaged first: sampling it sparsely would alias
        region = region.reduce(shrink)
    # From the chip's pixel to the region's. Pillow counts from a pixel's corner, landmarks from its middle.
    turn = transform[:, :2] / shrink
    shift = (transform[:, 2] - (left, top) + 0.5) / shrink - turn @ np.array([0.5, 0.5], np.float32)
    data = (turn[0, 0], turn[0, 1], shift[0], turn[1, 0], turn[1, 1], shift[1])
    chip = region.transform((CHIP_PX, CHIP_PX), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return np.asarray(chip)
