"""Read a calibration's file. Knows what figures bear; believes no signature, and takes no claim for a figure.

Whatever a file holds, it is read at once or refused with :class:`models.calibration.CalibrationError`.
"""

from __future__ import annotations

import msgspec

from models.calibration import (
    MIN_PEOPLE,
    Calibration,
    CalibrationError,
    FmrPoint,
    GroupCurve,
    TrackRates,
    fusion_of,
    limits_of,
    shrink_of,
)
from models.intervals import MOST, bears, exact

MAX_BYTES = 2**20
_SAME = 1e-9
"""Thresholds as near are one."""
_ROUNDED = 1e-6


def read_calibration(content: bytes) -> Calibration:
    """A calibration from its file.

    Raises:
        CalibrationError: no calibration, or one that claims what its own figures do not bear; the text says which.
    """
    if len(content) > MAX_BYTES:
        raise CalibrationError(f"calibration: {len(content)} bytes, at most {MAX_BYTES} are read")
    try:
        calibration = msgspec.json.decode(content, type=Calibration)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CalibrationError(f"calibration: {error}") from error
    _refuse_contradictions(calibration)
    return calibration


def refuse_tracks(tracks: TrackRates, curve: tuple[FmrPoint, ...]) -> None:
    """Refuse a replay that no crowd could have, or that cannot be held against single comparisons.

    Raises:
        CalibrationError: as said; the text names the figures.
    """
    thresholds = [point.threshold for point in tracks.points]
    if thresholds != sorted(set(thresholds)):
        raise CalibrationError("calibration: the tracks' thresholds do not rise")
    first, last = curve[0].threshold, curve[-1].threshold
    if thresholds[0] < first - _SAME or thresholds[-1] > last + _SAME:
        told = f"from {thresholds[0]} to {thresholds[-1]}, the curve from {first} to {last}"
        raise CalibrationError(f"calibration: the tracks are {told}")
    walked = {(point.false.trials, point.found.trials) for point in tracks.points}
    if len(walked) > 1:
        raise CalibrationError("calibration: other walkers at one of the tracks' thresholds than at another")
    if (seen := sum(*walked)) > tracks.walkers:
        raise CalibrationError(f"calibration: {seen} walkers were seen on tracks, {tracks.walkers} walked")


def _refuse_contradictions(one: Calibration) -> None:
    thresholds = [point.threshold for point in one.curve]
    if thresholds != sorted(set(thresholds)):
        raise CalibrationError("calibration: the curve's thresholds do not rise")
    _refuse_groups(one, thresholds)
    if one.tracks.model != one.model:
        raise CalibrationError("calibration: its tracks are another model's")
    refuse_tracks(one.tracks, one.curve)
    _refuse_narrow(one)
    if one.fusion < fusion_of(one.curve, one.tracks):
        raise CalibrationError(f"calibration: fusion {one.fusion}, its tracks bear {fusion_of(one.curve, one.tracks)}")
    if one.shrink < (least := shrink_of(one.groups, one.people)):
        raise CalibrationError(f"calibration: shrink {one.shrink}, its groups bear {least}")
    if one.limits != limits_of(one.curve, one.groups, one.fusion * one.shrink, one.allowed_per_1000):
        raise CalibrationError("calibration: its limits are not those of its figures")
    _refuse_what_the_replay_contradicts(one)


def _refuse_groups(one: Calibration, thresholds: list[float]) -> None:
    names, people = [group.name for group in one.groups], sum(group.people for group in one.groups)
    if len(set(names)) < len(names):
        raise CalibrationError("calibration: a group is named twice")
    if people > one.people:
        raise CalibrationError(f"calibration: {people} people in groups, {one.people} in the set")
    for group in one.groups:
        _refuse_group(group, thresholds)


def _refuse_group(group: GroupCurve, thresholds: list[float]) -> None:
    if group.points and [point.threshold for point in group.points] != thresholds:
        raise CalibrationError(f"calibration: group {group.name} has other thresholds than the curve")
    if group.points and group.people < MIN_PEOPLE:
        raise CalibrationError(f"calibration: group {group.name} has {group.people} people, least {MIN_PEOPLE}")


def _refuse_narrow(one: Calibration) -> None:
    """The ends of intervals are what allows anything: none may be nearer than its own counts say."""
    if one.images < one.people:
        raise CalibrationError(f"calibration: {one.images} images of {one.people} people")
    rates = [rate for point in one.tracks.points for rate in (point.false, point.found)]
    for people, points in ((one.people, one.curve), *((group.people, group.points) for group in one.groups)):
        _refuse_more_than_pairs(people, points, one.images)
        rates += [point.fmr for point in points]
    for rate in rates:
        if not bears(rate):
            words = f"{rate.events} of {rate.trials} do not bear {rate.high} as the upper end of their interval"
            raise CalibrationError(f"calibration: {words}")


def _refuse_more_than_pairs(people: int, points: tuple[FmrPoint, ...], images: int) -> None:
    """However many pictures there are, so many people show no less than their pairs do.

    How many pairs stand behind false matches is not told: where there are such, it is one at least.
    """
    pairs = min(people * (people - 1) // 2, MOST)
    least = [exact(events, pairs).high * (1 - _ROUNDED) for events in (0, 1)] if points else []
    for point in points:
        rate = point.fmr
        if rate.trials > images * (images - 1) // 2:
            raise CalibrationError(f"calibration: {rate.trials} comparisons of {images} images")
        if rate.high < least[min(rate.events, 1)]:
            words = f"{people} people do not bear {rate.high} as the upper end of an interval"
            raise CalibrationError(f"calibration: {words}: they are {pairs} pairs")


def _refuse_what_the_replay_contradicts(one: Calibration) -> None:
    """A list as long as the replay's, at a threshold at which the replay itself had too many false reports."""
    allowed = one.allowed_per_1000 / 1_000
    for point in one.tracks.points:
        for limit in one.limits:
            below = limit.threshold <= point.threshold + _SAME
            if below and limit.max_entries >= one.tracks.entries and point.false.low > allowed:
                seen = f"{point.false.events} of {point.false.trials} walkers at {point.threshold}"
                words = f"{limit.max_entries} entries at {limit.threshold}, its tracks falsely reported {seen}"
                raise CalibrationError(f"calibration: {words} with {one.tracks.entries}")
