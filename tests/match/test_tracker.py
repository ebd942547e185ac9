"""A track is one face: it survives a moment's loss, and is never made of noise."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.match.tracker import Track, Tracker, TrackerSettings
from models.faces import Faces

MS = 1_000_000
STEP = 40 * MS
SURE, UNSURE = 0.9, 0.62


def faces(*boxes: tuple[float, float, float], score: float = SURE) -> Faces:
    """Square faces: x, y and side, px."""
    corners = np.array([(x, y, x + side, y + side) for x, y, side in boxes], np.float32).reshape(-1, 4)
    return Faces(corners, np.zeros((len(boxes), 5, 2), np.float32), np.full(len(boxes), score, np.float32))


def ids(tracks: list[Track]) -> list[int]:
    return [track.id for track in tracks]


@pytest.fixture
def tracker() -> Tracker:
    return Tracker("front")


def test_a_walking_face_is_one_track(tracker: Tracker) -> None:
    seen = [tracker.update(faces((10 + 8 * n, 50, 60)), n * STEP).seen for n in range(50)]
    assert {track.id for tracks in seen for track in tracks} == {1}
    assert tracker.started == 1
    assert (seen[-1][0].first_t_ns, seen[-1][0].last_t_ns, seen[-1][0].sightings) == (0, 49 * STEP, 50)


def test_two_faces_keep_their_own_tracks(tracker: Tracker) -> None:
    for n in range(30):
        tracks = tracker.update(faces((10 + 6 * n, 50, 60), (600 - 6 * n, 250, 60)), n * STEP).seen
    assert sorted((track.id, float(track.box[1])) for track in tracks) == [(1, 50.0), (2, 250.0)]


def test_a_face_that_was_hidden_for_a_moment_is_the_same_track_where_it_walked_to(tracker: Tracker) -> None:
    for n in range(20):
        tracker.update(faces((10 + 8 * n, 50, 60)), n * STEP)
    for n in range(20, 30):
        assert tracker.update(Faces.none(), n * STEP).ended == []
    assert ids(tracker.update(faces((10 + 8 * 30, 50, 60)), 30 * STEP).seen) == [1]


def test_an_unsure_sighting_keeps_a_track_alive(tracker: Tracker) -> None:
    tracker.update(faces((10, 50, 60)), 0)
    for n in range(1, 60):
        tracks = tracker.update(faces((10 + n, 50, 60), score=UNSURE), n * STEP)
        assert ids(tracks.seen) == [1]
        assert tracks.ended == []


def test_unsure_sightings_alone_start_nothing(tracker: Tracker) -> None:
    for n in range(60):
        assert tracker.update(faces((10 + n, 50, 60), (300, 90, 40), score=UNSURE), n * STEP).seen == []
    assert tracker.started == 0


def test_a_track_ends_after_the_longest_gap_and_not_before(tracker: Tracker) -> None:
    gap_ns = round(TrackerSettings().max_gap_s * 1e9)
    tracker.update(faces((10, 50, 60)), 0)
    assert tracker.update(Faces.none(), gap_ns).ended == []
    (ended,) = tracker.update(Faces.none(), gap_ns + 1).ended
    assert ended.id == 1
    assert tracker.update(faces((10, 50, 60)), gap_ns + STEP).seen[0].id == 2


def test_no_settings_let_an_unseen_face_live_for_a_second() -> None:
    assert TrackerSettings().max_gap_s < 1


def test_time_without_frames_ends_tracks_too(tracker: Tracker) -> None:
    tracker.update(faces((10, 50, 60)), 0)
    assert tracker.expire(100 * MS) == []
    assert ids(tracker.expire(2_000 * MS)) == [1]
    assert tracker.expire(3_000 * MS) == []


def test_all_tracks_can_be_ended(tracker: Tracker) -> None:
    tracker.update(faces((10, 50, 60), (300, 50, 60)), 0)
    assert sorted(ids(tracker.end_all())) == [1, 2]
    assert tracker.end_all() == []


def test_people_who_crossed_are_reported_when_they_are_apart_again_and_only_then(tracker: Tracker) -> None:
    reported: list[list[int]] = []
    apart: list[bool] = []
    for n in range(60):
        left, right = 10 + 8 * n, 490 - 8 * n
        tracks = tracker.update(faces((left, 50, 60), (right, 60, 60)), n * STEP)
        reported.append(sorted(ids(tracks.doubtful)))
        apart.append(abs(left - right) >= 60)
    crossed = [n for n, tracks in enumerate(reported) if tracks]
    assert sorted({number for n in crossed for number in reported[n]}) == [1, 2]
    assert all(apart[n] for n in crossed)
    assert tracker.started == 2


def test_people_who_pass_at_a_distance_are_not_reported(tracker: Tracker) -> None:
    doubtful = [
        track
        for n in range(60)
        for track in tracker.update(faces((10 + 8 * n, 50, 60), (490 - 8 * n, 150, 60)), n * STEP).doubtful
    ]
    assert doubtful == []


def test_the_same_faces_make_the_same_tracks() -> None:
    rng = np.random.default_rng(5)
    film = [faces(*((float(x), float(y), 50.0) for x, y in rng.uniform(0, 600, (6, 2))), score=SURE) for _ in range(40)]

    def run() -> list[list[tuple[int, float]]]:
        tracker = Tracker("front")
        updates = [tracker.update(found, n * STEP).seen for n, found in enumerate(film)]
        return [[(track.id, float(track.box[0])) for track in tracks] for tracks in updates]

    assert run() == run()


def test_cameras_do_not_share_tracks() -> None:
    front, rear = Tracker("front"), Tracker("rear")
    seen = front.update(faces((10, 50, 60)), 0).seen + rear.update(faces((10, 50, 60)), 0).seen
    assert [(track.camera, track.id) for track in seen] == [("front", 1), ("rear", 1)]
