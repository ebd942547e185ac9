"""Sizes that fit, and pictures that are in memory already."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.picture import ArrayPicture, fitted_size

sides = st.integers(1, 5000)


@given(width=sides, height=sides, box_width=sides, box_height=sides)
def test_a_fitted_size_is_the_largest_of_that_shape(width: int, height: int, box_width: int, box_height: int) -> None:
    small = fitted_size((width, height), (box_width, box_height))
    scale = min(1.0, box_width / width, box_height / height)
    assert 1 <= small[0] <= min(width, box_width)
    assert 1 <= small[1] <= min(height, box_height)
    assert abs(small[0] - width * scale) <= 1
    assert abs(small[1] - height * scale) <= 1


@pytest.mark.parametrize(
    ("picture", "box", "fitted"),
    [
        ((1280, 720), (640, 384), (640, 360)),
        ((720, 1280), (640, 384), (216, 384)),
        ((640, 384), (640, 384), (640, 384)),
        ((320, 240), (640, 384), (320, 240)),
        ((5000, 3), (640, 384), (640, 1)),
    ],
)
def test_sizes_that_are_known(picture: tuple[int, int], box: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fitted_size(picture, box) == fitted


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (4, 4, 1), (0, 4, 3), (4, 0, 3), (1, 4, 4, 3)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"rgb: expected \(H, W, 3\) uint8, got \("):
        ArrayPicture(np.zeros(shape, np.uint8))


def test_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got .* float64"):
        ArrayPicture(np.zeros((4, 4, 3)))  # type: ignore[arg-type]  # what is tested


def test_it_is_the_array_and_its_area_average() -> None:
    array = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    picture = ArrayPicture(array)
    assert (picture.width_px, picture.height_px) == (80, 60)
    assert picture.rgb() is array
    assert picture.fitted(80, 60) is array
    assert picture.fitted(800, 600) is array
    wanted = array.reshape(15, 4, 20, 4, 3).mean((1, 3))
    assert float(np.abs(picture.fitted(20, 15) - wanted).max()) <= 1
