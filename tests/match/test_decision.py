"""Four conditions, all needed, and one event for each track and entry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from firmware.match.decision import Decider, DecisionSettings
from firmware.match.tracker import Track
from firmware.match.watchlist import Candidate, Entry

SETTINGS = DecisionSettings(
    threshold=0.5, caution=0.0, min_margin=0.05, shot_slack=0.08, min_agreeing=2, cooldown_s=30, full_weight=1.0
)
CAUTIOUS = replace(SETTINGS, caution=0.1)
S = 1_000_000_000
ENTRIES = (Entry("entry-0", "test"), Entry("entry-1", "test"))


def a_track(*shots: tuple[int, float], number: int = 1) -> Track:
    """A track with these shots: the row that each resembled most, and how much."""
    track = Track(number, "front", np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 0.9, 0, 0)
    for row, similarity in shots:
        track.evidence.add(row, similarity, similarity, 0.8, 0)
    return track


def fused(similarity: float, margin: float = 0.3, row: int = 0) -> Candidate:
    return Candidate(row, ENTRIES[row], similarity, margin)


@pytest.fixture
def decider() -> Decider:
    return Decider(SETTINGS)


@pytest.mark.parametrize(
    ("shots", "similarity", "margin", "is_event"),
    [
        pytest.param(((0, 0.55), (0, 0.52)), 0.56, 0.30, True, id="all conditions hold"),
        pytest.param(((0, 0.55), (0, 0.52)), 0.50, 0.05, True, id="all just hold"),
        pytest.param(((0, 0.55), (0, 0.52)), 0.499, 0.30, False, id="below the threshold"),
        pytest.param(((0, 0.55), (0, 0.52)), 0.56, 0.049, False, id="the next entry is too near"),
        pytest.param(((0, 0.80),), 0.80, 0.30, False, id="one shot agrees with nobody"),
        pytest.param(((0, 0.55), (1, 0.60)), 0.56, 0.30, False, id="the shots point to two entries"),
        pytest.param(((0, 0.70), (0, 0.41)), 0.56, 0.30, False, id="the second shot hardly agrees"),
        pytest.param(((0, 0.70), (0, 0.43)), 0.56, 0.30, True, id="the second shot agrees within the slack"),
        pytest.param(((0, 0.55), (1, 0.60), (0, 0.52)), 0.56, 0.30, True, id="two of three agree"),
        pytest.param((), 0.90, 0.30, False, id="no shot"),
        pytest.param(((0, 0.55), (0, 0.52)), float("nan"), 0.30, False, id="not a number"),
    ],
)
def test_a_possible_match_needs_all_conditions(
    decider: Decider, shots: tuple[tuple[int, float], ...], similarity: float, margin: float, *, is_event: bool
) -> None:
    match = decider.update(a_track(*shots), fused(similarity, margin), 0)
    assert (match is not None) is is_event


AGREED = ((0, 0.6), (0, 0.6))


@pytest.mark.parametrize(("similarity", "is_event"), [(0.539, False), (0.541, True)])
def test_an_entry_that_many_resemble_asks_for_more(similarity: float, *, is_event: bool) -> None:
    decider = Decider(replace(SETTINGS, crowding=0.8))
    crowded = replace(fused(similarity), crowding=0.05)
    match = decider.update(a_track(*AGREED), crowded, 0)
    assert (match is not None) is is_event
    assert decider.standing(crowded) == pytest.approx(similarity - 0.04)


def test_what_was_asked_for_on_top_is_not_told_since_it_would_tell_of_the_list() -> None:
    match = Decider(replace(SETTINGS, crowding=0.8)).update(a_track(*AGREED), replace(fused(0.9), crowding=0.1), 0)
    assert match is not None
    assert match.threshold == 0.5


def test_a_possible_match_says_what_it_rests_on(decider: Decider) -> None:
    track = a_track(*AGREED, (1, 0.3))
    match = decider.update(track, fused(0.61, 0.2), 7 * S)
    assert match is not None
    assert (match.track, match.candidate.entry.ref, match.t_ns) == (track, "entry-0", 7 * S)
    assert (match.observations, match.threshold) == (2, 0.5)
    assert track.evidence.decided


@pytest.mark.parametrize(
    ("after_s", "row", "is_event"),
    [
        pytest.param(0, 0, False, id="at once"),
        pytest.param(29.9, 0, False, id="within the cool-down"),
        pytest.param(30, 0, True, id="after it"),
        pytest.param(0, 1, True, id="another entry"),
    ],
)
def test_an_entry_cools_down_whichever_track_resembles_it(
    decider: Decider, after_s: float, row: int, *, is_event: bool
) -> None:
    assert decider.update(a_track(*AGREED), fused(0.6), 5 * S)
    shots = tuple((row, similarity) for _, similarity in AGREED)
    match = decider.update(a_track(*shots, number=2), fused(0.6, row=row), 5 * S + round(after_s * S))
    assert (match is not None) is is_event


def test_an_event_that_was_held_back_does_not_prolong_the_cool_down(decider: Decider) -> None:
    assert decider.update(a_track(*AGREED), fused(0.6), 0)
    assert decider.update(a_track(*AGREED, number=2), fused(0.6), 20 * S) is None
    assert decider.update(a_track(*AGREED, number=3), fused(0.6), 31 * S)


def test_a_track_whose_event_was_held_back_is_reported_when_the_cool_down_is_over(decider: Decider) -> None:
    decider.update(a_track(*AGREED), fused(0.6), 0)
    late = a_track(*AGREED, number=2)
    assert decider.update(late, fused(0.6), S) is None
    assert not late.evidence.decided
    assert decider.update(late, fused(0.6), 31 * S)


def test_a_track_is_never_reported_twice_as_one_entry(decider: Decider) -> None:
    track = a_track(*AGREED)
    assert decider.update(track, fused(0.6), 0)
    assert decider.update(track, fused(0.6), 60 * S) is None
    assert track.evidence.decided


@pytest.mark.parametrize(
    ("weight", "similarity", "is_event"),
    [
        pytest.param(1.0, 0.51, True, id="full evidence needs no more than the threshold"),
        pytest.param(2.0, 0.51, True, id="nor does more of it"),
        pytest.param(0.2, 0.51, False, id="thin evidence needs more"),
        pytest.param(0.2, 0.61, True, id="and may have it"),
    ],
)
def test_thin_evidence_has_to_resemble_more(weight: float, similarity: float, *, is_event: bool) -> None:
    track = a_track(*AGREED)
    track.evidence.weights = [weight / 2, weight / 2]
    match = Decider(CAUTIOUS).update(track, fused(similarity), 0)
    assert (match is not None) is is_event


def test_no_caution_lowers_the_threshold() -> None:
    track = a_track(*AGREED)
    track.evidence.weights = [50.0, 50.0]
    assert Decider(CAUTIOUS).update(track, fused(0.499), 0) is None
    match = Decider(CAUTIOUS).update(track, fused(0.501), 0)
    assert match is not None
    assert match.threshold == CAUTIOUS.threshold


@pytest.mark.parametrize(("resembles", "is_worth_it"), [(0.1, False), (0.49, True), (0.6, True)])
def test_only_a_track_that_is_near_an_entry_is_worth_more_shots(
    decider: Decider, resembles: float, *, is_worth_it: bool
) -> None:
    assert decider.worth_another_shot(a_track((0, resembles)).evidence) is is_worth_it
