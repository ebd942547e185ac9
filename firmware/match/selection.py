"""Which faces of a frame are worth a template. Knows size, pose, confidence and what was tried; not what they resemble.

Embedding is the dearest step, and most frames show a face no better than an earlier one did. A track gets a first
shot as soon as it is good enough, another when it is clearly better, and more only while the fused template is near
enough to an entry that a further shot could decide. So the cost follows people, not frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware.match.evidence import Evidence
from firmware.match.tracker import Track
from models.faces import F32
from models.quality import EMBEDDERS_EYES_PX, unified


@dataclass(frozen=True)
class SelectionSettings:
    """When to spend a template.

    Attributes:
        min_quality: no shot below, in [0, 1], ...
        poor_quality: ... or below this, once a track showed nothing better for ``patience_s``.
        full_eye_distance_px: distance of the eyes at which size stops to count against a face (the embedder's own).
        clearly_better: factor over the best shot so far that earns another.
        about_as_good: share of the best shot's quality that any further shot needs.
        max_shots: templates that a track keeps.
        max_idle_shots: templates that a track keeps which resembles nobody.
        usual_shots: a track gets these even if no sighting is clearly better: the first may have been half hidden.
        usual_pause_s: before such a shot.
        pause_s: between two shots of a track that is of interest, so that they are not one picture twice; and after
            one that showed too little of a face.
        min_sightings: frames before the first shot.
        look_again_s: after so long a poor shot will do, to see that the track still follows the same face.
    """

    min_quality: float = 0.4
    poor_quality: float = 0.2
    patience_s: float = 1.0
    full_eye_distance_px: float = EMBEDDERS_EYES_PX
    clearly_better: float = 1.25
    about_as_good: float = 0.8
    max_shots: int = 10
    max_idle_shots: int = 4
    usual_shots: int = 2
    usual_pause_s: float = 0.5
    pause_s: float = 0.2
    min_sightings: int = 5
    look_again_s: float = 1.5


def visible_share(box: F32, size_px: tuple[int, int]) -> float:
    """Share of a box inside a picture of ``size_px`` (width, height): beyond its edge landmarks are guesses."""
    x1, y1, x2, y2 = (float(value) for value in box)
    width = max(0.0, min(x2, size_px[0]) - max(x1, 0.0))
    height = max(0.0, min(y2, size_px[1]) - max(y1, 0.0))
    return width * height / max((x2 - x1) * (y2 - y1), 1e-6)


@dataclass(frozen=True)
class Shot:
    """A sighting that was chosen to be embedded.

    Attributes:
        track: as it was seen.
        quality: in [0, 1].
        again: made to see that the track still follows the same face; its template is kept only if it tells more.
    """

    track: Track
    quality: float
    again: bool = False


class Selector:
    """Chooses shots.

    Args:
        settings: when to spend a template.
        worth_another: whether a track's evidence is near enough to an entry that more shots could decide.
    """

    def __init__(self, settings: SelectionSettings, worth_another: Callable[[Evidence], bool]) -> None:
        self._settings = settings
        self._worth_another = worth_another

    def worth_embedding(self, seen: list[Track], size_px: tuple[int, int]) -> list[Shot]:
        """The shots to make in a frame of ``size_px`` (width, height), of the tracks seen in it."""
        shots = []
        for track in seen:
            if track.evidence.decided or track.entangled or track.sightings < self._settings.min_sightings:
                continue
            if track.evidence.missed and self._rested_s(track) < self._settings.pause_s:
                continue
            again = self._look_again(track)
            if not again and self._exhausted(track.evidence):
                continue
            whole = unified(track.landmarks, track.score, self._settings.full_eye_distance_px)
            good = whole * visible_share(track.box, size_px) ** 4
            if good < self._least_quality(track, again=again):
                continue
            worth = not self._exhausted(track.evidence) and self._worth(track, good)
            if worth or again:
                shots.append(Shot(track, good, again=not worth))
        return shots

    def _look_again(self, track: Track) -> bool:
        """Whether a shot is due to see that the track still follows the same face."""
        evidence = track.evidence
        return evidence.shots > 0 and (evidence.doubted or self._rested_s(track) >= self._settings.look_again_s)

    def _rested_s(self, track: Track) -> float:
        return (track.last_t_ns - track.evidence.last_shot_t_ns) / 1e9

    def _exhausted(self, evidence: Evidence) -> bool:
        limit = self._settings.max_shots if self._worth_another(evidence) else self._settings.max_idle_shots
        return evidence.shots >= limit

    def _least_quality(self, track: Track, *, again: bool) -> float:
        followed_s = (track.last_t_ns - track.first_t_ns) / 1e9
        only_poor = track.evidence.best_quality < self._settings.min_quality
        poor = again or (only_poor and followed_s >= self._settings.patience_s)
        return self._settings.poor_quality if poor else self._settings.min_quality

    def _worth(self, track: Track, good: float) -> bool:
        evidence = track.evidence
        if not evidence.shots or good >= evidence.best_quality * self._settings.clearly_better:
            return True
        if good < self._settings.about_as_good * evidence.best_quality:
            return False
        rested_s = self._rested_s(track)
        if rested_s >= self._settings.pause_s and self._worth_another(evidence):
            return True
        return evidence.shots < self._settings.usual_shots and rested_s >= self._settings.usual_pause_s
