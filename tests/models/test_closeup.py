"""The second look: a face is laid before the detector at the size at which its family sees best."""

from __future__ import annotations

import numpy as np
import pytest

from models.closeup import Closeup
from models.decode import SCRFD, YUNET, Family, anchors
from models.detector import Detector
from models.faces import F32
from tests.models.stage import Pixels, ScriptedRunner

SIDE_PX = 96
FACE = np.array([[200, 150, 320, 270]], np.float32)


def _blind(family: Family) -> ScriptedRunner:
    count = len(anchors((SIDE_PX, SIDE_PX), family.anchors_a_cell))
    return ScriptedRunner(tuple(np.zeros((1, count, *tail), np.float32) for tail in ((), (4,), (10,))))


def _bright_face() -> Pixels:
    picture = np.zeros((480, 640, 3), np.uint8)
    left, top, right, bottom = FACE[0].astype(int)
    picture[top:bottom, left:right] = 255
    return picture


@pytest.mark.parametrize(("family", "share"), [(YUNET, 0.5), (SCRFD, 0.3)])
def test_a_face_takes_the_familys_share_of_the_canvas(family: Family, share: float) -> None:
    runner = _blind(family)
    landmarks: F32 = np.zeros((1, 5, 2), np.float32)
    Closeup(Detector(runner, (SIDE_PX, SIDE_PX), family=family)).refine(_bright_face(), FACE, landmarks)
    (seen,) = runner.given
    assert seen.shape == (1, SIDE_PX, SIDE_PX, 3)
    assert float(seen[0, SIDE_PX // 2, :, 0].mean()) / 255 == pytest.approx(share, abs=0.02)
