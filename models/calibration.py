"""What a model may be used for: how long a list, at which threshold. Knows rates and their bounds; no list, no face.

A calibration is made from an evaluation, signed by those who sign for models, and bound to one model, one
preprocessing and one rule of decision. The figures that allow something are never rates but the upper ends of their
intervals, for the worst-served group, times how much the decision on a track adds, times a factor where nothing is
known of groups. :func:`models.claims.read_calibration` computes the limits anew: a file whose limits its own figures do
not bear is refused, whoever signed it.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from models.intervals import MOST, Rate

NO_GROUPS_FACTOR = 10.0
"""By how much false matches are taken to be more frequent in the worst-served group than in the set, where the set does
not say who belongs to which. AuraFace on FairFace: from 1.05e-4 (White) to 1.04e-3 (East Asian) at one threshold."""
FEWEST_EVENTS = 10
"""Of a rate with fewer behind it the size is hardly known."""
MIN_PEOPLE = 30
"""A group of fewer says nothing of the group."""
ALLOWED_PER_1000 = 1.0
"""Most false alerts among 1,000 passers-by: South Wales Police's procedure, quoted in R (Bridges) [2020] EWCA Civ
1058."""
SHORTEST = 50
"""A shorter list is used as one of so many. That an entry stands out from the others, and that it is not everybody's
nearest, can only be judged where there are others: with fewer the rule of decision holds back less than in a replay."""

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Cosine = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[\w .,/()+-]{1,64}\Z")]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
_People = Annotated[int, msgspec.Meta(ge=2, le=MOST)]


class CalibrationError(Exception):
    """The model may not be used so; the text names the figure and the limit."""


class FmrPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """False match rate (ISO/IEC 19795-1) of single comparisons at a threshold."""

    threshold: Cosine
    fmr: Rate


class GroupCurve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group of people, as the evaluation set's consented labels name it, compared among themselves.

    Attributes:
        people: of the group, in the set.
        points: thresholds as in the whole set's curve; none where the group is too small to say anything.
        fnmr: false non-match rate at each of these thresholds, of the comparisons of two pictures of one of them.
    """

    name: Name
    people: _Count
    points: tuple[FmrPoint, ...] = ()
    fnmr: tuple[Rate, ...] = ()


class TrackPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the whole decision on tracks did in a replay at a threshold.

    Attributes:
        found: listed walkers who were reported as themselves, of those who walked (TPIR).
        false: walkers who were reported as an entry that they are not, of those who are not listed (FPIR).
        embeddings: templates made for a track, on average.
    """

    threshold: Cosine
    found: Rate
    false: Rate
    embeddings: Annotated[float, msgspec.Meta(ge=0)]


class TrackRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A replay of crowds at several thresholds.

    Attributes:
        model: digest of the networks.
        rule: digest of the rule of decision, without its threshold.
        entries: of the list.
        walkers: of all crowds.
        points: by rising threshold.
    """

    model: Sha256
    rule: Sha256
    entries: Annotated[int, msgspec.Meta(ge=1, le=MOST)]
    walkers: Annotated[int, msgspec.Meta(ge=1, le=MOST)]
    points: Annotated[tuple[TrackPoint, ...], msgspec.Meta(min_length=1, max_length=200)]


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The longest list at a threshold."""

    threshold: Cosine
    max_entries: _Count


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model's.

    Attributes:
        model: digest of the networks: :attr:`models.vision.Vision.digest`.
        space: digest of embedder and preprocessing: :attr:`models.embedder.Embedder.space`.
        runner: on which the figures were measured.
        evaluation: sha256 over the evaluation set's files and labels.
        images, people: that the figures come from.
        merged, dropped: labels that were taken for another's, and photographs that were taken out, since somebody who
            looked at them said so (errata).
        curve: of all comparisons between different people of the set, by rising threshold.
        groups: each that the set names; of one with fewer than :data:`MIN_PEOPLE` only its size.
        tracks: the replay with the rule of decision that it is bound to.
        fusion: how many times more frequent false alerts were on tracks than single comparisons let expect; at least 1,
            since a twin passes every rule.
        shrink: :data:`NO_GROUPS_FACTOR`, or 1 where everybody is in a group that is large enough and bounded.
        allowed_per_1000: most false alerts among 1,000 passers-by.
        limits: the longest list at each threshold of the curve.
    """

    v: Literal[1] = 1
    model: Sha256
    space: Sha256
    runner: Name
    evaluation: Sha256
    images: _People
    people: _People
    merged: _Count
    dropped: _Count
    curve: Annotated[tuple[FmrPoint, ...], msgspec.Meta(min_length=1, max_length=200)]
    groups: Annotated[tuple[GroupCurve, ...], msgspec.Meta(max_length=100)]
    tracks: TrackRates
    fusion: Annotated[float, msgspec.Meta(ge=1, le=1e6)]
    shrink: Annotated[float, msgspec.Meta(ge=1, le=1e6)]
    allowed_per_1000: Annotated[float, msgspec.Meta(gt=0, le=ALLOWED_PER_1000)]
    limits: Annotated[tuple[Limit, ...], msgspec.Meta(min_length=1, max_length=200)]

    @property
    def max_entries(self) -> int:
        """The longest list at any threshold."""
        return max(limit.max_entries for limit in self.limits)

    def threshold_for(self, entries: int) -> float:
        """The least threshold that a list of so many entries may be used at; for a short one that of :data:`SHORTEST`.

        Raises:
            CalibrationError: no entry, or the figures bear no list as long.
        """
        allowed = [limit.threshold for limit in self.limits if limit.max_entries >= _as_long_as(entries)]
        if not allowed:
            short = f", held to what {SHORTEST} need" if entries < SHORTEST else ""
            raise CalibrationError(f"{entries} entries{short}, the calibration bears {self.max_entries} at the most")
        return min(allowed)

    def worst_fmr(self, threshold: float) -> float:
        """Upper bound of the false match rate in the worst-served group, at the next lower threshold of the curve.

        Raises:
            CalibrationError: the threshold is below the curve.
        """
        below = [place for place, point in enumerate(self.curve) if point.threshold <= threshold + 1e-9]
        if not below:
            raise CalibrationError(f"threshold {threshold}, the curve begins at {self.curve[0].threshold}")
        return worst(self.curve, self.groups)[below[-1]] * self.shrink

    def false_alerts(self, entries: int, threshold: float) -> float:
        """Most false alerts to expect among 1,000 passers-by for a list of so many entries, or :data:`SHORTEST`.

        Raises:
            CalibrationError: no entry, or the threshold is below the curve.
        """
        return min(1_000.0, 1_000 * _as_long_as(entries) * self.worst_fmr(threshold) * self.fusion)


def _as_long_as(entries: int) -> int:
    """By what a list of so many entries is judged."""
    if entries < 1:
        raise CalibrationError(f"{entries} entries: a list has one at least")
    return max(entries, SHORTEST)


def worst(curve: tuple[FmrPoint, ...], groups: tuple[GroupCurve, ...]) -> tuple[float, ...]:
    """Upper bound of the false match rate at each threshold, of the set or of the group where it is highest."""
    curves = [curve, *(group.points for group in groups if group.points)]
    return tuple(max(point.fmr.high for point in points) for points in zip(*curves, strict=True))


def limits_of(
    curve: tuple[FmrPoint, ...], groups: tuple[GroupCurve, ...], factor: float, allowed_per_1000: float
) -> tuple[Limit, ...]:
    """The longest list at each threshold; a higher threshold never allows less.

    Args:
        curve: of the whole set, by rising threshold.
        groups: with the same thresholds.
        factor: fusion times shrink.
        allowed_per_1000: most false alerts among 1,000 passers-by.
    """
    limits, longest = list[Limit](), 0
    for point, bound in zip(curve, worst(curve, groups), strict=True):
        longest = max(longest, int(allowed_per_1000 / (1_000 * bound * factor) * (1 + 1e-12)))
        limits.append(Limit(point.threshold, longest))
    return tuple(limits)


def fusion_of(curve: tuple[FmrPoint, ...], tracks: TrackRates) -> float:
    """How many times more often a track is falsely reported as an entry than a single comparison falsely matches.

    The upper end of the tracks' rate for one entry, over the plain rate of single comparisons: the most of all
    thresholds at which at least :data:`FEWEST_EVENTS` false reports stand behind the tracks' rate; at the lowest where
    there is none.
    A track has several looks, each of which could go wrong, and a rule that asks for agreement. Where the rule more
    than makes up for the looks, 1 is taken and no less: who truly resembles an entry, a twin, passes every rule, and
    the longer the list the more of what is left are such.
    """
    enough = [point for point in tracks.points if point.false.events >= FEWEST_EVENTS] or tracks.points[:1]
    return max(1.0, *(_ratio(curve, point, tracks.entries) for point in enough))


def _ratio(curve: tuple[FmrPoint, ...], told: TrackPoint, entries: int) -> float:
    single = next((point.fmr for point in curve if point.threshold >= told.threshold - 1e-9), curve[-1].fmr)
    return told.false.high / entries / max(single.rate, 1 / single.trials)


def shrink_of(groups: tuple[GroupCurve, ...], people: int) -> float:
    """1 where all ``people`` of the set are in one of several groups that are large enough; else the factor."""
    told = {group.name for group in groups if group.points}
    known = len(told) == len(groups) > 1 and sum(group.people for group in groups) == people
    return 1.0 if known else NO_GROUPS_FACTOR


def digest_of(content: bytes) -> str:
    """What messages and releases call a calibration: sha256 over its file."""
    return hashlib.sha256(content).hexdigest()
