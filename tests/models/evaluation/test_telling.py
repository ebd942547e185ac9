"""Pairs as LFW gives them: read, and told apart with a threshold that their own fold has no part in."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.faults import Fault, Kind
from models.evaluation.pairs import Pair, read_pairs
from models.evaluation.report import EvaluationError
from models.evaluation.telling import tell_apart

NAMES = [f"{name}/{name}_000{number}.jpg" for name in ("Ann", "Bea", "Cid") for number in (1, 2)]
FOLD = "Ann\t1\t2\nBea\t1\t2\nAnn\t1\tBea\t1\nAnn\t2\tCid\t2\n"


def test_folds_are_those_that_the_first_line_says() -> None:
    pairs = read_pairs("2\t2\n" + FOLD + FOLD, NAMES, lambda fault: None)
    assert [pair.fold for pair in pairs] == [0] * 4 + [1] * 4
    assert [pair.same for pair in pairs] == [True, True, False, False] * 2
    assert (pairs[3].one, pairs[3].other) == ("Ann/Ann_0002.jpg", "Cid/Cid_0002.jpg")


def test_without_such_a_line_a_fold_begins_where_the_same_follow_the_different() -> None:
    assert read_pairs(FOLD + FOLD, NAMES, lambda fault: None) == read_pairs(
        "2\t2\n" + FOLD + FOLD, NAMES, lambda fault: None
    )


def test_a_pair_of_absent_pictures_is_told_and_moves_no_other_to_another_fold() -> None:
    told = list[Fault]()
    pairs = read_pairs("2\t2\n" + FOLD.replace("Bea\t1\t2", "Zoe\t1\t2") + FOLD, NAMES, told.append)
    assert told == [Fault(Kind.ABSENT_PAIR, "Zoe/Zoe_0001, Zoe/Zoe_0002")]
    assert [pair.fold for pair in pairs] == [0] * 3 + [1] * 4


@pytest.mark.parametrize("line", ["Ann 1 2", "Ann\tone\t2", "Ann\t1\tBea\t1\t2", "Ann"])
def test_a_line_that_is_no_pair_is_refused(line: str) -> None:
    with pytest.raises(EvaluationError, match="pairs: expected 'Name i j'"):
        read_pairs(FOLD + line, NAMES, lambda fault: None)


def test_one_fold_is_refused() -> None:
    with pytest.raises(EvaluationError, match="pairs: one fold"):
        read_pairs(FOLD, NAMES, lambda fault: None)


def _pairs(similarities: list[float], same: list[bool], folds: list[int]) -> float:
    """The share of right decisions on pairs of a fixed picture with others that are so similar to it."""
    vectors = np.array([[1, 0], *([one, np.sqrt(1 - one**2)] for one in similarities)], np.float32)
    rows = {"fixed": 0, **{str(place): place + 1 for place in range(len(similarities))}}
    pairs = [Pair("fixed", str(place), same[place], folds[place]) for place in range(len(same))]
    told = tell_apart(pairs, 0, vectors, rows)
    assert told is not None
    assert len(told.folds) == len(set(folds))
    assert told.correct.trials == len(pairs)
    return told.correct.rate


def test_pairs_that_lie_apart_are_all_told_apart() -> None:
    assert _pairs([0.9, 0.8, 0.1, 0.2] * 2, [True, True, False, False] * 2, [0] * 4 + [1] * 4) == 1.0


def test_a_fold_has_no_part_in_its_own_threshold() -> None:
    # Fold 0 by itself would be told apart at 0.45; fold 1 puts the threshold to 0.8.
    similarities, folds = [0.5, 0.5, 0.4, 0.4, 0.8, 0.8, 0.7, 0.7], [0] * 4 + [1] * 4
    assert _pairs(similarities, [True, True, False, False] * 2, folds) == 4 / 8


def test_a_face_that_was_not_found_is_the_same_as_nobody() -> None:
    pairs = [Pair("a", "b", same, fold) for fold in (0, 1) for same in (True, False)]
    pairs += [Pair("a", "lost", same=True, fold=0), Pair("a", "lost", same=False, fold=1)]
    told = tell_apart(pairs, 3, np.eye(2, dtype=np.float32), {"a": 0, "b": 1})
    assert told is not None
    assert (told.without_face, told.absent, told.correct.trials) == (2, 3, 6)
    assert told.folds == (1 / 3, 2 / 3)


def test_without_pairs_there_is_no_rate() -> None:
    assert tell_apart([], 0, np.eye(2, dtype=np.float32), {}) is None
