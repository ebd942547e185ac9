"""How fit a face is to be compared: plain figures of a portrait or a shot. Knows pixels and landmarks; judges nobody.

Names follow the components of ISO/IEC 29794-5 (face image quality) where they mean the same. What is measured is the
picture, never the skin: exposure counts pixels that the sensor clipped, since a limit on brightness would refuse dark
faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.align import TEMPLATE
from models.faces import F32
from models.portrait import Pixels
from models.sharpness import sharpness

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_FACE = slice(20, 106)
"""Rows and columns of an aligned face that no background reaches."""
_BLACK, _WHITE = 8, 247
EMBEDDERS_EYES_PX = 44.0
"""Distance of the eyes at which size stops to count against a face; an aligned one has 35 px."""
_DEPTHS_PX = np.array([0.0, 0.0, 22.0, 2.0, 2.0], np.float32)
"""How far nose tip and corners of the mouth stand before the eyes, in a chip's pixels (35 between the eyes, so 1 px is
1.8 mm): chosen on 1,500 LFW photographs so that what is left over does not depend on how a head is turned."""
_LEVEL_DEG = 7.0
"""Pitch at which the detector's landmarks of a frontal face come out: LFW's mean."""
_HEAD = np.column_stack([(TEMPLATE + TEMPLATE[[1, 0, 2, 4, 3]] * [-1, 1] + [112, 0]) / 2, -_DEPTHS_PX]).astype(
    np.float32
)
"""Landmarks of a frontal head, (5, 3) f32: x to the right, y down, z away from the camera."""


@dataclass(frozen=True)
class Pose:
    """How a head is turned, and how well landmarks fit a head at all.

    Attributes:
        yaw_deg: to the side; positive when the nose points to the picture's right.
        pitch_deg: positive when the nose points down.
        roll_deg: in the picture's plane; positive clockwise.
        misfit: root mean square distance of the landmarks from those of a head so turned, over the eyes' distance.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    misfit: float


@dataclass(frozen=True)
class Light:
    """The light on an aligned face.

    Attributes:
        mean: of luma, [0, 1].
        under, over: shares of pixels that are black or white to within the sensor's clipping.
        contrast: standard deviation of luma, [0, 0.5].
    """

    mean: float
    under: float
    over: float
    contrast: float


def eye_distance_px(landmarks: F32) -> float:
    """Between the eyes of landmarks (5, 2), in their pixels."""
    return float(np.hypot(*(landmarks[1] - landmarks[0])))


def light(chip: Pixels) -> Light:
    """Of an aligned face (112, 112, 3) u8."""
    luma = chip[_FACE, _FACE] @ _LUMA
    under, over = float((luma <= _BLACK).mean()), float((luma >= _WHITE).mean())
    return Light(float(luma.mean()) / 255, under, over, float(luma.std()) / 255)


def sharp(chip: Pixels) -> float:
    """Sharpness of an aligned face (112, 112, 3) u8, [0, 1]."""
    return float(sharpness(chip[None])[0])


def pose(landmarks: F32) -> Pose:
    """Of landmarks (5, 2) px, by a weak perspective of a mean head: good to some 10 degrees, as five points are.

    Dementhon and Davis' first step (POSIT, IJCV 1995): the least-squares affine camera, made a rotation.
    """
    head, seen = _HEAD - _HEAD.mean(0), landmarks - landmarks.mean(0)
    camera, *_ = np.linalg.lstsq(head, seen, rcond=None)
    left, values, right = np.linalg.svd(camera.T, full_matrices=False)
    scale, rows = float(values.mean()), left @ right
    misfit = float(np.sqrt(((head @ rows.T * scale - seen) ** 2).sum(1).mean())) / max(eye_distance_px(landmarks), 1e-3)
    forward = np.cross(rows[0], rows[1])
    return Pose(
        yaw_deg=float(np.degrees(np.arcsin(np.clip(-rows[0, 2], -1, 1)))),
        pitch_deg=float(np.degrees(np.arctan2(-rows[1, 2], forward[2]))) - _LEVEL_DEG,
        roll_deg=float(np.degrees(np.arctan2(rows[1, 0], rows[0, 0]))),
        misfit=misfit,
    )


def unified(landmarks: F32, score: float, full_eye_distance_px: float = EMBEDDERS_EYES_PX) -> float:
    """The one figure of a face that is to be compared, in [0, 1]: size x pose x the detector's confidence.

    A shot is chosen by it, and a portrait is shown with it; ISO/IEC 29794-5 calls such a figure the unified quality
    score. Size is the distance of the eyes; pose is how far the nose lies from the middle of eyes and mouth (yaw) and
    from its usual height between them (pitch), as fractions: cheaper than :func:`pose`, since every face of every frame
    is judged by it.

    Args:
        landmarks: (5, 2) px.
        score: the detector's confidence, [0, 1].
        full_eye_distance_px: where size stops to count.
    """
    right_eye, left_eye, nose, right_mouth, left_mouth = landmarks
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    across, down = left_eye - right_eye, mouth - eyes
    between_px = float(np.hypot(*across))
    height_px = float(np.hypot(*down))
    if between_px < 1 or height_px < 1:
        return 0.0
    yaw = abs(_along(nose - (eyes + mouth) / 2, across)) / between_px
    pitch = abs(_along(nose - eyes, down) / height_px - 0.5)
    size = min(1.0, between_px / full_eye_distance_px)
    # Seen from the side the eyes come together: their distance against the face's height is yaw as well.
    turned = min(1.0, between_px / (0.75 * height_px))
    return size * max(0.0, 1 - 1.5 * yaw) * max(0.0, 1 - 1.5 * pitch) * turned * score


def _along(vector: F32, axis: F32) -> float:
    """Length of ``vector``'s part along ``axis``, with sign."""
    return float(vector @ axis) / max(float(np.hypot(*axis)), 1e-6)
