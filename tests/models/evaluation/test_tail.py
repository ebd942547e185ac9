"""What lies beyond the data: known distributions are found again, and the error holds what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.labelled import non_mated_above, step_of
from models.evaluation.report import EvaluationError
from models.evaluation.tail import _fit, _misfit, _threshold, fit_tail
from tests.models.evaluation.made import random_set

QUANTILES = (np.arange(4000) + 0.5) / 4000


@pytest.mark.parametrize("shape", [0.0, -0.2, 0.2])
def test_a_known_tail_is_found_again(shape: float) -> None:
    left = 1 - QUANTILES
    excess = -0.02 * np.log(left) if shape == 0 else 0.02 * (left**-shape - 1) / shape
    fit = _fit(excess, np.ones(4000), trials=4e7)
    assert fit.shape == pytest.approx(shape, abs=0.02)
    assert fit.scale == pytest.approx(0.02, rel=0.02)
    assert fit.share == 1e-4
    assert _misfit(excess, fit) < 0.01
    beyond = excess[-4]  # 3.5 of 4,000 lie above it
    assert _threshold(1e-4 * 3.5 / 4000, 0.0, fit) == pytest.approx(beyond, rel=0.05)


def test_a_comparison_whose_label_was_not_drawn_does_not_count() -> None:
    excess, drawn = np.array([0.01, 0.9, 0.02, 0.05]), np.array([2.0, 0.0, 2.0, 2.0])
    assert _fit(excess, drawn, 100) == _fit(excess[drawn > 0], drawn[drawn > 0], 100)
    assert _fit(excess, drawn, 100).share == 0.06


def test_the_fit_is_marked_and_holds_what_the_set_shows() -> None:
    one = random_set(people=1600, photos=1, dimension=24)
    fit = fit_tail(one, np.random.default_rng(0))
    assert fit.extrapolated is True
    assert fit.shape_error > 0
    assert fit.scale_error > 0
    assert fit.comparisons >= 100
    first = fit.points[0]
    assert len(non_mated_above(one, step_of(first.low))) >= 1e-5 * 1600 * 1599 / 2
    assert len(non_mated_above(one, step_of(first.high))) <= 1e-5 * 1600 * 1599 / 2
    widths = [point.high - point.low for point in fit.points]
    assert widths == sorted(widths), "the farther beyond the data, the less is known"
    assert fit == fit_tail(one, np.random.default_rng(0))


def test_too_few_comparisons_are_not_fitted() -> None:
    with pytest.raises(EvaluationError, match=r"tail: \d+ comparisons above FMR 0.0001, at least 100 are fitted"):
        fit_tail(random_set(people=100, photos=1, dimension=8), np.random.default_rng(0))
