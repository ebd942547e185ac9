"""Measure what lies beyond comparisons of good photographs. Knows the order of the parts; computes nothing itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from models.evaluation import detector, discard, peers, speed, strata
from models.evaluation.conditions import Conditions
from models.evaluation.discard import QualityReport
from models.evaluation.frame import FramePath, Shown
from models.evaluation.labelled import Labelled
from models.evaluation.measures import Looks, measures
from models.evaluation.peers import Task
from models.evaluation.report import EvaluationError, Reading
from models.evaluation.strata import Images, StrataReport, Thresholds
from models.evaluation.templates import Measured
from models.faces import Faces
from models.plan import Progress
from models.portrait import UnfitPortraitError, read
from models.vision import Vision

SEED = 0
FMR = 1e-4
"""False match rate of single comparisons whose threshold FNMR is told at; the next that the set can show, where not."""
FPIR = 3e-3
"""The same of searches."""
TIMED = 100
"""Photographs that the stages are timed on."""


@dataclass(frozen=True)
class Further:
    """What is measured beyond the usual; the characteristics of quality always are, since they cost seconds.

    Attributes:
        strata: probes of falling quality, faces of falling size, and the time of each stage: minutes.
        peers: what other people's networks are measured on: minutes, and with dlib an hour; none without them.
    """

    strata: bool = False
    peers: Task | None = None


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
        one: photographs with a face, under the labels that the evaluation is judged by.
        rows: (n) of these photographs in ``seen``.
        seen: what was seen in them, and maybe in more.
        judged: what was found of comparisons and searches.
    """

    one: Labelled
    rows: npt.NDArray[np.intp]
    seen: Measured
    judged: Reading

    @staticmethod
    def of(one: Labelled, seen: Measured, judged: Reading) -> Subject:
        """With the rows looked up."""
        places = {photo: row for row, photo in enumerate(seen.photos)}
        return Subject(one, np.array([places[photo] for photo in one.photos], np.intp), seen, judged)

    def content(self, number: int) -> bytes:
        """A photograph's file.

        Raises:
            EvaluationError: it is gone.
        """
        photo = self.one.photos[number]
        try:
            return photo.path.read_bytes()
        except OSError as error:
            raise EvaluationError(f"{photo.path}: {error.strerror}, it was there a moment ago") from error

    def photo(self, number: int) -> Shown:
        """A photograph and its face.

        Raises:
            EvaluationError: it is gone, or another than it was.
        """
        row, seen = self.rows[[number]], self.seen
        try:
            image = read(self.content(number))
        except UnfitPortraitError as error:
            raise EvaluationError(f"{self.one.photos[number].path}: {error}, it was readable a moment ago") from error
        return Shown(image, Faces(seen.boxes[row], seen.landmarks[row], seen.scores[row]))

    def chosen(self, count: int, rng: np.random.Generator) -> list[int]:
        """Some photographs, drawn."""
        return [int(number) for number in rng.permutation(len(self.one.photos))[:count]]


def look_further(
    subject: Subject, vision: Vision, further: Further, progress: Progress = lambda what, done, of: None
) -> Conditions:
    """Measure what is asked for.

    Args:
        subject: photographs, and what was found of them.
        vision: the model.
        further: what is asked for.
        progress: called with (what is being done, steps done, steps).

    Raises:
        EvaluationError: a photograph is gone.
        ModelError: as the networks say.
    """
    detected = speeds = told = stratified = None
    if further.strata:
        stratified = _strata(subject, vision, progress)
        rng = np.random.default_rng(SEED)
        photos = [subject.photo(number) for number in subject.chosen(detector.PHOTOS, rng)]
        detected = detector.measure(photos, vision, rng, progress)
        numbers = subject.chosen(TIMED, np.random.default_rng(SEED))
        files = [(subject.content(number), subject.photo(number)) for number in numbers]
        speeds = speed.measure(files, vision, subject.one.vectors, time.perf_counter_ns)
    if further.peers is not None:
        own = dict(zip(subject.one.photos, subject.one.vectors, strict=True))
        told = peers.measure(further.peers, own, peers.look_for_peers(), progress)
    return Conditions(SEED, stratified, detected, speeds, _quality(subject), told)


def _strata(subject: Subject, vision: Vision, progress: Progress) -> StrataReport | None:
    """None where no label has two photographs, or no rate can be shown that a threshold could be set at."""
    verification, search = _single(subject.judged), _searched(subject.judged)
    if verification is None or search is None or not subject.judged.verification.mated:
        return None
    sample = strata.draw(subject.one.labels, np.random.default_rng(SEED))
    images = Images(subject.one.labels, subject.one.vectors, subject.photo)
    return strata.measure(images, sample, FramePath(vision), Thresholds(verification, search), progress)


def _quality(subject: Subject) -> QualityReport | None:
    threshold, rng = _single(subject.judged), np.random.default_rng(SEED)
    pairs = discard.mated(subject.one.labels, rng)
    if threshold is None or not len(pairs):
        return None
    seen, rows = subject.seen, subject.rows
    looks = Looks(
        landmarks=seen.landmarks[rows],
        scores=seen.scores[rows],
        sharpness=seen.sharpness[rows],
        light=[seen.light[row] for row in rows],
        lengths=seen.lengths[rows],
        single=seen.single[rows],
        both=seen.vectors[rows],
    )
    return discard.discard(subject.one.vectors, pairs, measures(looks), threshold, rng)


def _single(judged: Reading) -> float | None:
    """The threshold for :data:`FMR`, or for the nearest rate that the set shows."""
    shown = [point for point in judged.verification.points if point.threshold is not None]
    return min(shown, key=lambda point: abs(np.log(point.wanted / FMR))).threshold if shown else None


def _searched(judged: Reading) -> float | None:
    """The mean threshold for :data:`FPIR`, or the nearest rate, of the list that is nearest to that of the strata."""
    lists = [
        (listed, point)
        for listed in judged.identification
        if listed.portraits == 1
        for point in listed.points
        if point.draws
    ]
    if not lists:
        return None
    nearest = min(lists, key=lambda each: (abs(each[0].entries - strata.ENTRIES), abs(np.log(each[1].wanted / FPIR))))
    return fmean(draw.threshold for draw in nearest[1].draws)
