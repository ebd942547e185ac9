"""Decide when a track is a possible match. Knows similarities, agreement and time; not cameras, pixels or MQTT.

Four conditions, all needed: the fused template reaches the threshold; the next entry is clearly further away; at least
two shots on their own point to the same entry; and the entry was not reported moments ago.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware.match.tracker import Track
from firmware.match.watchlist import Candidate

SHIPPED_THRESHOLD = 0.47
"""Cosine of SFace with the mirrored pass. On LFW stills, 500 entries: 0.5 % of strangers above it, 96 % of listed
people found (README, "What was measured"). A list of another size needs another one: calibration will bind the two."""


@dataclass(frozen=True)
class DecisionSettings:
    """Cosines, but for the last two.

    Attributes:
        threshold: the fused template's least similarity.
        min_margin: least distance to the next entry.
        shot_slack: a single shot agrees when it reaches the threshold less this.
        interest_slack: a track within this of the threshold is worth further shots.
        min_agreeing: shots that must agree.
        cooldown_s: after an event, no other of the same entry by any camera of this van.
    """

    threshold: float = SHIPPED_THRESHOLD
    min_margin: float = 0.05
    shot_slack: float = 0.08
    interest_slack: float = 0.1
    min_agreeing: int = 2
    cooldown_s: float = 30.0


@dataclass(frozen=True)
class PossibleMatch:
    """A decision: this track may be this entry.

    Attributes:
        track: the track, as it was seen in the deciding frame.
        candidate: the fused template's nearest entry.
        observations: shots that agreed.
        threshold: the one that was applied.
        t_ns: time of the deciding frame.
    """

    track: Track
    candidate: Candidate
    observations: int
    threshold: float
    t_ns: int


class Decider:
    """Applies the settings and remembers, per entry, only when it was last reported."""

    def __init__(self, settings: DecisionSettings) -> None:
        self._settings = settings
        self._reported_t_ns: dict[int, int] = {}

    @property
    def of_interest(self) -> float:
        """Similarity from which a further shot could still bring a possible match."""
        return self._settings.threshold - self._settings.interest_slack

    def update(self, track: Track, fused: Candidate, t_ns: int) -> PossibleMatch | None:
        """The decision on a track that has a new shot."""
        settings = self._settings
        if fused.similarity < settings.threshold or fused.margin < settings.min_margin:
            return None
        observations = self._agreeing(track, fused.row)
        if observations < settings.min_agreeing:
            return None
        track.evidence.decided = True
        if self._cooling_down(fused.row, t_ns):
            return None
        self._reported_t_ns[fused.row] = t_ns
        return PossibleMatch(track, fused, observations, settings.threshold, t_ns)

    def _agreeing(self, track: Track, row: int) -> int:
        least = self._settings.threshold - self._settings.shot_slack
        evidence = track.evidence
        shots = zip(evidence.best_entries, evidence.similarities, strict=True)
        return sum(entry == row and similarity >= least for entry, similarity in shots)

    def _cooling_down(self, row: int, t_ns: int) -> bool:
        reported = self._reported_t_ns.get(row)
        return reported is not None and t_ns - reported < self._settings.cooldown_s * 1e9
