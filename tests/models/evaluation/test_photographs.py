"""Evaluations of photographs: LFW (KERBSIDE_FACES), a few of them in a usual run, all of them with ``-m slow``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.evaluation.cache import open_cache
from models.evaluation.corpus import read_corpus
from models.evaluation.evaluate import Asked, evaluate
from models.evaluation.report import Evaluation, Reading, SearchPoint
from models.evaluation.templates import Measured, measure
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision
from tests.models.test_lfw import AT_LEAST, LFW, PAIRS

FEW, MANY = 12, 420
USUAL, NEARLY_ALL = 0.998, 0.98
"""How a photograph's templates in bf16 and in f32 agree: half of them, and 19 in 20. In the others the close-up
takes its landmarks from another cell of the detector's grid (seen: 0.91 with landmarks 6 px apart); swapped channels
would give 0.92 everywhere."""

pytestmark = pytest.mark.skipif(not PAIRS.is_file(), reason="no LFW with its pairs.txt (KERBSIDE_FACES)")


def _subset(folder: Path, people: int) -> Path:
    """Some labels of two pictures or more, drawn by lot."""
    several = sorted(path for path in LFW.iterdir() if len(list(path.iterdir())) > 1)
    folder.mkdir()
    for place in np.random.default_rng(7).permutation(len(several))[:people]:
        (folder / several[place].name).symlink_to(several[place])
    return folder


@pytest.fixture(scope="module")
def reference() -> Vision:
    """The same networks in f32."""
    return open_vision(OpenVinoBackend("f32"))


def _seen(folder: Path, vision: Vision) -> Measured:
    return measure(read_corpus(folder).photos, vision)


def test_both_arithmetics_say_nearly_the_same(tmp_path: Path, vision: Vision, reference: Vision) -> None:
    folder = _subset(tmp_path / "few", FEW)
    one, other = _seen(folder, vision), _seen(folder, reference)
    assert one.photos == other.photos
    agreement = np.einsum("nd,nd->n", one.vectors, other.vectors)
    assert np.median(agreement) >= USUAL
    assert np.quantile(agreement, 0.05) >= NEARLY_ALL


def _at(reading: Reading, entries: int, wanted: float) -> SearchPoint:
    (point,) = [
        point
        for one in reading.identification
        for point in one.points
        if (one.entries, one.portraits, one.left_out, point.wanted) == (entries, 1, False, wanted)
    ]
    return point


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_both_arithmetics_agree_within_their_intervals(tmp_path: Path, vision: Vision, reference: Vision) -> None:
    corpus = read_corpus(_subset(tmp_path / "many", MANY))
    one, other = (evaluate(corpus, networks, None, Asked(2)).evaluation.raw for networks in (vision, reference))
    for mine, theirs in zip(one.verification.points[:2], other.verification.points[:2], strict=True):
        assert mine.fnmr is not None
        assert theirs.fnmr is not None
        assert mine.fnmr.low <= theirs.fnmr.rate <= mine.fnmr.high
        assert theirs.fnmr.low <= mine.fnmr.rate <= theirs.fnmr.high
    mine_at, theirs_at = _at(one, 100, 1e-2), _at(other, 100, 1e-2)
    assert mine_at.low <= theirs_at.tpir <= mine_at.high
    for point, same in zip(one.curve, other.curve, strict=True):
        assert point.fmr.low <= same.fmr.rate <= point.fmr.high


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, vision: Vision) -> Evaluation:
    cache = open_cache(tmp_path_factory.mktemp("templates"), vision)
    return evaluate(read_corpus(LFW, PAIRS), vision, cache, Asked()).evaluation


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_given_pairs_are_told_apart(whole: Evaluation) -> None:
    pairs = whole.raw.verification.pairs
    assert pairs is not None
    assert len(pairs.folds) == 10
    assert pairs.correct.rate >= AT_LEAST


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_of_a_thousand_enrolled_with_one_portrait_these_are_found(whole: Evaluation) -> None:
    # Raw labels: the few photographs that lie under two names decide a threshold that ten searches stand behind.
    point = _at(whole.raw, 1_000, 3e-3)
    assert point.tpir >= 0.93
    assert point.high >= 0.94
    assert sum(draw.tpir.rate >= 0.94 for draw in point.draws) > len(point.draws) / 2
