"""Make a calibration of an evaluation and a replay of crowds, and say what it allows. Knows figures; guesses none.

The evaluation tells how often single comparisons falsely match, the replay how much the decision on tracks adds. What
nobody measured is not assumed to be good: where the set does not say of everybody to which group they belong, false
matches are taken to be :data:`models.calibration.NO_GROUPS_FACTOR` times as frequent as they were in the set.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from models.calibration import (
    ALLOWED_PER_1000,
    MIN_PEOPLE,
    NO_GROUPS_FACTOR,
    SHORTEST,
    Calibration,
    CalibrationError,
    TrackRates,
    fusion_of,
    limits_of,
    shrink_of,
)
from models.claims import read_calibration, refuse_tracks
from models.evaluation.report import Evaluation
from models.intervals import Rate


class Row(msgspec.Struct, frozen=True):
    """One threshold of the region.

    Attributes:
        threshold: cosine.
        max_entries: the longest list.
        fnmr: false non-match rate of single comparisons; none where the set has no two pictures of anybody.
        expected: false alerts among 1,000 passers-by with a list as long, as the set has them on the whole.
        at_most: by the upper ends of intervals, for the worst-served group.
    """

    threshold: float
    max_entries: int
    fnmr: Rate | None
    expected: float
    at_most: float


def calibrate(evaluation: Evaluation, tracks: TrackRates, allowed_per_1000: float = ALLOWED_PER_1000) -> Calibration:
    """The calibration that these figures bear.

    Args:
        evaluation: of the model on a set.
        tracks: of the same model with the rule of decision that it is for.
        allowed_per_1000: most false alerts among 1,000 passers-by.

    Raises:
        CalibrationError: they do not fit together, or bear no list at all; the text names the figures.
    """
    _refuse_unfit(evaluation, tracks, allowed_per_1000)
    curve, groups, fusion = evaluation.curve, evaluation.groups, fusion_of(evaluation.curve, tracks)
    shrink = shrink_of(groups, evaluation.people)
    made = Calibration(
        model=evaluation.model,
        space=evaluation.space,
        runner=evaluation.runner,
        evaluation=evaluation.evaluation,
        images=evaluation.images,
        people=evaluation.people,
        merged=evaluation.same if evaluation.reviewed else 0,
        dropped=evaluation.dropped if evaluation.reviewed else 0,
        curve=curve,
        groups=groups,
        tracks=tracks,
        fusion=fusion,
        shrink=shrink,
        allowed_per_1000=allowed_per_1000,
        limits=limits_of(curve, groups, fusion * shrink, allowed_per_1000),
    )
    if made.max_entries < SHORTEST:
        most = made.false_alerts(SHORTEST, curve[-1].threshold)
        raise CalibrationError(
            f"no list: {SHORTEST} entries could bring {most:.3g} false alerts among 1,000 passers-by"
        )
    return read_calibration(encode(made))


def _refuse_unfit(evaluation: Evaluation, tracks: TrackRates, allowed_per_1000: float) -> None:
    if tracks.model != evaluation.model:
        raise CalibrationError(
            f"the tracks are of model {tracks.model[:16]}, the evaluation of {evaluation.model[:16]}"
        )
    if not 0 < allowed_per_1000 <= ALLOWED_PER_1000:
        raise CalibrationError(
            f"{allowed_per_1000} false alerts allowed among 1,000, at most {ALLOWED_PER_1000} may be"
        )
    if not evaluation.curve:
        raise CalibrationError(f"the evaluation has no curve: {evaluation.people} people")
    refuse_tracks(tracks, evaluation.curve)


def encode(calibration: Calibration) -> bytes:
    """Its file; the same calibration always gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(calibration, order="deterministic")) + b"\n"


def read_tracks(content: bytes) -> TrackRates:
    """What a replay wrote.

    Raises:
        CalibrationError: it is none; the text says where.
    """
    try:
        return msgspec.json.decode(content, type=TrackRates)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CalibrationError(f"tracks: {error}") from error


def region(evaluation: Evaluation, calibration: Calibration) -> tuple[Row, ...]:
    """Each threshold at which a longer list may be used than at the one before, from the shortest that is judged on."""
    fnmr = evaluation.judged.verification.fnmr or (None,) * len(calibration.curve)
    rows, longest = [], SHORTEST - 1
    for point, limit, missed in zip(calibration.curve, calibration.limits, fnmr, strict=True):
        if limit.max_entries > longest:
            longest = limit.max_entries
            expected = 1_000 * longest * point.fmr.rate * calibration.fusion
            rows.append(
                Row(point.threshold, longest, missed, expected, calibration.false_alerts(longest, point.threshold))
            )
    return tuple(rows)


def remarks(evaluation: Evaluation, calibration: Calibration) -> Iterator[str]:
    """What whoever signs it has to know, in words."""
    if not calibration.groups:
        yield f"no group data: false matches are taken to be {NO_GROUPS_FACTOR:g} times as frequent in the worst group"
    for group in calibration.groups:
        if not group.points:
            yield f"group {group.name}: {group.people} people, least {MIN_PEOPLE}: nothing is known of it"
    if len(calibration.groups) == 1:
        yield f"group {calibration.groups[0].name} is the only one: nothing is known of others"
    if evaluation.judged.ungrouped and calibration.groups:
        yield f"{evaluation.judged.ungrouped} of {calibration.people} people are in no group"
    if calibration.groups and calibration.shrink > 1:
        yield f"so false matches are taken to be {calibration.shrink:g} times as frequent in the worst group"
    if calibration.merged or calibration.dropped:
        yield f"errata: {calibration.merged} labels merged, {calibration.dropped} photographs dropped"
        yield from _as_they_were(evaluation, calibration)
    last = calibration.curve[-1]
    if not last.fmr.events:
        yield f"above {last.threshold:.2f} the set shows nothing: no false match in {last.fmr.trials:,} comparisons"
    tracks = calibration.tracks
    yield (
        f"fusion {calibration.fusion:.2f}, of {tracks.walkers:,} walkers and a list of {tracks.entries:,} entries; "
        "a twin passes every rule, so it is never below 1"
    )


def _as_they_were(evaluation: Evaluation, calibration: Calibration) -> Iterator[str]:
    """What errata did to the figures that allow something: whoever drops a photograph may drop a false match."""
    raw = {point.threshold: point.fmr.high for point in evaluation.raw.curve}
    reviewed = {point.threshold: point.fmr.high for point in calibration.curve}
    for row in region(evaluation, calibration):
        bounds = (
            f"{reviewed[row.threshold]:.2e} reviewed, {raw.get(row.threshold, 1.0):.2e} with the labels as they were"
        )
        yield f"at {row.threshold:.2f}, {row.max_entries:,} entries: FMR at most {bounds}"
