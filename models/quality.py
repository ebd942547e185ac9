"""How fit a portrait is to be compared: plain figures of one face. Knows pixels and landmarks; refuses to judge them.

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
