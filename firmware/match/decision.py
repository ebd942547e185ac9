"""Decide when a track is a possible match. Knows similarities, agreement and time; not cameras, pixels or MQTT.

Four conditions, all needed: the fused template reaches the threshold; the next entry is clearly further away; at least
two shots on their own point to the same entry; and the entry was not reported moments ago.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from firmware.match.evidence import Evidence
from firmware.match.tracker import Track
from firmware.match.watchlist import Candidate
from models.faces import F32


@dataclass(frozen=True)
class DecisionSettings:
    """Cosines, but for the last three.

    Attributes:
        threshold: the fused template's least similarity, once the evidence is full. Nothing reaches the default: which
            similarity counts for how long a list, a calibration says.
        caution: what is asked for on top while the evidence is still empty; it shrinks as shots add up. The first
            shots are the smallest and the noisiest, and most false alerts of a fixed threshold come from them.
        crowding: what an entry that many resemble asks for on top, for each 1 of its :attr:`Candidate.crowding`.
        min_margin: least distance to the next entry.
        shot_slack: a single shot agrees when it reaches the threshold less this.
        mirror_slack: a single shot is worth its mirrored pass when it reaches the threshold less this.
        near: below the threshold by no more than this, more shots could decide: it is worth looking on.
        full_weight: sum of the shots' weights at which the evidence is full.
        min_agreeing: shots that must agree.
        cooldown_s: after an event, no other of the same entry by any camera of this van.
    """

    threshold: float = 1.0
    caution: float = 0.06
    crowding: float = 0.8
    min_margin: float = 0.08
    shot_slack: float = 0.1
    mirror_slack: float = 0.05
    near: float = 0.03
    full_weight: float = 1.0
    min_agreeing: int = 2
    cooldown_s: float = 30.0


@dataclass(frozen=True)
class PossibleMatch:
    """A decision: this track may be this entry.

    Attributes:
        track: the track, as it was seen in the deciding frame.
        candidate: the fused template's nearest entry.
        observations: shots that agreed.
        threshold: the one in force. What caution and crowding asked for on top is not told: it would say how much the
            entry resembles the others of the list.
        t_ns: time of the deciding frame.
        beside: (n, 4) f32 px, boxes of the deciding frame's other faces: they must not be shown.
    """

    track: Track
    candidate: Candidate
    observations: int
    threshold: float
    t_ns: int
    beside: F32 = field(default_factory=lambda: np.zeros((0, 4), np.float32))


class Decider:
    """Applies the settings and remembers, per entry, only when it was last reported."""

    def __init__(self, settings: DecisionSettings) -> None:
        self._settings = settings
        self._reported_t_ns: dict[int, int] = {}

    @property
    def threshold(self) -> float:
        """The least similarity in force, a cosine."""
        return self._settings.threshold

    def raise_threshold(self, threshold: float) -> None:
        """Ask for at least this similarity from now on.

        Raises:
            ValueError: it is not above the one in force.
        """
        if not threshold > self._settings.threshold:
            raise ValueError(f"threshold {threshold} is not above {self._settings.threshold}")
        self._settings = replace(self._settings, threshold=threshold)

    def worth_another_shot(self, evidence: Evidence) -> bool:
        """Whether more shots could still bring a possible match; the less is known, the more is possible."""
        settings = self._settings
        return evidence.similarity >= settings.threshold - settings.near - settings.caution * self._thinness(evidence)

    def worth_mirroring(self, similarity: float) -> bool:
        """Whether a single shot is near enough to an entry for its mirrored pass to matter."""
        return similarity >= self._settings.threshold - self._settings.mirror_slack

    def standing(self, candidate: Candidate) -> float:
        """A similarity, less what its entry asks for on top."""
        return candidate.similarity - self._settings.crowding * candidate.crowding

    def update(self, track: Track, fused: Candidate, t_ns: int) -> PossibleMatch | None:
        """The decision on a track that has a new shot."""
        settings, evidence = self._settings, track.evidence
        required = settings.threshold + settings.caution * self._thinness(evidence) + settings.crowding * fused.crowding
        # Written so that a similarity that is not a number decides nothing.
        if not (fused.similarity >= required and fused.margin >= settings.min_margin):
            return None
        observations = self._agreeing(track, fused.row)
        if observations < settings.min_agreeing:
            return None
        if fused.row in track.reported:
            evidence.decided = True
            return None
        if self._cooling_down(fused.row, t_ns):
            return None  # not decided: the next look may come when the entry may be reported again
        evidence.decided = True
        track.reported.add(fused.row)
        self._reported_t_ns[fused.row] = t_ns
        return PossibleMatch(track, fused, observations, settings.threshold, t_ns)

    def _thinness(self, evidence: Evidence) -> float:
        """1 without evidence, 0 when it is full."""
        return max(0.0, 1.0 - sum(evidence.weights) / self._settings.full_weight)

    def _agreeing(self, track: Track, row: int) -> int:
        least = self._settings.threshold - self._settings.shot_slack
        evidence = track.evidence
        shots = zip(evidence.best_entries, evidence.similarities, strict=True)
        return sum(entry == row and similarity >= least for entry, similarity in shots)

    def _cooling_down(self, row: int, t_ns: int) -> bool:
        reported = self._reported_t_ns.get(row)
        return reported is not None and t_ns - reported < self._settings.cooldown_s * 1e9
