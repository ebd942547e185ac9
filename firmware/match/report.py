"""Put a possible match into words for the wire. Knows event and status fields; refuses to know how they travel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from board.camera import Frame
from firmware.match.crop import matched_face_jpeg
from firmware.match.decision import PossibleMatch
from firmware.wire import MatchEvent

ACT_WITHIN_S = 60
"""An officer must not act on an older alert: the person has gone on."""


@dataclass(frozen=True)
class Reporter:
    """Makes events of one run.

    Attributes:
        van: this van's id.
        watchlist_digest, model_digest: SHA-256 of what was used.
        now: wall clock; nothing on this machine vouches for it yet, so events say ``clock_trusted: false``.
        new_id: makes event ids that never repeat.
    """

    van: str
    watchlist_digest: str
    model_digest: str
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def event(self, match: PossibleMatch, frame: Frame) -> MatchEvent:
        """The event of a decision on ``frame``."""
        decided = self.now()
        return MatchEvent(
            id=self.new_id(),
            van=self.van,
            camera=frame.camera,
            entry=match.candidate.entry.ref,
            category=match.candidate.entry.category,
            similarity=round(match.candidate.similarity, 4),
            threshold=match.threshold,
            margin=round(match.candidate.margin, 4),
            observations=match.observations,
            first_t_ns=match.track.first_t_ns,
            decided_t_ns=match.t_ns,
            decided_utc=decided.isoformat(timespec="milliseconds"),
            expires_utc=(decided + timedelta(seconds=ACT_WITHIN_S)).isoformat(timespec="milliseconds"),
            clock_trusted=False,
            watchlist_digest=self.watchlist_digest,
            model_digest=self.model_digest,
            crop_jpeg=matched_face_jpeg(frame.picture.rgb(), match.track.box, match.beside),
        )
