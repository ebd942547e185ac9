"""The one picture that leaves shows one face: whoever stands beside or before it is hidden."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from board.picture import Pixels
from firmware.match.crop import LARGEST_PX, matched_face_jpeg
from models.faces import F32

RED, GREEN, VIOLET, GREY = (220, 30, 30), (30, 200, 30), (226, 56, 226), (128, 128, 128)
BOX = np.array([100, 100, 200, 220], np.float32)
NOBODY = np.zeros((0, 4), np.float32)


def street(other: tuple[int, int, int, int]) -> Pixels:
    """A red face, and one at ``other`` in green and violet squares that covers part of it, before grey.

    The squares are what a face's features are: shown as they are one sees green, made unrecognisable only grey.
    """
    picture = np.full((360, 640, 3), GREY, np.uint8)
    picture[100:220, 100:200] = RED
    left, top, right, bottom = other
    rows, columns = np.mgrid[: bottom - top, : right - left] // 8
    picture[top:bottom, left:right] = np.where(((rows + columns) % 2)[..., None], GREEN, VIOLET)
    return picture


def share_of(colour: tuple[int, int, int], jpeg: bytes) -> float:
    """Share of the picture's pixels that have a colour, as far as JPEG keeps it."""
    pixels = np.array(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)
    return float((np.abs(pixels - np.array(colour)).max(axis=2) < 40).mean())


@pytest.mark.parametrize("other", [(160, 120, 230, 200), (120, 120, 170, 180), (80, 150, 140, 240)])
def test_another_face_that_reaches_into_the_matched_one_is_hidden(other: tuple[int, int, int, int]) -> None:
    seen = street(other)
    beside: F32 = np.array([other], np.float32)
    assert share_of(GREEN, matched_face_jpeg(seen, BOX, NOBODY)) > 0.01, "the picture shows it where nothing hides it"
    assert share_of(GREEN, matched_face_jpeg(seen, BOX, beside)) < 0.001
    assert share_of(RED, matched_face_jpeg(seen, BOX, beside)) > 0.05


def test_what_lies_outside_the_face_is_not_shown_as_it_is() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (360, 640, 3), np.uint8)
    picture = np.array(Image.open(io.BytesIO(matched_face_jpeg(noise, BOX, NOBODY))).convert("L")).astype(float)
    assert picture[:10].std() < picture[picture.shape[0] // 2 - 5 : picture.shape[0] // 2 + 5, 80:100].std() / 2


@pytest.mark.parametrize("box", [(-40, -40, 60, 80), (600, 300, 700, 400), (10, 10, 630, 350)])
def test_a_face_at_the_edge_or_over_it_makes_a_small_picture(box: tuple[int, int, int, int]) -> None:
    picture = Image.open(io.BytesIO(matched_face_jpeg(street((0, 0, 1, 1)), np.array(box, np.float32), NOBODY)))
    assert 1 <= max(picture.size) <= LARGEST_PX
