"""A rehearsal passes where all is right, and each silent fault of a network, a search or a rule makes it fail."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from firmware.match.decision import DecisionSettings
from firmware.match.finder import Finder
from firmware.match.pipeline import PipelineSettings
from firmware.match.rehearsal import rehearse
from firmware.match.selection import SelectionSettings
from firmware.match.tracker import TrackerSettings
from firmware.match.watchlist import Candidate, Watchlist
from models.detector import Detector
from models.embedder import Embedder
from models.faces import F32, Embeddings
from models.manifest import ModelError
from models.prefilter import Gate
from models.runner import Runner
from models.vision import Canvas, Vision
from tests.match.stage import nothing_is_left

SIZE_PX = (640, 360)
SETTINGS = PipelineSettings()
Pixels = npt.NDArray[np.uint8]
Outputs = Sequence[F32]


@dataclass
class Tampered:
    """A runner whose pictures or answers are changed on the way."""

    inner: Runner
    shown: Callable[[Pixels], Pixels] = lambda images: images
    answered: Callable[[Outputs], Outputs] = lambda outputs: outputs
    name: str = "tampered"

    def run(self, images: Pixels) -> Outputs:
        return self.answered([np.array(output) for output in self.inner.run(self.shown(images))])


@dataclass
class Stale:
    """A runner that goes on giving its first answer, as often as there are pictures."""

    inner: Runner
    first: list[F32] = field(default_factory=list)
    name: str = "stale"

    def run(self, images: Pixels) -> Outputs:
        self.first = self.first or [np.array(output) for output in self.inner.run(images)]
        return [np.resize(output, (len(images), *output.shape[1:])) for output in self.first]


def blue_for_red(images: Pixels) -> Pixels:
    return images[..., ::-1].copy()


def zeros(outputs: Outputs) -> Outputs:
    return [np.zeros_like(output) for output in outputs]


def no_numbers(outputs: Outputs) -> Outputs:
    return [np.full_like(output, np.nan) for output in outputs]


def cut_out_by_another_template(images: Pixels) -> Pixels:
    """As by one whose face is a tenth larger."""
    corner = 0.05 * images.shape[1]
    place = (0.9, 0, corner, 0, 0.9, corner)
    chips = [Image.fromarray(chip) for chip in images]
    return np.stack([np.asarray(chip.transform(chip.size, Image.Transform.AFFINE, place)) for chip in chips])


def with_detector(vision: Vision, tamper: Callable[[Runner], Any]) -> Vision:
    def detector_for(height_px: int, width_px: int, canvas: Canvas) -> Detector:
        detector = copy.copy(vision.detector_for(height_px, width_px, canvas))
        detector._runner = tamper(detector._runner)
        return detector

    return replace(vision, detector_for=detector_for)


def with_embedder(vision: Vision, tamper: Callable[[Runner], Any]) -> Vision:
    embedder = vision.embedder
    return replace(vision, embedder=Embedder(tamper(embedder._runner), embedder.space, embedder.dimension))


class OffByOne(Watchlist):
    """A list whose search names the row beside the nearest one."""

    def search(self, probes: Embeddings) -> list[Candidate]:
        return [replace(one, row=one.row + 1, entry=self.entries[one.row + 1]) for one in super().search(probes)]


def run(
    vision: Vision,
    settings: PipelineSettings = SETTINGS,
    size_px: tuple[int, int] = SIZE_PX,
    canvas: Canvas = "full",
) -> int:
    """Steps of a rehearsal that passed."""
    look = functools.partial(Finder(vision).rehearse, canvas=canvas)
    return len(list(rehearse(vision, settings, look, size_px)))


@pytest.mark.parametrize(
    ("size_px", "canvas"), [(SIZE_PX, "full"), ((1280, 720), "full"), ((1280, 720), "small"), ((800, 600), "full")]
)
def test_where_all_is_right_the_listed_drawn_face_is_found_and_the_other_is_not(
    vision: Vision, size_px: tuple[int, int], canvas: Canvas
) -> None:
    assert run(vision, size_px=size_px, canvas=canvas) < 20


@pytest.mark.parametrize(
    ("tamper", "complaint"),
    [
        pytest.param(
            functools.partial(Tampered, shown=blue_for_red), "the detector's colours are swapped", id="swapped channels"
        ),
        pytest.param(functools.partial(Tampered, answered=zeros), "1 drawn faces in frame 1, found 0", id="zeros"),
        pytest.param(functools.partial(Tampered, answered=no_numbers), "1 drawn faces in frame 1, found 0", id="NaN"),
        pytest.param(Stale, "0 drawn faces in frame 0, found 2", id="stale"),
    ],
)
def test_a_detector_that_does_not_see_is_found_out(
    vision: Vision, tamper: Callable[[Runner], Any], complaint: str
) -> None:
    with pytest.raises(ModelError, match=complaint):
        run(with_detector(vision, tamper))


def test_a_detector_whose_boxes_are_not_the_faces_is_found_out(vision: Vision) -> None:
    def larger(outputs: Outputs) -> Outputs:
        scores, boxes, landmarks = outputs
        return [scores, boxes + np.array([0, 0, 0.6, 0.6], np.float32), landmarks]

    with pytest.raises(ModelError, match=r"a face overlaps its place by 0\.\d+, at least 0\.5 is required"):
        run(with_detector(vision, functools.partial(Tampered, answered=larger)))


@pytest.mark.parametrize(
    ("tamper", "complaint"),
    [
        pytest.param(functools.partial(Tampered, shown=blue_for_red), "was not found", id="swapped channels"),
        pytest.param(
            functools.partial(Tampered, shown=cut_out_by_another_template), "was not found", id="another alignment"
        ),
        pytest.param(functools.partial(Tampered, answered=zeros), "was not found", id="zeros"),
        pytest.param(functools.partial(Tampered, answered=no_numbers), "was not found", id="NaN"),
        pytest.param(Stale, "was not found", id="stale from its first face on"),
    ],
)
def test_an_embedder_that_tells_nobody_apart_is_found_out(
    vision: Vision, tamper: Callable[[Runner], Any], complaint: str
) -> None:
    with pytest.raises(ModelError, match=complaint):
        run(with_embedder(vision, tamper))


def test_an_embedder_that_repeats_the_listed_face_is_found_out(vision: Vision) -> None:
    assert vision.figures is not None
    listed = np.array(vision.figures.embedder.vectors[:1], np.float32)
    with pytest.raises(ModelError, match=r"expected drawn-face on track 2 .*, found .* on tracks \[1"):
        run(with_embedder(vision, lambda inner: Stale(inner, [listed])))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        pytest.param(PipelineSettings(decision=DecisionSettings(min_agreeing=99)), "was not found", id="never decides"),
        pytest.param(
            PipelineSettings(tracker=TrackerSettings(min_overlap=1.1, min_overlap_unconfident=1.1)),
            r"two drawn faces walked by, \d+ tracks were followed",
            id="loses tracks",
        ),
        pytest.param(
            PipelineSettings(selection=SelectionSettings(full_eye_distance_px=60, min_quality=0.7, poor_quality=0.7)),
            "the drawn face that is not listed was never compared",
            id="chooses no shot of the smaller face",
        ),
    ],
)
def test_a_rule_that_finds_nobody_is_found_out(vision: Vision, settings: PipelineSettings, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        run(vision, settings)


def test_a_search_that_names_the_wrong_row_is_found_out(vision: Vision) -> None:
    steps = rehearse(vision, SETTINGS, Finder(vision).rehearse, SIZE_PX, OffByOne)
    with pytest.raises(ModelError, match=r"found \['decoy-18'\] on tracks \[2\]"):
        list(steps)


def test_one_that_is_left_in_the_middle_leaves_nothing_in_memory(vision: Vision) -> None:
    steps = cast("Generator[None, None, None]", rehearse(vision, SETTINGS, Finder(vision).rehearse, SIZE_PX))
    next(steps)
    inside = inspect.getgeneratorlocals(steps)
    while not inside["pipeline"].store.held:
        next(steps)
        inside = inspect.getgeneratorlocals(steps)
    steps.close()
    assert nothing_is_left(inside["pipeline"])
    assert not inside["watchlist"]._matrix.any()


def test_networks_without_golden_figures_prove_nothing(vision: Vision) -> None:
    with pytest.raises(ModelError, match="have no golden figures"):
        run(replace(vision, figures=None))


@dataclass
class Prefilter:
    """One that sees somebody in every picture or in none."""

    sees: bool
    name: str = "pre-filter"
    shown: int = 0

    def boxes(self, image: Pixels) -> F32:
        self.shown += 1
        return np.zeros((int(self.sees), 4), np.float32)


def test_a_pre_filter_that_never_sees_anybody_is_found_out(vision: Vision) -> None:
    finder = Finder(vision, Gate(Prefilter(sees=False)))
    for _ in range(2):
        with pytest.raises(ModelError, match="the pre-filter sees nobody, the detector finds 2 faces"):
            list(rehearse(vision, SETTINGS, finder.rehearse, SIZE_PX))


def test_a_pre_filter_that_sees_is_asked_of_one_frame_and_its_cameras_are_left_alone(vision: Vision) -> None:
    prefilter = Prefilter(sees=True)
    gate = Gate(prefilter)
    list(rehearse(vision, SETTINGS, Finder(vision, gate).rehearse, SIZE_PX))
    assert 1 <= prefilter.shown <= 2, "the frame comes twice"
    assert (gate.frames, gate.asked, gate.skipped, gate.fault) == (0, 0, 0, "")
