"""Photographs made worse by a known amount."""

from __future__ import annotations

import numpy as np
import pytest

from models.align import chips
from models.evaluation.degrade import (
    CHIP_EYES_PX,
    KINDS,
    bent,
    blurred,
    compressed,
    degradations,
    flattened,
    gained,
    shrunk,
)
from models.evaluation.frame import FRAME_PX, Shown, fitting, found_again, laid, scaled
from models.faces import Faces
from models.golden import Figures
from models.quality import eye_distance_px
from models.sharpness import sharpness
from tests.models.stage import Pixels


@pytest.fixture
def photo(picture: Pixels, figures: Figures) -> Shown:
    """The golden picture and the first of its drawn faces."""
    found = figures.detector
    boxes, landmarks = np.array(found.boxes, np.float32), np.array(found.landmarks, np.float32)
    return Shown(picture, Faces(boxes[:1], landmarks[:1], np.ones(1, np.float32)))


def _eyes_px(photo: Shown) -> float:
    return eye_distance_px(photo.face.landmarks[0])


def test_a_degradation_that_does_nothing_changes_nothing(photo: Shown) -> None:
    same = [shrunk(photo, _eyes_px(photo)), blurred(photo, 0), gained(photo, 1), bent(photo, 1), flattened(photo, 1)]
    assert all(one is not None and np.array_equal(one.image, photo.image) for one in same)


def test_a_shrunk_face_has_as_many_pixels_between_the_eyes_as_were_asked_for(photo: Shown) -> None:
    small = shrunk(photo, 14)
    assert small is not None
    assert _eyes_px(small) == pytest.approx(14, rel=0.01)
    assert small.image.shape[0] / photo.image.shape[0] == pytest.approx(14 / _eyes_px(photo), rel=0.02)


def test_no_photograph_is_enlarged(photo: Shown) -> None:
    assert shrunk(photo, _eyes_px(photo) + 1) is None


def test_blur_is_counted_in_pixels_of_the_aligned_face(photo: Shown) -> None:
    assert pytest.approx(35.24, abs=0.01) == CHIP_EYES_PX
    large = scaled(photo, 2)
    sharp = [
        float(sharpness(chips(one.image, one.face.landmarks))[0]) for one in (blurred(photo, 3), blurred(large, 3))
    ]
    assert sharp[0] == pytest.approx(sharp[1], rel=0.1)
    assert sharp[0] < float(sharpness(chips(photo.image, photo.face.landmarks))[0]) / 2


def test_light_is_scaled_bent_and_flattened_by_its_own_arithmetic() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    photo = Shown(ramp, Faces.none())
    assert gained(photo, 2).image[0, [10, 100, 200], 0].tolist() == [20, 200, 255]
    assert bent(photo, 2).image[0, [0, 128, 255], 0].tolist() == [0, 64, 255]
    assert flattened(photo, 0.5).image[0, [0, 255], 0].tolist() == [64, 191]


def test_a_worse_jpeg_is_further_from_the_photograph(photo: Shown) -> None:
    def off(quality: float) -> float:
        return float(np.abs(compressed(photo, quality).image.astype(int) - photo.image).mean())

    assert off(90) < off(20) < off(5)


def test_every_way_gets_worse_along_its_amounts_or_names_them_once() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert len(list(degradations())) == sum(len(set(kind.amounts)) for kind in KINDS)


def test_a_photograph_is_laid_where_it_is_told(photo: Shown) -> None:
    small = scaled(photo, 0.5)
    frame = laid(small, 1, 0)
    width, height = small.size_px
    assert frame.size_px == FRAME_PX
    assert np.array_equal(frame.image[:height, FRAME_PX[0] - width :], small.image)
    assert frame.face.boxes[0, 0] == pytest.approx(small.face.boxes[0, 0] + FRAME_PX[0] - width)
    assert frame.face.landmarks[0, 0, 1] == pytest.approx(small.face.landmarks[0, 0, 1])


def test_only_what_is_larger_than_a_frame_is_made_smaller(photo: Shown) -> None:
    assert fitting(photo) is photo
    assert fitting(scaled(photo, 3)).size_px == FRAME_PX


def test_a_face_elsewhere_is_not_the_face_that_is_looked_for(photo: Shown) -> None:
    aside = Faces(photo.face.boxes + 200, photo.face.landmarks, photo.face.scores)
    assert found_again(aside, photo.face) is None
    assert found_again(Faces.none(), photo.face) is None
    assert found_again(photo.face, photo.face) is not None
