"""Which sightings are worth a template: good ones, few of them, and a few more of a face that may be listed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from firmware.match.selection import SelectionSettings, Selector
from firmware.match.tracker import Track
from models.align import TEMPLATE, chips
from models.faces import F32
from models.golden import drawn_faces
from models.sharpness import sharpness
from tests.film import drawn_face

PICTURE = (1280, 720)
OF_INTEREST = 0.4
NOBODY, SOMEBODY = 0.1, 0.45
MS = 1_000_000
NEAR_PX = 150
"""Side of the aligned square of a face that is as large as the embedder wants it."""
SETTINGS = SelectionSettings()


def sighting(size_px: float = 120, corner: tuple[float, float] = (300, 200), score: float = 0.9) -> Track:
    """A track that is seen frontally; ``size_px`` is the side of its aligned square."""
    landmarks = (TEMPLATE * (size_px / 112) + np.array(corner, np.float32)).astype(np.float32)
    x, y = corner
    box = np.array([x + 0.15 * size_px, y, x + 0.85 * size_px, y + 0.95 * size_px], np.float32)
    return Track(1, "front", box, landmarks, score, 0, 0, sightings=10)


def moved(track: Track, points: dict[int, tuple[float, float]]) -> Track:
    for index, by in points.items():
        track.landmarks[index] += np.array(by, np.float32)
    return track


@pytest.fixture
def selector() -> Selector:
    return Selector(SETTINGS, lambda evidence: evidence.similarity >= OF_INTEREST)


def chosen(selector: Selector, track: Track) -> bool:
    return bool(selector.worth_embedding([track], PICTURE))


def shots_of(selector: Selector, resembles: float, sightings: int) -> int:
    """Templates made of a steady face that is looked at for ``sightings`` frames of 40 ms."""
    track = sighting()
    for number in range(sightings):
        track.last_t_ns = number * 40 * MS
        for shot in selector.worth_embedding([track], PICTURE):
            track.evidence.add(0, resembles, resembles, shot.quality, track.last_t_ns)
    return track.evidence.shots


def test_a_frontal_near_and_clear_face_is_chosen(selector: Selector) -> None:
    assert chosen(selector, sighting())


@pytest.mark.parametrize(
    "track",
    [
        pytest.param(moved(sighting(), {2: (-30, 0)}), id="turned away"),
        pytest.param(moved(sighting(), {2: (0, -24)}), id="looking up"),
        pytest.param(moved(sighting(), {0: (18, 0), 1: (-18, 0), 3: (12, 0), 4: (-12, 0)}), id="in profile"),
        pytest.param(sighting(size_px=20), id="far away"),
        pytest.param(sighting(corner=(-60, 200)), id="over the left edge"),
        pytest.param(sighting(corner=(1230, 200)), id="over the right edge"),
        pytest.param(sighting(corner=(300, 660)), id="over the lower edge"),
        pytest.param(sighting(score=0.15), id="hardly a face"),
        pytest.param(moved(sighting(), {i: (-TEMPLATE[i][0], -TEMPLATE[i][1]) for i in range(5)}), id="no geometry"),
    ],
)
def test_a_bad_sighting_is_not_chosen(selector: Selector, track: Track) -> None:
    assert not chosen(selector, track)


def test_a_face_is_not_chosen_at_its_first_sighting(selector: Selector) -> None:
    track = sighting()
    track.sightings = 1
    assert not chosen(selector, track)


def test_a_tilted_head_is_as_good_as_an_upright_one(selector: Selector) -> None:
    turn = np.array([[0.87, -0.5], [0.5, 0.87]], np.float32)
    upright, tilted = sighting(), sighting()
    middle = tilted.landmarks.mean(0)
    tilted.landmarks = ((tilted.landmarks - middle) @ turn.T + middle).astype(np.float32)
    (one,), (other,) = (selector.worth_embedding([track], PICTURE) for track in (upright, tilted))
    assert other.quality == pytest.approx(one.quality, rel=0.02)


def test_the_same_sighting_again_is_not_chosen_and_a_clearly_better_one_is(selector: Selector) -> None:
    track = sighting(size_px=NEAR_PX / 2)
    (shot,) = selector.worth_embedding([track], PICTURE)
    track.evidence.add(0, NOBODY, NOBODY, shot.quality, 0)
    track.last_t_ns = 40 * MS
    assert not chosen(selector, track)
    track.landmarks, track.box = sighting(size_px=NEAR_PX).landmarks, sighting(size_px=NEAR_PX).box
    assert chosen(selector, track)


@pytest.fixture
def gone_far(selector: Selector) -> Track:
    """A track that was embedded near the camera and is now half as large."""
    track = sighting(size_px=NEAR_PX)
    (shot,) = selector.worth_embedding([track], PICTURE)
    track.evidence.add(0, SOMEBODY, SOMEBODY, shot.quality, 0)
    track.landmarks, track.box = sighting(size_px=NEAR_PX / 2).landmarks, sighting(size_px=NEAR_PX / 2).box
    return track


def test_a_worse_sighting_is_not_chosen(selector: Selector, gone_far: Track) -> None:
    gone_far.last_t_ns = 1_000 * MS
    assert not chosen(selector, gone_far)


def test_a_worse_sighting_will_do_to_see_that_the_face_is_still_the_same(selector: Selector, gone_far: Track) -> None:
    gone_far.last_t_ns = round(SETTINGS.look_again_s * 1000) * MS
    assert chosen(selector, gone_far)


def test_a_worse_sighting_will_do_where_the_tracker_may_have_slipped(selector: Selector, gone_far: Track) -> None:
    gone_far.last_t_ns = 200 * MS
    gone_far.evidence.doubted = True
    assert chosen(selector, gone_far)


def test_a_face_that_may_be_listed_is_looked_at_more_often(selector: Selector) -> None:
    assert shots_of(selector, SOMEBODY, sightings=75) > shots_of(selector, NOBODY, sightings=75)


@pytest.mark.parametrize("resembles", [NOBODY, SOMEBODY])
def test_the_templates_of_one_track_are_few_however_long_it_stays(selector: Selector, resembles: float) -> None:
    looks_again = 3000 * 0.040 / SETTINGS.look_again_s
    assert 1 <= shots_of(selector, resembles, sightings=3000) <= SETTINGS.max_shots + looks_again


def test_a_face_that_resembles_nobody_costs_less_than_one_template_in_twenty_frames(selector: Selector) -> None:
    assert shots_of(selector, NOBODY, sightings=100) <= min(5, SETTINGS.max_idle_shots)


def test_a_decided_track_is_not_looked_at_again(selector: Selector) -> None:
    track = sighting()
    track.evidence.decided = True
    track.last_t_ns = 60_000 * MS
    assert not chosen(selector, track)


@pytest.fixture
def aligned() -> F32:
    """The two drawn faces at rising blur: (steps, 112, 112, 3)."""
    landmarks = np.array(drawn_faces().landmarks, np.float32)[:1] - np.array([80, 0], np.float32)
    blurred = [drawn_face("pale").filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 1, 2, 4, 8)]
    return np.concatenate([chips(np.asarray(picture), landmarks) for picture in blurred]).astype(np.float32)


def test_sharpness_falls_with_every_step_of_blur(aligned: F32) -> None:
    measured = sharpness(aligned.astype(np.uint8))
    assert np.all(np.diff(measured) < 0)
    assert measured[0] > 2 * measured[-1]


def test_sharpness_falls_when_a_face_is_enlarged_from_few_pixels(aligned: F32) -> None:
    chip = Image.fromarray(aligned[0].astype(np.uint8))
    sizes = (112, 56, 28)
    enlarged = [np.asarray(chip.resize((n, n), Image.Resampling.BOX).resize((112, 112))) for n in sizes]
    assert np.all(np.diff(sharpness(np.stack(enlarged))) < 0)


def test_sharpness_does_not_depend_on_the_light(aligned: F32) -> None:
    bright, dim = sharpness(np.stack([aligned[0], aligned[0] * 0.5 + 20]).astype(np.uint8))
    assert dim == pytest.approx(bright, rel=0.15)


def test_a_flat_picture_is_not_sharp_and_nothing_is_measured_of_nothing() -> None:
    assert sharpness(np.full((1, 112, 112, 3), 128, np.uint8)) == pytest.approx([0.0])
    assert sharpness(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0,)


def misses_of(selector: Selector, track: Track, sightings: int) -> int:
    """Shots that all show too little of a face, of one that is looked at for ``sightings`` frames of 40 ms."""
    before = track.evidence.shots
    for _ in range(sightings):
        track.last_t_ns += 40 * MS
        for _shot in selector.worth_embedding([track], PICTURE):
            track.evidence.miss(track.last_t_ns)
    return track.evidence.shots - before


def test_after_a_shot_that_showed_too_little_of_a_face_it_rests(selector: Selector) -> None:
    assert misses_of(selector, sighting(), round(SETTINGS.pause_s * 25)) == 1
    assert misses_of(selector, sighting(), round(SETTINGS.pause_s * 25) + 1) == 2


def test_a_doubted_face_that_shows_too_little_is_not_looked_at_in_each_frame(selector: Selector) -> None:
    track = sighting()
    track.evidence.add(0, NOBODY, NOBODY, 1.0, 0)
    track.evidence.shots = SETTINGS.max_idle_shots
    track.evidence.doubted = True
    assert misses_of(selector, track, 30) == 1
    track.evidence.doubted = True
    assert misses_of(selector, track, 30) == 1
