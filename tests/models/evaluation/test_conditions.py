"""Strata of probes whose fate is known, and recall, false faces and speed with the real networks on drawn faces."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from models.evaluation import detector, speed, strata
from models.evaluation.detector import BLANKED, BLOCK_PX, MIXED, blanked, mixed
from models.evaluation.frame import FramePath, Shown, laid
from models.evaluation.strata import PLAIN, POSE, Images, Sample, StrataReport, Stratum, Thresholds, draw
from models.faces import F32, Faces
from models.golden import Figures
from models.quality import eye_distance_px
from models.vision import Vision
from tests.models.stage import Pixels

PROBES = 32
BLUE = PROBES // 8
SEEN_EYES_PX = 16.0


@pytest.fixture(scope="module")
def photo(picture: Pixels, figures: Figures) -> Shown:
    """One drawn face alone: the other half of the picture is cut off."""
    found, half = figures.detector, picture.shape[1] // 2
    boxes, landmarks = np.array(found.boxes, np.float32)[:1], np.array(found.landmarks, np.float32)[:1]
    shift = np.array([half * int(boxes[0, 0] > half), 0], np.float32)
    left = int(shift[0])
    face = Faces(boxes - np.tile(shift, 2), landmarks - shift, np.ones(1, np.float32))
    return Shown(picture[:, left : left + half], face)


@dataclass(frozen=True)
class ColourWay:
    """Sees a face that is not too small, and tells red from green: what a probe resembles is known beforehand."""

    least_eyes_px: float

    def find(self, frame: Shown) -> Shown | None:
        return frame if eye_distance_px(frame.face.landmarks[0]) >= self.least_eyes_px else None

    def template(self, found: Shown) -> F32:
        x, y = (int(value) for value in found.face.landmarks[0, 2])
        colour = found.image[y, x].astype(np.float32)
        unit: F32 = colour / np.linalg.norm(colour)
        return unit


def _strata(photo: Shown, way: ColourWay, probes: int = PROBES) -> StrataReport:
    """Two entries, red and green; every fourth red probe is blue."""
    colours = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
    labels = np.array([0, 1, *(place % 2 for place in range(PROBES))], np.int64)
    shown = [0, 1, *(2 if place % 8 == 0 else place % 2 for place in range(PROBES))]

    def read(number: int) -> Shown:
        return Shown(np.broadcast_to(colours[shown[number]], photo.image.shape).copy(), photo.face)

    vectors = (colours[shown] / 200).astype(np.float32)
    searched = np.arange(2, 2 + probes)
    sample = Sample(np.array([0, 1]), searched, labels[searched].astype(np.intp))
    return strata.measure(Images(labels, vectors, read), sample, way, Thresholds(0.5, 0.9))


@pytest.fixture(scope="module")
def report(photo: Shown) -> StrataReport:
    return _strata(photo, ColourWay(SEEN_EYES_PX))


def _of(report: StrataReport, kind: str) -> dict[float, Stratum]:
    return {one.amount: one for one in report.strata if one.kind == kind}


def test_probes_that_are_like_nobody_are_counted_as_false_non_matches(report: StrataReport) -> None:
    (plain,) = _of(report, PLAIN).values()
    assert plain.fnmr is not None
    assert plain.fmr is not None
    assert (plain.fta.events, plain.fnmr.events, plain.fnmr.trials) == (0, BLUE, PROBES)
    assert (plain.tpir.events, plain.tpir.trials) == (PROBES - BLUE, PROBES)
    assert (plain.fmr.events, plain.fmr.trials) == (0, PROBES)


def test_faces_that_are_not_found_are_failures_to_acquire_and_lost_searches(report: StrataReport) -> None:
    sizes = _of(report, "eye distance")
    assert {px: one.fta.events for px, one in sizes.items()} == {px: PROBES if px < SEEN_EYES_PX else 0 for px in sizes}
    assert (sizes[10].fnmr, sizes[10].fmr, sizes[10].tpir.events) == (None, None, 0)
    assert sizes[18].tpir.events == PROBES - BLUE


def test_what_a_colour_survives_changes_nothing(report: StrataReport) -> None:
    (plain,) = _of(report, PLAIN).values()
    brighter = _of(report, "gain")[1.5]
    assert (brighter.fnmr, brighter.tpir, brighter.fta) == (plain.fnmr, plain.tpir, plain.fta)


def test_a_stratum_of_too_few_probes_is_left_out_and_said(report: StrataReport) -> None:
    assert len(_of(report, POSE)) == 1
    assert "yaw of 45 to 90 degrees: 0 probes, at least 30 are measured" in report.left_out


def test_nothing_is_told_of_a_handful(photo: Shown) -> None:
    report = _strata(photo, ColourWay(SEEN_EYES_PX), probes=3)
    assert report.strata == ()
    assert "as it is: 3 probes, at least 30 are measured" in report.left_out


def test_both_runs_give_the_same_figures(photo: Shown, report: StrataReport) -> None:
    assert _strata(photo, ColourWay(SEEN_EYES_PX)) == report


def test_the_list_enrols_labels_that_have_probes_before_those_that_have_none() -> None:
    labels = np.array([0, 1, 2, 2, 2, 3, 3, 4], np.int64)
    sample = draw(labels, np.random.default_rng(3), entries=3)
    enrolled = labels[sample.entries]
    assert {2, 3} < set(enrolled.tolist())
    assert len(sample.probes) == 3
    assert (labels[sample.probes] == enrolled[sample.own]).all()
    assert not set(sample.probes.tolist()) & set(sample.entries.tolist())


def test_a_set_of_single_photographs_has_no_probe() -> None:
    with pytest.raises(ValueError, match="no label has two images"):
        draw(np.arange(5), np.random.default_rng(0))


def test_the_way_of_a_frame_ends_at_the_template_that_the_networks_are_known_by(
    vision: Vision, photo: Shown, figures: Figures
) -> None:
    way = FramePath(vision)
    found = way.find(laid(photo))
    assert found is not None
    golden = np.array(figures.embedder.vectors[0], np.float32)
    assert float(way.template(found) @ golden) > 0.9


@pytest.fixture(scope="module")
def detected(vision: Vision, photo: Shown) -> detector.DetectorReport:
    return detector.measure([photo] * 2, vision, np.random.default_rng(0))


def test_the_detector_finds_large_faces_and_no_tiny_one(detected: detector.DetectorReport) -> None:
    full = {one.width_px: one.recall.events for one in detected.recalls if one.canvas == "full"}
    assert (full[8], full[120]) == (0, 2)
    assert all(one.recall.trials == 2 for one in detected.recalls)


def test_the_smaller_canvas_finds_no_more(detected: detector.DetectorReport) -> None:
    found = {
        canvas: sum(one.recall.events for one in detected.recalls if one.canvas == canvas)
        for canvas in ("full", "small")
    }
    assert found["small"] < found["full"]


def test_a_blanked_face_is_not_found(vision: Vision, photo: Shown, detected: detector.DetectorReport) -> None:
    assert len(vision.detector.detect(photo.image)) == 1
    assert len(vision.detector.detect(blanked(photo.image, photo.face.boxes[0]))) == 0
    assert [one.faces for one in detected.false_faces if one.made == BLANKED] == [0, 0]
    assert {one.made for one in detected.false_faces} == {BLANKED, MIXED}


def test_a_mixed_picture_has_the_same_pixels_elsewhere(picture: Pixels) -> None:
    whole = picture[: picture.shape[0] // BLOCK_PX * BLOCK_PX, : picture.shape[1] // BLOCK_PX * BLOCK_PX]
    other = mixed(picture, np.random.default_rng(0))
    assert other.shape == whole.shape
    assert not np.array_equal(other, whole)
    assert np.array_equal(np.sort(other, axis=None), np.sort(whole, axis=None))


def test_stages_are_timed_one_by_one_and_the_first_runs_do_not_count(vision: Vision, photo: Shown) -> None:
    file = io.BytesIO()
    Image.fromarray(photo.image).save(file, "PNG")
    ticks = itertools.count(step=2_000_000)
    files = [(file.getvalue(), photo)] * (speed.WARM_RUNS + 2)
    report = speed.measure(files, vision, np.eye(128, dtype=np.float32), lambda: next(ticks))
    assert len(report.stages) == 7
    assert {(one.runs, one.median_ms, one.p95_ms) for one in report.stages} == {(2, 2.0, 2.0)}


def test_a_picture_with_two_faces_is_not_blanked_since_one_would_be_left(
    vision: Vision, photo: Shown, picture: Pixels
) -> None:
    both = Shown(picture, photo.face)
    report = detector.measure([both], vision, np.random.default_rng(0))
    assert {one.made for one in report.false_faces} == {MIXED}
