"""What a list would cost passers-by, from volunteers: figures that can be checked by hand, with their bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware.fleet.lists.checks import judge
from firmware.fleet.lists.cohort import (
    MIN_VOLUNTEERS,
    CohortError,
    Foretold,
    cohort_files,
    compare,
    gather,
)
from firmware.fleet.lists.conflicts import conflicts
from firmware.fleet.lists.looks import Look
from models.faces import F32
from tests.fleet.lists.stage import unit

DIMENSION = 128


def strangers(count: int, seed: int = 1) -> F32:
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32))


def looks(vectors: F32) -> list[Look]:
    return [Look(f"{row:064x}", {}, vector.tobytes()) for row, vector in enumerate(vectors)]


def near(vector: F32, similarity: float, seed: int = 99) -> F32:
    """A template of that similarity."""
    other = strangers(1, seed)[0]
    other = unit((other - (other @ vector) * vector)[None])[0]
    result: F32 = unit((similarity * vector + np.sqrt(1 - similarity**2) * other)[None])[0]
    return result


@pytest.mark.parametrize(
    ("seen", "comparisons", "expected", "least", "most"),
    [
        # Garwood's exact Poisson limits (Biometrika 1936): 0: 3.00; 1: 0.0513 and 4.74; 10: 5.43 and 16.96
        (0, 1_000, 0.0, 0.0, 29.96),
        (1, 1_000, 10.0, 0.513, 47.44),
        (10, 10_000, 10.0, 5.425, 16.96),
        (0, 1, 0.0, 0.0, 10_000.0),
    ],
)
def test_a_count_has_its_exact_bounds(seen: int, comparisons: int, expected: float, least: float, most: float) -> None:
    told = Foretold.of(seen, comparisons)
    assert (told.seen, told.comparisons, told.expected) == (seen, comparisons, expected)
    assert told.least == pytest.approx(least, abs=0.005)
    assert told.most == pytest.approx(most, abs=0.005)


def test_an_entry_that_some_volunteers_resemble_is_foretold_so() -> None:
    others = strangers(400)
    entry = strangers(1, seed=7)[0]
    others[5], others[9], others[11] = near(entry, 0.5), near(entry, 0.47), near(entry, 0.45)
    told = compare(
        np.stack([entry, strangers(1, seed=8)[0]]), gather(looks(others), [str(row) for row in range(400)]), 0.46
    )
    assert [one.seen for one in told.entries] == [2, 0]
    assert told.entries[0].expected == pytest.approx(50)
    assert told.figures[0]["cohort-near"] == pytest.approx(3 / 400)
    assert (told.whole.seen, told.whole.comparisons) == (2, 400)


def test_a_volunteer_with_many_pictures_is_one_comparison() -> None:
    others = strangers(300)
    entry = strangers(1, seed=7)[0]
    others[31], others[40], others[41] = near(entry, 0.6), near(entry, 0.5), near(entry, 0.7)
    told = compare(entry[None], gather(looks(others), [str(row // 2) for row in range(300)]), 0.46)
    assert (told.entries[0].seen, told.entries[0].comparisons) == (2, 150)


def test_a_template_that_matches_everyone_is_refused() -> None:
    middle = strangers(1, seed=3)[0]
    others = unit(strangers(300) + middle)
    cohort = gather(looks(others), [str(row) for row in range(300)])
    (wolf,) = compare(middle[None], cohort, 0.46).figures
    found = {finding.check: finding for finding in judge(wolf)}
    assert {"cohort-mean", "cohort-near", "false-alerts-least"} <= {name for name, one in found.items() if one.refused}
    assert found["cohort-mean"].words == "resembles everyone: similarity to the cohort's mean 1.00, at most 0.60"


def test_a_cohort_that_proves_nothing_is_refused() -> None:
    few = looks(strangers(MIN_VOLUNTEERS - 1))
    with pytest.raises(CohortError, match=r"^cohort: 99 volunteers with a face, at least 100 are needed$"):
        gather([*few, Look("0" * 64)], [str(row) for row in range(MIN_VOLUNTEERS)])


def test_a_cohort_is_folders_or_pictures(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.jpg", "a.png", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [(path.relative_to(tmp_path).as_posix(), volunteer) for path, volunteer in cohort_files(tmp_path)]
    assert found == [("a.png", "a.png"), ("b/1.jpg", "b"), ("b/2.jpg", "b")]
    with pytest.raises(CohortError, match="no such folder of volunteers' pictures"):
        cohort_files(tmp_path / "nowhere")


def test_conflicts_are_those_that_comparing_each_with_each_finds() -> None:
    templates = strangers(600)
    templates[300], templates[590] = near(templates[3], 0.97), near(templates[3], 0.87)
    templates[400], templates[401] = near(templates[7], 0.7, 31), near(templates[8], 0.61, 32)
    found = conflicts(templates, threshold=0.6)
    assert [(pair.first, pair.second) for pair in found.copies] == [(3, 300)], "590 copies 300 only, which is not there"
    assert float(templates[300] @ templates[590]) > 0.95
    assert [(pair.first, pair.second) for pair in found.look_alikes] == [(3, 590), (7, 400), (8, 401)]
    assert found.look_alikes[1].similarity == pytest.approx(0.7, abs=1e-4)
