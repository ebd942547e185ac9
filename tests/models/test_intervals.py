"""How sure a counted rate is, from ten trials to fifty millions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.intervals import Rate, bears, clustered, exact, paired, smallest_shown


@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    [(0, 10, 0.0, 0.3085), (1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0)],
)
def test_the_interval_is_clopper_and_pearsons(events: int, trials: int, low: float, high: float) -> None:
    rate = exact(events, trials)
    assert rate.low == pytest.approx(low, abs=1e-4)
    assert rate.high == pytest.approx(high, abs=1e-4)


@pytest.mark.parametrize("events", [1_100_000, 22_200, 22_000_000])
def test_of_millions_it_is_the_normal_one(events: int) -> None:
    trials = 22_200_000
    rate, error = exact(events, trials), 1.959964 * math.sqrt(events / trials * (1 - events / trials) / trials)
    assert rate.high - rate.rate == pytest.approx(error, rel=0.02)
    assert rate.rate - rate.low == pytest.approx(error, rel=0.02)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3_000_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_rest_has_the_mirrored_interval(counts: tuple[int, int]) -> None:
    events, trials = counts
    rate, rest = exact(events, trials), exact(trials - events, trials)
    assert rate.low <= rate.rate <= rate.high
    assert 1 - rest.high == pytest.approx(rate.low, abs=1e-6)
    assert 1 - rest.low == pytest.approx(rate.high, abs=1e-6)


def test_trials_that_hang_together_are_less_sure() -> None:
    alone = clustered(np.array([1, 0] * 50), np.ones(100, np.int64))
    together = clustered(np.array([10, 0] * 5), np.full(10, 10))
    assert alone.rate == together.rate
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_one_face_in_many_comparisons_widens_their_interval() -> None:
    trials, people = 4950, 100
    spread = paired(np.full(people, 2), np.full(people, people - 1), people, trials, people)
    one_face = np.array([99] + [1] * 99)
    bound = paired(one_face, np.full(people, people - 1), 99, trials, 99)
    assert bound.high > 1.2 * spread.high


@pytest.mark.parametrize(("events", "pairs"), [(0, 0), (70, 1), (70, 9)])
def test_many_comparisons_of_the_same_two_are_no_surer_than_one(events: int, pairs: int) -> None:
    """30 people with 60 pictures each: 1,566,000 comparisons, and still only 435 pairs of people."""
    by_cluster = np.full(30, 2 * events // 30)
    rate = paired(by_cluster, np.full(30, 60 * 60 * 29), events, 435 * 3_600, pairs)
    assert (rate.events, rate.trials) == (events, 435 * 3_600)
    assert rate.high >= exact(pairs, 435).high > 100 * exact(events, 435 * 3_600).high
    assert rate.low <= exact(events, 435 * 3_600).low


@pytest.mark.parametrize(
    ("events", "trials", "share"), [(7, 50, 0.2), (150, 400, 0.4), (250, 300, 0.83), (3, 9_000, 1e-3)]
)
def test_the_sum_of_a_binomial_is_that_of_its_fractions(events: int, trials: int, share: float) -> None:
    one = Fraction(share)
    total = sum(math.comb(trials, count) * one**count * (1 - one) ** (trials - count) for count in range(events + 1))
    ends = exact(events, trials)
    assert bears(Rate(events, trials, 0.0, share)) == (total <= Fraction(25, 1000)) == (share >= ends.high)


@pytest.mark.parametrize(("events", "trials"), [(0, 2**53), (10**6, 2**53), (2**52, 2**53), (10**12, 10**12 + 1)])
def test_as_many_as_a_double_counts_are_bounded_at_once_and_without_room(events: int, trials: int) -> None:
    rate = exact(events, trials)
    assert rate.low <= rate.rate <= rate.high
    assert bears(rate)
    assert rate.high == pytest.approx(
        rate.rate + 1.96 * math.sqrt((events + 1) / trials * (1 - rate.rate) / trials), rel=1
    )
    closer = rate.rate + 0.99 * (rate.high - rate.rate)
    assert not bears(Rate(events, trials, 0.0, closer))


def test_more_than_a_double_counts_is_refused() -> None:
    with pytest.raises(ValueError, match=f"0 events of {2**53 + 1} trials"):
        exact(0, 2**53 + 1)


def test_where_the_sum_gives_way_to_its_normal_form_nothing_jumps() -> None:
    """The standard deviation passes 1,000 between these two, and their bounds differ by as much as their counts."""
    below, above = exact(999_000, 10**9), exact(1_001_500, 10**9)
    errors = [(rate.high - rate.rate) / math.sqrt(rate.rate / 10**9) for rate in (below, above)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-5)


def test_the_rule_of_three() -> None:
    assert smallest_shown(3000) == 0.001
    assert smallest_shown(0) == 1.0


@pytest.mark.parametrize(("events", "trials"), [(1, 0), (3, 2), (-1, 5)])
def test_what_is_no_count_is_refused(events: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{events} events of {trials} trials"):
        exact(events, trials)
