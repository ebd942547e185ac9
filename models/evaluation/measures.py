"""Figures of a picture that may foretell whether its face will be recognised. Knows figures; refuses to pick one.

More is better in all of them. Names follow ISO/IEC 29794-5 where they mean the same. The mean of luma is not among
them: it would choose by skin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.faces import F32
from models.quality import EMBEDDERS_EYES_PX, Light, eye_distance_px, pose, unified

SELECTION = "size x pose x score"
"""What the pipeline chooses a track's shots by, before there is a template."""


@dataclass(frozen=True)
class Looks:
    """What is known of each of n images with a face.

    Attributes:
        landmarks: (n, 5, 2) px.
        scores: (n) of the detector.
        sharpness: (n), [0, 1].
        light: n, of the aligned faces.
        lengths: (n) of the templates of one pass, before they were made unit.
        single, both: (n, d) templates of one pass, and with the mirrored one.
    """

    landmarks: F32
    scores: F32
    sharpness: F32
    light: Sequence[Light]
    lengths: F32
    single: F32
    both: F32


def measures(looks: Looks) -> dict[str, F32]:
    """(n) f32 of each figure, by what it is called; the last is the product of those that lie in [0, 1]."""
    poses = [pose(points) for points in looks.landmarks]
    frontal = _floats([np.cos(np.radians(one.yaw_deg)) * np.cos(np.radians(one.pitch_deg)) for one in poses])
    exposed = _floats([1 - light.under - light.over for light in looks.light])
    eyes_px = _floats([eye_distance_px(points) for points in looks.landmarks])
    agreement: F32 = np.einsum("nd,nd->n", looks.single, looks.both)
    size: F32 = np.minimum(eyes_px / np.float32(EMBEDDERS_EYES_PX), np.float32(1))
    return {
        "eye distance": eyes_px,
        "sharpness": looks.sharpness,
        "yaw": _floats([-abs(one.yaw_deg) for one in poses]),
        "pitch": _floats([-abs(one.pitch_deg) for one in poses]),
        "landmarks' fit": _floats([-one.misfit for one in poses]),
        "exposure": exposed,
        "contrast": _floats([light.contrast for light in looks.light]),
        "detector's score": looks.scores,
        "mirror agreement": agreement,
        SELECTION: _floats(
            [unified(points, score) for points, score in zip(looks.landmarks, looks.scores, strict=True)]
        ),
        "template's length": looks.lengths,
        "product of all": looks.scores * agreement.clip(0) * looks.sharpness * frontal.clip(0) * exposed * size,
    }


def _floats(values: list[float]) -> F32:
    return np.array(values, np.float32)
