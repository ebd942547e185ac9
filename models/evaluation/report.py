"""What an evaluation found: figures only. Knows rates, intervals and counts; refuses to know a face, a file or a name.

Terms are those of ISO/IEC 19795-1. A label is a folder's name and stands for one consented human being, so labels are
what ``people`` counts.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from models.calibration import Cosine, FmrPoint, GroupCurve, Name, Sha256
from models.evaluation.conditions import Conditions
from models.intervals import Rate

MAX_BYTES = 2**24
FEWEST_EVENTS = 10
"""Of a rate with fewer events behind it the size is hardly known (the exact 95 % interval of 10 spans a factor of 4):
it is marked."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class EvaluationError(Exception):
    """There is nothing to measure; the text names what is wrong with it."""


class FaultCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often something was wrong with the set, in words."""

    kind: str
    count: Count


class OperatingPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The threshold for a wanted false match rate, and what it costs.

    Attributes:
        wanted: false match rate of single comparisons.
        threshold: the least at which the rate is not above it; none where the set cannot show such a rate.
        fmr, fnmr: at this threshold.
        mark: what the reader must know of these figures; empty where they stand by themselves.
    """

    wanted: float
    threshold: Cosine | None = None
    fmr: Rate | None = None
    fnmr: Rate | None = None
    mark: str = ""


class DetPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One point of the DET curve, for plots: plain shares."""

    threshold: Cosine
    fmr: float
    fnmr: float


class PairsRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Given pairs told apart with a threshold that is chosen on the other nine folds (LFW: view 2, "restricted").

    Attributes:
        correct: decisions that were right; its interval regards the folds as clusters.
        folds: the share of each fold.
        without_face: pairs with a photograph in which no face was found: they count as "not the same".
        absent: pairs that name a photograph that the set does not have: they are not counted.
    """

    correct: Rate
    folds: tuple[float, ...]
    without_face: Count
    absent: Count


class Verification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All photographs compared with all.

    Attributes:
        mated: comparisons within a label.
        mated_people: labels that they come from.
        non_mated: comparisons between labels.
        smallest_fmr: that so many labels can show: the rule of three over pairs of labels, as if independent.
        fnmr: on the curve's thresholds; empty where no label has two photographs.
        points: for wanted false match rates.
        det: from the loosest threshold to the strictest.
        pairs: where a file of pairs was given.
    """

    mated: Count
    mated_people: Count
    non_mated: Count
    smallest_fmr: float
    fnmr: tuple[Rate, ...]
    points: tuple[OperatingPoint, ...]
    det: tuple[DetPoint, ...]
    pairs: PairsRate | None = None


class Draw(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is enrolled with which portrait was drawn by lot with this seed.

    Attributes:
        threshold: the least at which the false positive identification rate is not above what is wanted.
        fpir: non-mated searches with a candidate.
        tpir: mated searches with their own entry on top, at or above the threshold (1 - FNIR).
    """

    seed: Count
    threshold: Cosine
    fpir: Rate
    tpir: Rate


class SearchPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Searches at a wanted false positive identification rate.

    Attributes:
        wanted: the rate.
        tpir: mean of the draws; 0 where there are none.
        low, high: mean ends of the draws' own 95 % intervals. Draws share their people: their mean is no surer.
        least, most: of the draws.
        draws: each seed's; empty where the set cannot show the rate.
        mark: as in :class:`OperatingPoint`.
    """

    wanted: float
    tpir: float = 0.0
    low: float = 0.0
    high: float = 1.0
    least: float = 0.0
    most: float = 1.0
    draws: tuple[Draw, ...] = ()
    mark: str = ""


class Identification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open-set searches in a list (one photograph a search, no track).

    Attributes:
        entries: of the list.
        portraits: of an entry; of several the mean template is the entry's.
        left_out: whether everybody is enrolled and a non-mated search leaves the probe's own entry out. Otherwise the
            non-mated probes are of people who are not enrolled.
        mated, mated_people: searches of a draw, and the labels they come from; means of the draws, rounded.
        non_mated, non_mated_people: the same of non-mated searches.
        smallest_fpir: that so many people can show (rule of three over labels).
        rank1: mated searches with their own entry on top at any threshold; mean of the draws.
        points: for wanted false positive identification rates.
    """

    entries: Count
    portraits: Count
    left_out: bool
    mated: Count
    mated_people: Count
    non_mated: Count
    non_mated_people: Count
    smallest_fpir: float
    rank1: float
    points: tuple[SearchPoint, ...]


class TailPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A threshold that a fitted tail gives for a false match rate: extrapolated, never measured."""

    wanted: float
    threshold: float
    low: float
    high: float


class TailFit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A generalized Pareto distribution fitted to the highest similarities between labels.

    Attributes:
        above: similarity from which on it was fitted.
        comparisons: that lie above.
        shape, scale: of the distribution, each with the standard error of the bootstrap over labels.
        misfit: largest distance of its distribution function from the data's (Kolmogorov and Smirnov).
        points: with 95 % intervals of the bootstrap.
    """

    above: Cosine
    comparisons: Count
    shape: float
    shape_error: float
    scale: float
    scale_error: float
    misfit: float
    points: tuple[TailPoint, ...]
    extrapolated: Literal[True] = True


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The figures under one reading of the labels.

    Attributes:
        images, people: with a face found.
        curve: false match rate of all comparisons between labels, by rising threshold.
        groups: compared within themselves; of one with too few people only its size.
        ungrouped: labels of no group, where groups were given.
        doubtful: comparisons between labels that are as similar as half of the mated ones: a label may be wrong.
        doubtful_people: labels that take part in one.
    """

    images: Count
    people: Count
    curve: tuple[FmrPoint, ...]
    groups: tuple[GroupCurve, ...]
    ungrouped: Count
    verification: Verification
    identification: tuple[Identification, ...]
    doubtful: Count
    doubtful_people: Count
    tail: TailFit | None = None


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model's on a set.

    Attributes:
        model: digest of the networks: :attr:`models.vision.Vision.digest`.
        space: digest of embedder and preprocessing: :attr:`models.embedder.Embedder.space`.
        runner: backend, version and precision, in words.
        evaluation: sha256 over the set's files, labels, groups, pairs and errata.
        seeds: draws of each list.
        files: photographs that the set was found to hold, with a face or not.
        faults: of the set, counted.
        raw: with the labels as they are in the set.
        reviewed: without the faults that somebody has looked at; none where no errata were given.
        same, dropped: errata: labels that were another's, photographs that were taken out.
        conditions: quality, size, time and others; none where they were not asked for.
    """

    v: Literal[1] = 1
    model: Sha256
    space: Sha256
    runner: Name
    evaluation: Sha256
    seeds: Count
    files: Count
    faults: tuple[FaultCount, ...]
    raw: Reading
    reviewed: Reading | None = None
    same: Count = 0
    dropped: Count = 0
    conditions: Conditions | None = None

    @property
    def judged(self) -> Reading:
        """What a calibration is made from: the reviewed labels where there are such."""
        return self.reviewed or self.raw

    @property
    def images(self) -> int:
        """Photographs behind :attr:`curve`."""
        return self.judged.images

    @property
    def people(self) -> int:
        """Labels behind :attr:`curve`."""
        return self.judged.people

    @property
    def curve(self) -> tuple[FmrPoint, ...]:
        """For a calibration."""
        return self.judged.curve

    @property
    def groups(self) -> tuple[GroupCurve, ...]:
        """For a calibration."""
        return self.judged.groups


def encode(evaluation: Evaluation) -> bytes:
    """As JSON; the same evaluation always gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(evaluation, order="deterministic")) + b"\n"


def read_evaluation(content: bytes) -> Evaluation:
    """An evaluation from its file.

    Raises:
        EvaluationError: no evaluation; the text says where.
    """
    if len(content) > MAX_BYTES:
        raise EvaluationError(f"evaluation: {len(content)} bytes, at most {MAX_BYTES} are read")
    try:
        return msgspec.json.decode(content, type=Evaluation)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EvaluationError(f"evaluation: {error}") from error
