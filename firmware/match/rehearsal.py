"""Not covered here are capture, decoding, a camera's colours, and frames and pre-filters on the device: from a picture
in memory on drawn faces walk by, and the van must find the listed one and no other.

Knows what the golden picture shows and what has to come of it. Nobody looks like the drawn faces; list, tracks,
templates and counters are the rehearsal's own, so nothing of it reaches those of the street, and no event is said.

The listed template is the reference's, computed elsewhere: a slip that enrolment and look have in common shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from board.camera import Frame
from board.picture import ArrayPicture
from firmware.match.decision import PossibleMatch
from firmware.match.pipeline import Pipeline, PipelineSettings
from firmware.match.watchlist import Entry, Watchlist
from models.detector import intersection_over_union
from models.faces import F32, Embeddings, Faces
from models.golden import Figures, drawn_faces, golden_picture
from models.letterbox import on_canvas
from models.manifest import ModelError
from models.vision import Vision

CAMERA = "rehearsal"
LISTED = "drawn-face"
MIN_SIMILARITY = 0.95
"""That the listed drawn face must reach. Right, it reaches 0.97; the other drawn face comes to 0.91, swapped channels
to 0.92, and faces that are cut out a tenth too large or too small to 0.92."""
MIN_OVERLAP = 0.5
"""Of a found box with the one that is there, as intersection over union. Right, it is 0.85 or more."""
MAX_SWAPPED = 0.005
"""By how much a detector may be surer of faces whose red is blue. Right, it is less sure, by 0.03 to 0.2. This tells a
swap at any size of picture, as positions do not: the detector's grid moves them by more than a swap."""
MOST_FRAMES = 30
_STEP_NS = 100_000_000
_STEP_PX = 2
_EMPTY, _ALONE, _AFTER = 1, 3, 2
"""Frames without a face, then with the other face alone, and at the end after the decision."""
_FULL = _EMPTY + _ALONE
"""The first frame with both."""
_ROW, _ROWS = 17, 32
_GREY = 128
_SEED = 6
Look = Callable[[Frame], Faces]
List = Callable[[tuple[Entry, ...], Embeddings], Watchlist]


def rehearse(
    vision: Vision, settings: PipelineSettings, look: Look, size_px: tuple[int, int], listed: List = Watchlist
) -> Iterator[None]:
    """One rehearsal; between two steps, of a frame each, the street may be looked at.

    Args:
        vision: the networks in use.
        settings: of the pipeline in use.
        look: finds the faces of a frame with the detectors in use.
        size_px: (width, height) of a camera's pictures.
        listed: makes the list that is searched.

    Raises:
        ModelError: what went otherwise than it must.
    """
    figures = vision.figures
    if figures is None:
        raise ModelError("rehearsal: these networks have no golden figures")
    stage, watchlist = _Stage(figures, size_px), listed(*_entries(figures, vision.embedder.space))
    pipeline = Pipeline(vision, watchlist, _stricter(settings))
    matches: list[PossibleMatch] = []
    number = 0
    last = MOST_FRAMES
    try:
        stage.check_colours(look)
        yield
        while number < last:
            frame = stage.frame(number)
            matches += pipeline.step(frame, stage.checked(number, look(frame)))
            number += 1
            if matches:
                last = min(last, number + _AFTER)
            yield
        _judge(pipeline, matches)
    finally:
        pipeline.end(number * _STEP_NS)
        watchlist.wipe()


def _stricter(settings: PipelineSettings) -> PipelineSettings:
    """What is in use, but that more similarity is asked for than of any entry: the drawn faces resemble each other."""
    return replace(settings, decision=replace(settings.decision, threshold=MIN_SIMILARITY, caution=0.0))


def _entries(figures: Figures, space: str) -> tuple[tuple[Entry, ...], Embeddings]:
    """The listed drawn face somewhere among templates of nothing."""
    drawn = np.array(figures.embedder.vectors[0], np.float32)
    vectors = np.random.default_rng(_SEED).standard_normal((_ROWS, len(drawn))).astype(np.float32)
    vectors[_ROW] = drawn
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entries = tuple(Entry(LISTED if row == _ROW else f"decoy-{row}", "rehearsal") for row in range(_ROWS))
    return entries, Embeddings(vectors, space)


def _judge(pipeline: Pipeline, matches: list[PossibleMatch]) -> None:
    """Exactly one possible match, of the right entry and face, after both were followed and looked at."""
    counters = pipeline.counters
    if counters.tracks != 2:
        raise ModelError(f"rehearsal: two drawn faces walked by, {counters.tracks} tracks were followed")
    if not matches:
        raise ModelError(
            f"rehearsal: the listed drawn face was not found at similarity {MIN_SIMILARITY} in {counters.frames} frames"
        )
    found = [match.candidate.entry.ref for match in matches]
    if found != [LISTED] or matches[0].track.id != 2:
        tracks = [match.track.id for match in matches]
        raise ModelError(f"rehearsal: expected {LISTED} on track 2 and nothing else, found {found} on tracks {tracks}")
    if counters.embeddings <= matches[0].observations:
        raise ModelError("rehearsal: the drawn face that is not listed was never compared")


class _Stage:
    """Frames in which nobody is seen, then the face that is not listed, then both, walking slowly to the right.

    What a frame shows changes, so that an answer that is not this frame's cannot be right.

    Args:
        figures: where the detector in use finds the faces; it may be one that takes no drawn face for one.
        size_px: (width, height) of the frames.
    """

    def __init__(self, figures: Figures, size_px: tuple[int, int]) -> None:
        self._detects = bool(figures.detector.boxes)
        shown = figures.detector if self._detects else drawn_faces()
        order = np.argsort(np.array(shown.boxes, np.float32)[:, 0])  # the listed one stands on the left
        self._boxes = np.array(shown.boxes, np.float32)[order]
        self._landmarks = np.array(shown.landmarks, np.float32)[order]
        whole = golden_picture()
        alone, empty = whole.copy(), np.full_like(whole, _GREY)
        alone[:, : whole.shape[1] // 2] = _GREY
        laid = [on_canvas(picture, size_px) for picture in (empty, alone, whole)]
        self._pictures = [picture for picture, _ in laid]
        self._scale = laid[0][1]

    def frame(self, number: int) -> Frame:
        """As a camera would bring it; ``number`` counts from 0."""
        moved = np.roll(self._pictures[self._act(number)], self._moved_px(number), axis=1)
        return Frame(CAMERA, number, number * _STEP_NS, ArrayPicture(moved))

    def checked(self, number: int, found: Faces) -> Faces:
        """What was found, if it is what is there; what is there, for a detector that takes no drawn face for one.

        Raises:
            ModelError: says what else was found.
        """
        there = self._there(number)
        if not self._detects:
            return there
        if len(found) != len(there):
            raise ModelError(f"rehearsal: {len(there)} drawn faces in frame {number}, found {len(found)}")
        if not len(there):
            return found
        found = found[np.argsort(found.boxes[:, 0])]
        overlap = float(np.diag(intersection_over_union(found.boxes, there.boxes)).min())
        if not overlap >= MIN_OVERLAP:
            raise ModelError(
                f"rehearsal: a face overlaps its place by {overlap:.2f}, at least {MIN_OVERLAP} is required"
            )
        return found

    def check_colours(self, look: Look) -> None:
        """Whether the detector sees red as red.

        Raises:
            ModelError: it is surer of faces in swapped colours.
        """
        if not self._detects:
            return
        right = look(self.frame(_FULL))
        swapped = look(Frame(CAMERA, _FULL, 0, ArrayPicture(self.frame(_FULL).picture.rgb()[:, :, ::-1].copy())))
        sure, surer = float(right.scores.sum()) / 2, float(swapped.scores.sum()) / 2
        if not sure >= surer - MAX_SWAPPED:
            raise ModelError(
                f"rehearsal: the detector's colours are swapped: its scores are {sure:.3f}, {surer:.3f} swapped"
            )

    def _there(self, number: int) -> Faces:
        first = len(self._boxes) - self._act(number)
        by = np.float32(self._moved_px(number)), np.float32(0)
        boxes: F32 = self._boxes[first:] * np.float32(self._scale) + np.array([*by, *by])
        landmarks: F32 = self._landmarks[first:] * np.float32(self._scale) + np.array(by)
        return Faces(boxes, landmarks, np.ones(len(boxes), np.float32))

    def _act(self, number: int) -> int:
        """How many faces are seen."""
        return 0 if number < _EMPTY else 1 if number < _FULL else 2

    def _moved_px(self, number: int) -> int:
        return round(_STEP_PX * number * self._scale)
