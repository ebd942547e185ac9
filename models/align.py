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
        out[index] = sample(image, to_picture(points), CHIP_PX)
    return out


def to_picture(points: F32) -> F32:
    """The (2, 3) f32 transform from chip to picture: inverse of the one that brings ``points`` nearest to the template.

    Embedders are trained on that one. The nearest in the other direction makes faces 1-9 % larger and costs recall
    (measured on LFW: 95.0 instead of 95.8 % at one false match in 100,000).
    """
    chip, face = TEMPLATE - TEMPLATE.mean(0), points - points.mean(0)
    # In the plane the best rotation times scale is a complex number: face to chip it is conj(z) / sum(|face|^2) for
    # z = sum(conj(chip) * face), and so its inverse is z sum(|face|^2) / |z|^2.
    real = float((chip * face).sum())
    imaginary = float((chip[:, 0] * face[:, 1] - chip[:, 1] * face[:, 0]).sum())
    inverse = float((face**2).sum()) / max(real**2 + imaginary**2, 1e-6)
    cosine, sine = real * inverse, imaginary * inverse
    turn = np.array([[cosine, -sine], [sine, cosine]], np.float32)
    shift = points.mean(0) - turn @ TEMPLATE.mean(0)
    return np.hstack([turn, shift[:, None]]).astype(np.float32)


def sample(image: npt.NDArray[np.uint8], transform: F32, size_px: int) -> npt.NDArray[np.uint8]:
    """A square (size_px, size_px, 3) u8 of the picture, bilinear; what lies beyond the picture is black.

    Args:
        image: (H, W, 3) u8.
        transform: (2, 3) f32 from the square's pixels to the picture's, both counted from a pixel's middle.
        size_px: side of the square.
    """
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    ends = np.array([[0, 0, 1], [size_px, 0, 1], [0, size_px, 1], [size_px, size_px, 1]], np.float32) @ transform.T
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(ends.min(0)).astype(int) - 1, 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(ends.max(0)).astype(int) + 2, [left + 1, top + 1], [width, height])
    region = Image.fromarray(image[top:bottom, left:right])
    shrink = max(1, int(scale))
    if shrink > 1:  # what is larger than the square is averaged first: sampling it sparsely would alias
        region = region.reduce(shrink)
    # From the square's pixel to the region's. Pillow counts from a pixel's corner.
    turn = transform[:, :2] / shrink
    shift = (transform[:, 2] - (left, top) + 0.5) / shrink - turn @ np.array([0.5, 0.5], np.float32)
    data = (turn[0, 0], turn[0, 1], shift[0], turn[1, 0], turn[1, 1], shift[1])
    return np.array(region.transform((size_px, size_px), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR))
