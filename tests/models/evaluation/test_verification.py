"""Comparisons of two: rates that can be counted by hand, and by a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.labelled import (
    in_steps,
    mated,
    non_mated_above,
    non_mated_by_label,
    non_mated_histogram,
    pairs_above,
    step_of,
)
from models.evaluation.report import EvaluationError
from models.evaluation.verification import GRID, WANTED_FMR, fmr_curve, fnmr_curve, verify
from models.intervals import exact
from tests.models.evaluation.made import from_gram, random_set, set_of

FOUR = ["Ann", "Ann", "Bea", "Bea", "Cid", "Cid", "Dan", "Dan"]


def _four() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Four labels of two pictures: 0.905, 0.805, 0.405 and 0.305 alike; one picture of Ann's and one of Bea's 0.655."""
    gram = np.eye(8)
    for label, similarity in enumerate((0.905, 0.805, 0.405, 0.305)):
        gram[2 * label, 2 * label + 1] = gram[2 * label + 1, 2 * label] = similarity
    gram[:4, :4] = [[1, 0.905, 0.655, 0.5], [0.905, 1, 0.5, 0.5], [0.655, 0.5, 1, 0.805], [0.5, 0.5, 0.805, 1]]
    gram[0, 3] = gram[3, 0] = gram[1, 2] = gram[2, 1] = gram[1, 3] = gram[3, 1] = 0.505
    return gram


def test_the_rates_are_those_counted_by_hand() -> None:
    one = from_gram(_four(), FOUR)
    at = dict(zip(GRID, zip(fmr_curve(one), fnmr_curve(one), strict=True), strict=True))
    expected = {0.20: (4, 0), 0.40: (4, 1), 0.50: (4, 2), 0.51: (1, 2), 0.65: (1, 2), 0.66: (0, 2), 0.80: (0, 2)}
    counts = {threshold: (at[threshold][0].fmr.events, at[threshold][1].events) for threshold in expected}
    assert counts == expected
    assert at[0.5][0].fmr.trials == 24
    assert at[0.5][1].trials == 4


def test_a_similarity_at_the_threshold_reaches_it() -> None:
    one = set_of(np.array([[1, 0, 0], [0.5, np.sqrt(0.75), 0], [0, 0, 1]]), ["Ann", "Bea", "Cid"])
    at = {point.threshold: point.fmr.events for point in fmr_curve(one)}
    assert (at[0.5], at[0.51]) == (1, 0)


def test_blocks_leave_no_comparison_out_and_count_none_twice() -> None:
    one = random_set(people=220, photos=5, dimension=6)
    similarities = one.vectors @ one.vectors.T
    upper = np.triu(np.ones_like(similarities, np.bool_), 1)
    same = one.labels[:, None] == one.labels
    assert len(one.labels) > 2 * 512
    assert non_mated_histogram(one).sum() == (upper & ~same).sum()
    assert len(mated(one)[0]) == (upper & same).sum()
    over = upper & ~same & (similarities >= 0.7)
    assert len(non_mated_above(one, step_of(0.7))) == pytest.approx(over.sum(), abs=2)
    high = non_mated_above(one, step_of(0.9))
    assert len(high) > 100
    pairs = np.einsum("nd,nd->n", one.vectors[high.one], one.vectors[high.other])
    assert np.abs(in_steps(pairs) - high.steps.astype(int)).max() <= 1
    assert (one.labels[high.one] != one.labels[high.other]).all()
    by_label = non_mated_by_label(one, np.array([step_of(0.6), step_of(0.7)]))
    both = over | over.T
    expected = [both[one.labels == label].sum() for label in range(one.people)]
    assert np.abs(by_label[:, 1] - expected).sum() <= 4


@pytest.mark.parametrize("sizes", [(5,) * 220, (3, 600, 2, 511, 1, 90), (512, 512, 4), (1, 1)])
def test_a_pair_of_labels_is_counted_once_however_many_pictures_they_have(sizes: tuple[int, ...]) -> None:
    """Some labels reach over the end of a block of 512, one over two of them."""
    names = [f"label {label:03d}" for label, size in enumerate(sizes) for _ in range(size)]
    one = set_of(np.random.default_rng(1).normal(size=(len(names), 8)), names)
    wanted = np.array([step_of(threshold) for threshold in (-0.9, 0.6, 0.8, 0.9)])
    over = [non_mated_above(one, int(step)) for step in wanted]
    pairs = [len(set(zip(one.labels[each.one], one.labels[each.other], strict=True))) for each in over]
    assert pairs_above(one, wanted).tolist() == pairs
    assert pairs[0] > 0


def test_a_few_people_with_many_pictures_bound_no_more_than_their_pairs() -> None:
    one = random_set(people=30, photos=60, dimension=128)
    strict = fmr_curve(one)[-1].fmr
    assert (strict.events, strict.trials) == (0, 435 * 3_600)
    assert strict.high == exact(0, 435).high


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=24), st.integers(0, 1000))
def test_any_small_set_is_counted_as_a_plain_loop_counts(labels: list[int], seed: int) -> None:
    names = [f"label {label}" for label in [*labels, 5, 6]]
    one = set_of(np.random.default_rng(seed).normal(size=(len(names), 3)), names)
    wanted = np.array([step_of(0.3), step_of(0.6)])
    loop = [
        sum(
            one.labels[i] != one.labels[j] and int((float(one.vectors[i] @ one.vectors[j]) + 1) * 10_000) >= step
            for i in range(len(names))
            for j in range(i)
        )
        for step in wanted
    ]
    assert np.abs(non_mated_by_label(one, wanted).sum(0) // 2 - loop).max() <= 1
    rates = [point.fmr.rate for point in fmr_curve(one)]
    assert rates == sorted(rates, reverse=True)


def test_wanted_rates_have_the_least_threshold_that_keeps_them() -> None:
    one = random_set(people=300, photos=2, dimension=24)
    verification = verify(one)
    first = verification.points[0]
    assert first.fmr is not None
    assert first.threshold is not None
    assert first.fnmr is not None
    assert first.fmr.rate <= WANTED_FMR[0]
    assert len(non_mated_above(one, step_of(first.threshold) - 1)) > WANTED_FMR[0] * verification.non_mated
    steps, _ = mated(one)
    assert first.fnmr.events == (steps < step_of(first.threshold)).sum()
    assert first.mark == ""


def test_what_the_set_cannot_show_is_not_given() -> None:
    verification = verify(random_set(people=300, photos=2, dimension=24))
    assert verification.smallest_fmr == pytest.approx(3 / (300 * 299 / 2))
    last = verification.points[-1]
    assert (last.threshold, last.fmr, last.fnmr) == (None, None, None)
    assert last.mark == "not shown: the set's labels can show 6.689e-05 at the least"


def test_many_pictures_of_one_double_are_few_events() -> None:
    names = [f"label {number // 10:03d}" for number in range(800)]
    vectors = np.repeat(np.eye(80), 10, axis=0)
    vectors[10:20] = vectors[:10]
    vectors[0] += np.eye(80)[40] * 0.5
    point = verify(set_of(vectors, names)).points[0]
    assert point.fmr is not None
    assert point.fmr.events == 110
    assert point.mark == "few: 2 pairs of labels stand behind it"
    assert point.fmr.high > 2 * exact(point.fmr.events, point.fmr.trials).high, "they are no 110 independent events"


def test_a_label_that_fails_as_a_whole_makes_the_false_non_match_rate_unsure() -> None:
    vectors = np.repeat(np.eye(200)[:40], 5, axis=0)
    vectors[:5] = np.eye(200)[100:105]
    rate = fnmr_curve(set_of(vectors, [f"label {number // 5:02d}" for number in range(200)]))[30]
    assert (rate.events, rate.trials) == (10, 400)
    assert rate.high > 1.5 * exact(10, 400).high


def test_the_det_curve_falls_from_loose_to_strict() -> None:
    det = verify(random_set(people=200, photos=2, dimension=12)).det
    assert [point.threshold for point in det] == sorted({point.threshold for point in det})
    assert [point.fmr for point in det] == sorted((point.fmr for point in det), reverse=True)
    assert [point.fnmr for point in det] == sorted(point.fnmr for point in det)
    assert det[0].fmr == pytest.approx(0.5, abs=0.01)


def test_one_picture_a_label_is_compared_with_others_only() -> None:
    verification = verify(set_of(np.eye(5), list("abcde")))
    assert (verification.mated, verification.mated_people, verification.non_mated) == (0, 0, 10)
    assert verification.fnmr == ()
    assert verification.det == ()
    assert all(point.fnmr is None for point in verification.points)


def test_one_label_alone_is_refused() -> None:
    with pytest.raises(EvaluationError, match="1 label with a face found: there is nobody to compare with"):
        verify(set_of(np.eye(3), ["Ann"] * 3))


def test_equal_templates_of_two_labels_leave_no_threshold() -> None:
    point = verify(set_of(np.eye(2)[np.zeros(200, int)], [f"label {number}" for number in range(200)])).points[0]
    assert point.threshold is None
    assert point.mark == "no threshold is strict enough: different labels have equal templates"
