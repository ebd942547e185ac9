"""The list: what it accepts, whom it finds, and that nothing is left of it after the wipe."""

from __future__ import annotations

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.match.watchlist import Candidate, Entry, Watchlist, WatchlistError
from models.faces import F32, Embeddings

SPACE = "this model"


def units(vectors: F32) -> F32:
    """Rows of unit length; a row of nothing becomes the first axis."""
    rows = vectors.copy()
    rows[np.linalg.norm(rows, axis=1) < 0.1] = np.eye(rows.shape[1], dtype=np.float32)[0]
    result: F32 = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return result


def a_list(vectors: F32, space: str = SPACE) -> Watchlist:
    entries = tuple(Entry(f"entry-{n}", "test") for n in range(len(vectors)))
    return Watchlist(entries, Embeddings(vectors, space))


def random_units(count: int, seed: int = 3) -> F32:
    return units(np.random.default_rng(seed).normal(size=(count, 128)).astype(np.float32))


def test_the_nearest_entry_and_the_distance_to_the_next() -> None:
    listed = np.array([[1, 0, 0], [0, 1, 0], [0.8, 0.6, 0]], np.float32)
    (found,) = a_list(listed).search(Embeddings(np.array([[0.96, 0.28, 0]], np.float32), SPACE))
    assert (found.row, found.entry.ref) == (0, "entry-0")
    assert found.similarity == pytest.approx(0.96)
    assert found.margin == pytest.approx(0.96 - 0.936, abs=1e-5)


def test_a_list_of_one_has_no_next_entry() -> None:
    (found,) = a_list(random_units(1)).search(Embeddings(random_units(1), SPACE))
    assert found.similarity == pytest.approx(1)
    assert found.margin >= 1


def crowded(count: int, alike: int) -> F32:
    """Random rows, of which the first ``alike`` resemble each other."""
    rows = random_units(count)
    rows[:alike] += 3 * rows[:1]
    return units(rows)


def test_an_entry_that_resembles_many_others_is_told_by_its_crowding() -> None:
    listed = crowded(60, 12)
    found = a_list(listed).search(Embeddings(listed, SPACE))
    assert min(one.crowding for one in found[:12]) > 0.3
    assert max(one.crowding for one in found[12:]) < 0.2
    assert min(one.crowding for one in found) == 0, "it asks for more of some, and for less of nobody"


def test_in_a_long_list_an_entry_is_compared_with_some_of_the_others_and_never_with_itself() -> None:
    listed = random_units(2_500)
    crowding = np.array([one.crowding for one in a_list(listed).search(Embeddings(listed[:400], SPACE))])
    assert 0 < (crowding > 0).mean() < 0.6
    assert crowding.max() < 0.05, "a row that met itself would stand out by a tenth"


def test_a_short_list_is_no_sample_of_what_is_usual() -> None:
    listed = crowded(49, 12)
    assert {one.crowding for one in a_list(listed).search(Embeddings(listed, SPACE))} == {0.0}


def test_no_probes_find_nobody() -> None:
    assert a_list(random_units(5)).search(Embeddings(np.zeros((0, 128), np.float32), SPACE)) == []


numbers = st.floats(-1, 1, width=32, allow_subnormal=False)


@given(
    listed=arrays.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(6)), elements=numbers),
    probes=arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(6)), elements=numbers),
)
def test_the_search_finds_what_comparing_one_by_one_finds(listed: F32, probes: F32) -> None:
    listed, probes = units(listed), units(probes)
    found = a_list(listed).search(Embeddings(probes, SPACE))
    assert len(found) == len(probes)
    for probe, candidate in zip(probes, found, strict=True):
        assert_is_nearest(candidate, [float(np.dot(probe, row)) for row in listed])


def assert_is_nearest(candidate: Candidate, similarities: list[float]) -> None:
    best, *others = sorted(similarities, reverse=True)
    assert candidate.similarity == pytest.approx(best, abs=1e-5)
    assert similarities[candidate.row] == pytest.approx(best, abs=1e-5)
    assert candidate.entry.ref == f"entry-{candidate.row}"
    assert candidate.margin == pytest.approx(best - max(others, default=best - 2), abs=1e-5)


@pytest.mark.parametrize(
    ("refs", "vectors", "complaint"),
    [
        pytest.param((), random_units(0), "no entries", id="empty"),
        pytest.param(("a", "b"), random_units(3), "2 entries, 3 templates", id="rows that do not fit"),
        pytest.param(("a", "a"), random_units(2), "appears twice", id="a reference twice"),
        pytest.param(("a",), random_units(1) * np.float32(1.1), "unit length", id="too long"),
        pytest.param(("a",), random_units(1) * np.float32(0), "unit length", id="nothing"),
        pytest.param(("a",), random_units(1) * np.float32("nan"), "unit length", id="not a number"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(refs: tuple[str, ...], vectors: F32, complaint: str) -> None:
    entries = tuple(Entry(ref, "test") for ref in refs)
    with pytest.raises(WatchlistError, match=complaint):
        Watchlist(entries, Embeddings(vectors, SPACE))


def test_templates_of_another_model_are_never_compared() -> None:
    with pytest.raises(WatchlistError, match="another model"):
        a_list(random_units(5)).search(Embeddings(random_units(1), "another model"))


def test_a_wiped_list_finds_nobody() -> None:
    vectors = random_units(50)
    listed = a_list(vectors)
    listed.wipe()
    assert not listed._matrix.any()
    assert {found.similarity for found in listed.search(Embeddings(random_units(50), SPACE))} == {0.0}


def test_the_digest_says_which_list_it_is() -> None:
    vectors = random_units(4)
    entries = tuple(Entry(f"entry-{n}", "test") for n in range(4))
    others = {
        Watchlist(entries, Embeddings(vectors, "another model")).digest,
        Watchlist(entries[::-1], Embeddings(vectors, SPACE)).digest,
        Watchlist((Entry("entry-9", "test"), *entries[1:]), Embeddings(vectors, SPACE)).digest,
        Watchlist((Entry("entry-0", "other"), *entries[1:]), Embeddings(vectors, SPACE)).digest,
        Watchlist(entries, Embeddings(random_units(4, seed=9), SPACE)).digest,
    }
    assert len(others) == 5
    assert a_list(vectors).digest not in others
    assert a_list(vectors).digest == a_list(vectors.copy()).digest
