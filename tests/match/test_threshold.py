"""Four may ask for a similarity, and the highest counts: nobody talks a threshold down."""

from __future__ import annotations

import itertools
import math

import pytest

from firmware.match.release import terms
from firmware.match.threshold import Floors, Terms
from firmware.messages import Binding
from models.calibration import CalibrationError
from tests.match.lists import USE
from tests.models.made_calibration import calibrated


@pytest.mark.parametrize(
    ("floors", "threshold", "binding"),
    [
        (Floors(0.50, 0.40, 0.30, 0.20), 0.50, "calibration"),
        (Floors(0.50, 0.60, 0.30, 0.20), 0.60, "list"),
        (Floors(0.50, 0.60, 0.70, 0.20), 0.70, "order"),
        (Floors(0.50, 0.60, 0.70, 0.80), 0.80, "configuration"),
        (Floors(0.50, 0.50, 0.50, 0.50), 0.50, "calibration"),
        (Floors(), 0.0, "nothing"),
    ],
)
def test_the_highest_of_four_floors_is_in_force_and_says_whose_it_is(
    floors: Floors, threshold: float, binding: Binding
) -> None:
    assert (floors.threshold, floors.binding) == (threshold, binding)


def test_no_floor_lowers_another() -> None:
    for floors in itertools.product((0.0, 0.4, 0.9), repeat=4):
        assert all(Floors(*floors).threshold >= floor for floor in floors)


def test_a_short_list_is_used_as_one_of_fifty() -> None:
    one = calibrated(USE, {0.46: 49, 0.5: 50, 0.6: 5_000})
    assert [terms(one, entries).least for entries in (1, 49, 50, 51)] == [0.5, 0.5, 0.5, 0.6]


def test_a_longer_list_is_used_at_a_higher_threshold_and_one_that_is_too_long_not_at_all() -> None:
    one = calibrated(USE, {0.46: 500, 0.5: 5_000})
    assert [terms(one, entries).least for entries in (1, 500, 501, 5_000)] == [0.46, 0.46, 0.5, 0.5]
    assert terms(one, 501, listed=0.6) == Terms(one.digest, 0.5, 0.6)
    assert terms(one, 501, listed=0.6).floors(0.1, 0.2) == Floors(0.5, 0.6, 0.1, 0.2)
    with pytest.raises(CalibrationError, match="5001 entries, the calibration bears 5000 at the most"):
        terms(one, 5_001)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1.01, -1.01])
@pytest.mark.parametrize("floor", ["calibration", "listed", "ordered", "configured"])
def test_what_is_no_cosine_is_no_floor(floor: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=rf"{floor}: .* is no cosine, allowed: -1 to 1"):
        Floors(**{floor: wrong})


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1.01])
def test_no_list_is_used_on_terms_that_are_no_cosine(wrong: float) -> None:
    for least, listed in ((wrong, 0.0), (0.5, wrong)):
        with pytest.raises(ValueError, match="is no cosine"):
            Terms("digest", least, listed)
