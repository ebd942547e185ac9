"""From faces to possible matches: who is reported, once; who is not; and that nothing stays of either."""

from __future__ import annotations

import pytest

from firmware.match.evidence import Evidence
from firmware.match.pipeline import Pipeline
from firmware.match.selection import SelectionSettings
from firmware.match.watchlist import WatchlistError
from models.faces import Faces
from tests.match.stage import (
    AT,
    FRAME_NS,
    LOOKS,
    Passer,
    colour_vision,
    entries,
    nothing_is_left,
    pipeline,
    seen,
    watch,
    watchlist,
)

SECOND = 25
"""Frames."""


def test_a_listed_face_becomes_one_possible_match() -> None:
    (match,) = watch(pipeline(), [Passer("red")], range(2 * SECOND))
    assert match.candidate.entry.ref == "entry-red"
    assert match.candidate.similarity == pytest.approx(1, abs=1e-3)
    assert match.observations >= 2
    assert match.track.first_t_ns == 0
    assert 0 < match.t_ns <= SECOND * FRAME_NS


def test_a_face_that_resembles_nobody_becomes_nothing_and_nothing_stays_of_it() -> None:
    street = pipeline()
    assert watch(street, [Passer("blue")], range(2 * SECOND)) == []
    assert street.counters.embeddings > 0
    watch(street, [], range(2 * SECOND, 3 * SECOND))
    assert nothing_is_left(street)
    assert street.store.wiped == street.counters.embeddings
    assert street.store.life_p99_s() <= 1.0


def test_a_face_that_resembles_an_entry_too_little_becomes_nothing() -> None:
    assert watch(pipeline(), [Passer("pink")], range(3 * SECOND)) == []


def test_the_templates_of_a_reported_face_go_at_once() -> None:
    street = pipeline()
    (match,) = watch(street, [Passer("red")], range(2 * SECOND))
    assert nothing_is_left(street)
    embedded = street.counters.embeddings
    watch(street, [Passer("red")], range(2 * SECOND, 3 * SECOND))
    assert street.counters.embeddings == embedded
    assert match.track.evidence.decided


def test_everyone_in_a_group_is_seen_and_only_the_listed_are_reported() -> None:
    group = [Passer("blue", (20, 20)), Passer("red", (200, 20)), Passer("pink", (20, 200)), Passer("green", (200, 200))]
    assert sorted(entries(watch(pipeline(), group, range(2 * SECOND)))) == ["entry-green", "entry-red"]


@pytest.mark.parametrize("nearer", ["red", "blue"])
def test_two_people_who_cross_are_not_mistaken_for_each_other(nearer: str) -> None:
    crossing = {
        "red": Passer("red", (20, 100), (6, 0)),
        "blue": Passer("blue", (480, 110), (-6, 0)),
    }
    street = pipeline()
    group = sorted(crossing.values(), key=lambda passer: passer.colour == nearer)
    assert entries(watch(street, group, range(3 * SECOND))) == ["entry-red"]


def test_evidence_of_two_people_is_never_added_up() -> None:
    street = pipeline()
    assert watch(street, [Passer("red")], range(4)) == []
    assert watch(street, [Passer("blue")], range(4, 3 * SECOND)) == []


def test_a_tracker_that_slipped_to_a_listed_face_still_reports_it_and_undiluted() -> None:
    street = pipeline()
    watch(street, [Passer("blue", step_px=(0, 0), size_px=80)], range(4))
    (match,) = watch(street, [Passer("red", step_px=(0, 0))], range(4, 3 * SECOND))
    assert match.candidate.similarity > 0.95


def test_the_same_entry_is_not_reported_twice_in_a_moment_by_any_camera() -> None:
    street = pipeline()
    assert len(watch(street, [Passer("red")], range(SECOND), "front")) == 1
    assert watch(street, [Passer("red")], range(SECOND), "rear") == []
    later = range(60 * SECOND, 61 * SECOND)
    still = Passer("red", step_px=(0, 0))
    assert entries(watch(street, [still], later, "rear")) == ["entry-red"]


def test_the_templates_of_someone_who_stays_do_not_pile_up() -> None:
    street = pipeline()
    still = Passer("blue", step_px=(0, 0))
    watch(street, [still], range(60 * SECOND))
    assert 1 <= street.store.held <= SelectionSettings().max_shots
    assert street.counters.embeddings >= 60 / SelectionSettings().look_again_s


def test_a_tracker_that_slipped_long_ago_is_found_out() -> None:
    street = pipeline()
    watch(street, [Passer("blue", step_px=(0, 0))], range(8 * SECOND))
    assert entries(watch(street, [Passer("red", step_px=(0, 0))], range(8 * SECOND, 16 * SECOND))) == ["entry-red"]


def test_a_silent_cameras_tracks_end_as_time_passes() -> None:
    street = pipeline()
    watch(street, [Passer("blue")], range(SECOND))
    assert street.store.held > 0
    street.expire(2 * SECOND * FRAME_NS)
    assert nothing_is_left(street)


def test_the_end_forgets_everyone() -> None:
    street = pipeline()
    watch(street, [Passer("blue"), Passer("pink", (60, 230))], range(SECOND))
    street.end(SECOND * FRAME_NS)
    assert nothing_is_left(street)
    assert street.store.life_p99_s() <= 1.0


def test_the_same_frames_bring_the_same_decisions() -> None:
    group = [Passer("red", (20, 20)), Passer("green", (400, 30), (-5, 2)), Passer("pink", (300, 200), (-2, 0))]

    def run() -> list[tuple[str, float, int, int]]:
        matches = watch(pipeline(), group, range(2 * SECOND))
        return [(m.candidate.entry.ref, m.candidate.similarity, m.t_ns, m.track.id) for m in matches]

    assert len(run()) == 2
    assert run() == run()


@pytest.mark.parametrize(
    "passer",
    [
        pytest.param(Passer("red", grain=0), id="without detail"),
        pytest.param(Passer("red", size_px=24), id="far away"),
        pytest.param(Passer("red", start_px=(-70, 100), step_px=(0, 0)), id="half out of the picture"),
        pytest.param(Passer("red", score=0.65), id="hardly a face"),
    ],
)
def test_a_poor_sighting_is_not_made_a_template(passer: Passer) -> None:
    street = pipeline()
    assert watch(street, [passer], range(2 * SECOND)) == []
    assert street.counters.embeddings == 0


def test_what_the_network_saw_too_little_of_is_no_evidence_and_costs_no_more_than_a_face() -> None:
    """A wall that was taken for a face gives a short template, and resembles everyone a little."""
    unlike = Pipeline(colour_vision(full_length=2.0), watchlist(), AT)
    assert watch(unlike, [Passer("red")], range(3 * SECOND)) == []
    assert 0 < unlike.counters.embeddings <= AT.selection.max_idle_shots + 3
    assert (unlike.store.held, unlike.store.wiped) == (0, 0)
    enough = Pipeline(colour_vision(full_length=1.5), watchlist(), AT)
    assert len(watch(enough, [Passer("red")], range(3 * SECOND))) == 1


def test_when_the_memory_for_templates_is_full_a_face_waits_for_room() -> None:
    street = pipeline()
    others = Evidence()
    for _ in range(street.store.free):
        street.store.hold(others, LOOKS["blue"], 1.0)
    assert watch(street, [Passer("red")], range(SECOND)) == []
    street.store.wipe(others, 0.0)
    assert entries(watch(street, [Passer("red")], range(SECOND, 2 * SECOND))) == ["entry-red"]


def test_a_list_of_another_model_is_refused_before_anyone_is_compared() -> None:
    with pytest.raises(WatchlistError, match="another model"):
        watch(Pipeline(colour_vision("other"), watchlist()), [Passer("blue")], range(SECOND))


def test_counters_count_what_passed() -> None:
    street = pipeline()
    watch(street, [Passer("red"), Passer("blue", (60, 230))], range(SECOND))
    street.step(seen([], SECOND)[0], Faces.none())
    assert (street.counters.frames, street.counters.faces, street.counters.events) == (SECOND + 1, 2 * SECOND, 1)
    assert street.counters.tracks == 2
