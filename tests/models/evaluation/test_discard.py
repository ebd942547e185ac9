"""Error-versus-discard characteristics of figures whose worth is known."""

from __future__ import annotations

import numpy as np
import pytest

from models.align import TEMPLATE
from models.evaluation.discard import Mated, QualityReport, discard, mated
from models.evaluation.measures import SELECTION, Looks, measures
from models.faces import F32
from models.quality import Light

LABELS = np.repeat(np.arange(100), 2)
WRONG = np.arange(0, 200, 20)
"""One image of every tenth label is like nobody's."""


def _vectors() -> F32:
    vectors = np.zeros((200, 101), np.float32)
    vectors[np.arange(200), LABELS] = 1
    vectors[WRONG] = 0
    vectors[WRONG, 100] = 1
    return vectors


def _report(**measures: F32) -> QualityReport:
    rng = np.random.default_rng(0)
    return discard(_vectors(), mated(LABELS, rng), measures, 0.5, rng)


def _knowing() -> F32:
    figure = np.ones(200, np.float32)
    figure[WRONG] = 0
    return figure


def _contrary() -> F32:
    """Both pictures of a comparison that errs are said to be good."""
    figure = np.zeros(200, np.float32)
    figure[[WRONG, WRONG + 1]] = 1
    return figure


def test_a_figure_that_knows_the_errors_leaves_none_and_has_no_area() -> None:
    (one,) = _report(knowing=_knowing()).characteristics
    assert [point.fnmr.events for point in one.points] == [10, 5, 0, 0, 0]
    assert one.area == pytest.approx(0, abs=0.01)


def test_a_figure_that_knows_the_errors_the_wrong_way_round_is_worse_than_chance() -> None:
    (one,) = _report(contrary=_contrary()).characteristics
    assert [point.fnmr.events for point in one.points] == [10] * 5
    assert one.area > 1


def test_a_constant_figure_discards_by_chance() -> None:
    (one,) = _report(constant=np.ones(200, np.float32)).characteristics
    assert (one.low, one.area, one.high) == pytest.approx((1, 1, 1))
    assert one.points[-1].fnmr.trials == 70


def test_the_figure_that_foretells_best_comes_first() -> None:
    report = _report(contrary=_contrary(), constant=np.ones(200, np.float32), knowing=_knowing())
    assert [one.measure for one in report.characteristics] == ["knowing", "constant", "contrary"]
    assert (report.comparisons, report.labels, report.errors) == (100, 100, 10)


def test_the_worse_of_the_two_pictures_decides() -> None:
    figure = np.ones(200, np.float32)
    figure[WRONG + 1] = 0  # the other picture of the same comparison
    (one,) = _report(figure=figure).characteristics
    assert one.area == pytest.approx(0, abs=0.01)


def test_no_label_outweighs_the_others() -> None:
    labels = np.array([0] * 30 + [1] * 3 + [2])
    pairs = mated(labels, np.random.default_rng(0), most_a_label=15)
    assert np.bincount(pairs.cluster).tolist() == [15, 3]
    assert (labels[pairs.first] == labels[pairs.second]).all()
    assert len({*zip(pairs.first, pairs.second, strict=True)}) == 18


def test_without_two_pictures_of_a_label_nothing_is_told() -> None:
    nobody = np.zeros(0, np.intp)
    with pytest.raises(ValueError, match="no label has two pictures"):
        discard(_vectors(), Mated(nobody, nobody, np.zeros(0, np.int64)), {}, 0.5, np.random.default_rng(0))


def test_every_figure_is_better_for_the_better_picture() -> None:
    frontal = np.stack([TEMPLATE * 2, TEMPLATE.copy()])
    frontal[1, 2, 0] += 12  # the nose to the side
    frontal[1, 2, 1] += 9
    single = np.array([[1, 0], [1, 0]], np.float32)
    both = np.array([[1, 0], [0.6, 0.8]], np.float32)
    looks = Looks(
        landmarks=frontal,
        scores=np.array([0.95, 0.7], np.float32),
        sharpness=np.array([1, 0.3], np.float32),
        light=[Light(0.5, 0, 0, 0.2), Light(0.5, 0.1, 0.1, 0.1)],
        lengths=np.array([12, 9], np.float32),
        single=single,
        both=both,
    )
    found = measures(looks)
    assert {name for name, figure in found.items() if not figure[0] > figure[1]} == set()
    assert SELECTION in found
