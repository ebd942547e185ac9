"""Put a possible match into words for the wire. Knows the event's fields; refuses to know how they travel."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from board.camera import Frame
from firmware.match.crop import matched_face_jpeg
from firmware.match.decision import PossibleMatch
from firmware.match.voice import Origin
from firmware.messages import ACT_WITHIN_S, MatchEvent


def event_of(
    match: PossibleMatch, frame: Frame, origin: Origin, portrait: bytes = b""
) -> Callable[[str, int], MatchEvent]:
    """The event of a decision on ``frame``, but for its id and its number; ``portrait`` is the entry's."""
    decided = origin.now()
    crop = matched_face_jpeg(frame.picture.rgb(), match.track.box, match.beside)

    def numbered(id_: str, sequence: int) -> MatchEvent:
        return MatchEvent(
            id=id_,
            van=origin.van,
            boot=origin.boot,
            sequence=sequence,
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
            expires_at=(decided + timedelta(seconds=ACT_WITHIN_S)).isoformat(timespec="milliseconds"),
            clock_trusted=False,
            watchlist_digest=origin.versions.watchlist,
            model_digest=origin.versions.model,
            calibration_digest=origin.versions.calibration,
            crop_jpeg=crop,
            portrait=portrait,
            minor=match.candidate.entry.minor,
        )

    return numbered
