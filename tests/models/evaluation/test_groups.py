"""Groups of people: compared within themselves, or too few to say anything."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibration import MIN_PEOPLE
from models.evaluation.errata import Errata
from models.evaluation.faults import Fault, Kind
from models.evaluation.groups import group_curves, regrouped
from models.evaluation.verification import GRID, fmr_curve
from tests.models.evaluation.made import set_of


def test_a_group_is_compared_within_itself() -> None:
    # Those of the north are all 0.36 alike, those of the south not at all, and nobody is like the other group.
    north, south = np.eye(81)[:40] * 0.8 + np.eye(81)[80] * 0.6, np.eye(81)[40:80]
    names = [f"n{number:02d}" for number in range(40)] + [f"s{number:02d}" for number in range(40)]
    one, told = set_of(np.concatenate([north, south]), names), list[Fault]()
    curves = group_curves(one, {name: name[0] for name in names}, told.append)
    at = GRID.index(0.35)
    assert [(curve.name, curve.people, curve.points[at].fmr.events) for curve in curves] == [
        ("n", 40, 780),
        ("s", 40, 0),
    ]
    assert curves[0].points[at].fmr.trials == 780
    assert fmr_curve(one)[at].fmr.trials == 80 * 79 // 2
    assert [point.threshold for point in curves[0].points] == list(GRID)
    assert curves[0].fnmr == ()
    assert told == []


@pytest.mark.parametrize(("people", "points"), [(MIN_PEOPLE - 1, 0), (MIN_PEOPLE, len(GRID))])
def test_a_group_of_too_few_has_a_size_and_no_rate(people: int, points: int) -> None:
    names, told = [f"label {number:02d}" for number in range(people)], list[Fault]()
    (curve,) = group_curves(set_of(np.eye(people), names), dict.fromkeys(names, "few"), told.append)
    assert (curve.people, len(curve.points)) == (people, points)
    assert [fault.kind for fault in told] == [Kind.SMALL_GROUP] * (points == 0)


def test_a_group_whose_pictures_show_no_face_is_told_and_kept() -> None:
    told = list[Fault]()
    (curve,) = group_curves(set_of(np.eye(3), ["a", "b", "c"]), {"absent": "gone"}, told.append)
    assert (curve.name, curve.people) == ("gone", 0)
    assert [fault.where for fault in told] == ["gone"]


def test_labels_that_errata_make_one_keep_a_group_they_agree_on() -> None:
    told = list[Fault]()
    errata = Errata(same=(("Ann", "Bea"), ("Cid", "Dan"), ("Eve", "Fay")))
    groups = regrouped(
        {"Ann": "north", "Bea": "north", "Cid": "north", "Dan": "south", "Fay": "south"}, errata, told.append
    )
    assert groups == {"Ann": "north", "Eve": "south"}
    assert told == [Fault(Kind.TWO_GROUPS, "Cid", "north, south")]
