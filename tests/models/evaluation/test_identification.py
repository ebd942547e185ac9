"""Open-set searches: rates known by construction, and lots that a plain loop checks."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.identification import _draw, identify
from models.evaluation.labelled import Labelled
from models.evaluation.report import Identification, SearchPoint
from models.intervals import exact
from tests.models.evaluation.made import random_set, set_of

LISTED, OTHERS = 100, 400
ALIKE, UNLIKE = 0.8, 0.3
NEAR = (0.7, 0.7, 0.7, 0.7, 0.5)
"""How near some who are not enrolled come to label 0."""


def _known() -> Labelled:
    """100 labels of two pictures, 90 of them much alike and 10 little; 400 of one, five of which look like label 0."""
    side = 2 * LISTED + OTHERS
    axes = np.eye(side)
    vectors, names = list[np.ndarray[tuple[int], np.dtype[np.float64]]](), list[str]()
    for label in range(LISTED):
        alike = ALIKE if label < 90 else UNLIKE
        vectors += [axes[label], alike * axes[label] + np.sqrt(1 - alike**2) * axes[LISTED + label]]
        names += [f"listed {label:03d}"] * 2
    for other in range(OTHERS):
        near = NEAR[other] if other < len(NEAR) else 0.0
        vectors.append(near * axes[0] + np.sqrt(1 - near**2) * axes[2 * LISTED + other])
        names.append(f"other {other:03d}")
    return set_of(np.array(vectors), names)


def _only(found: tuple[Identification, ...], *, left_out: bool, portraits: int = 1) -> Identification:
    (one,) = [one for one in found if one.left_out == left_out and one.portraits == portraits]
    return one


def _at(one: Identification, wanted: float) -> SearchPoint:
    (point,) = [point for point in one.points if point.wanted == wanted]
    return point


def test_the_rates_are_those_of_the_construction() -> None:
    one = _only(identify(_known(), seeds=3), left_out=False)
    assert (one.entries, one.mated, one.mated_people, one.non_mated) == (LISTED, LISTED, LISTED, OTHERS)
    point = _at(one, 1e-2)
    assert [draw.fpir.events for draw in point.draws] == [4, 4, 4]
    assert [draw.tpir.events for draw in point.draws] == [90, 90, 90]
    assert point.tpir == 0.9
    assert point.low < 0.9 < point.high
    assert one.rank1 == 1.0
    assert all(0.4 < draw.threshold <= 0.5001 for draw in point.draws)


def test_a_rate_that_so_few_people_cannot_show_is_not_given() -> None:
    one = _only(identify(_known(), seeds=1), left_out=False)
    assert one.smallest_fpir == 3 / OTHERS
    point = _at(one, 3e-3)
    assert point.draws == ()
    assert point.mark == "not shown: 400 people in non-mated searches can show 0.0075 at the least"
    assert (point.low, point.high) == (0.0, 1.0)


def test_few_events_behind_a_threshold_are_said() -> None:
    point = _at(_only(identify(_known(), seeds=1), left_out=False), 1e-2)
    assert point.mark == "few: 4.0 events a draw stand behind the threshold"


def test_where_all_are_enrolled_the_list_is_as_long_as_the_set() -> None:
    one = _only(identify(_known(), seeds=2), left_out=True)
    assert (one.entries, one.mated, one.non_mated) == (LISTED + OTHERS, LISTED, LISTED)
    assert one.rank1 == 1.0


def test_left_out_entries_give_nobody_a_candidate() -> None:
    apart = set_of(np.repeat(np.eye(400), 2, axis=0) + 1e-3, [f"label {number // 2:03d}" for number in range(800)])
    point = _at(_only(identify(apart, seeds=2), left_out=True), 1e-2)
    assert [draw.tpir.events for draw in point.draws] == [400, 400]
    assert all(draw.threshold < 0.1 for draw in point.draws)


@pytest.mark.parametrize("portraits", [1, 2])
@pytest.mark.parametrize("entries", [3, None])
def test_a_lot_enrols_and_searches_as_told(entries: int | None, portraits: int) -> None:
    names = ["a"] * 4 + ["b"] * 3 + ["c"] * 3 + ["d"] * 3 + ["e"] * 2 + ["f"]
    one = set_of(np.random.default_rng(5).normal(size=(len(names), 8)), names)
    for seed in range(20):
        lot = _draw(one, entries, portraits, np.random.default_rng(seed))
        enrolled = set(lot.enrolled.tolist())
        able = {label for label, size in enumerate(one.sizes) if size >= portraits + (entries is not None)}
        assert enrolled <= able
        assert len(enrolled) == (entries or len(able))
        probes = set(lot.mated.tolist())
        own = {row for row, label in enumerate(one.labels.tolist()) if label in enrolled}
        assert probes <= own
        assert len(own - probes) == portraits * len(enrolled)
        for place, label in enumerate(lot.enrolled):
            kept = [row for row in own - probes if one.labels[row] == label]
            mean = one.vectors[kept].mean(0)
            assert np.allclose(lot.templates[place], mean / np.linalg.norm(mean), atol=1e-6)
        others = set(range(len(names))) - own
        assert set(lot.non_mated.tolist()) == (others if entries else others | probes)
        assert len(set(lot.non_mated.tolist())) == len(lot.non_mated)


def test_another_seed_is_another_lot_and_the_same_seed_the_same() -> None:
    one = random_set(people=150, photos=3, dimension=8)
    assert identify(one, seeds=2) == identify(one, seeds=2)
    point = _at(_only(identify(one, seeds=4), left_out=True), 1e-2)
    assert point.draws == () or len({draw.tpir.events for draw in point.draws}) > 1
    lots = [tuple(_draw(one, 100, 1, np.random.default_rng(seed)).mated.tolist()) for seed in range(4)]
    assert len(set(lots)) == 4


def test_the_mean_and_the_range_are_those_of_the_draws() -> None:
    point = _at(_only(identify(random_set(people=330, photos=2, dimension=8), seeds=3), left_out=True), 1e-2)
    shares = [draw.tpir.rate for draw in point.draws]
    assert (point.least, point.most) == (min(shares), max(shares))
    assert point.tpir == pytest.approx(sum(shares) / 3)
    assert point.low == pytest.approx(sum(draw.tpir.low for draw in point.draws) / 3)
    assert [draw.seed for draw in point.draws] == [0, 1, 2]


def test_more_portraits_find_more() -> None:
    found = identify(random_set(people=330, photos=4, dimension=12), seeds=1)
    shares = [_at(_only(found, left_out=True, portraits=portraits), 1e-2).tpir for portraits in (1, 2, 3)]
    assert shares == sorted(shares)
    assert shares[2] > shares[0]


def test_one_picture_a_label_bears_no_list() -> None:
    assert identify(set_of(np.eye(5), list("abcde")), seeds=1) == ()


def test_probes_of_one_label_hang_together_in_the_interval() -> None:
    # 400 labels of six pictures; those of 40 labels have nothing in common.
    vectors = np.repeat(np.eye(700)[:400], 6, axis=0)
    vectors[:240] = np.eye(700)[420:660]
    one = set_of(vectors, [f"label {number // 6:03d}" for number in range(2400)])
    (draw,) = _at(_only(identify(one, seeds=1), left_out=True), 1e-2).draws
    assert (draw.tpir.events, draw.tpir.trials) == (1800, 2000)
    assert draw.tpir.low < exact(1800, 2000).low - 0.01


def test_another_entry_on_top_is_not_found_however_similar() -> None:
    vectors = np.repeat(np.eye(400), 2, axis=0)
    vectors[1] = np.eye(400)[1]  # one of label 0's pictures shows label 1
    one = set_of(vectors, [f"label {number // 2:03d}" for number in range(800)])
    draws = _at(_only(identify(one, seeds=6), left_out=True), 1e-2).draws
    assert {draw.tpir.events for draw in draws} == {398, 399}, "398 where the wrong picture is the portrait"


def test_a_list_of_all_who_can_be_enrolled_needs_others_to_search_it() -> None:
    one = set_of(np.repeat(np.eye(100), 2, axis=0), [f"label {number // 2:03d}" for number in range(200)])
    assert [(found.entries, found.left_out) for found in identify(one, seeds=1)] == [(100, True)]
