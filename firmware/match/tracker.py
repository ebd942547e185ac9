"""Follow faces from frame to frame within one camera. Knows boxes and time; refuses to know whose faces they are.

In the manner of ByteTrack (Zhang et al., ECCV 2022): confident boxes are matched to the predicted tracks first, then
unconfident ones to what is left, so that a face survives a blurred or half-hidden moment without noise starting tracks.
Motion is a damped constant velocity: over the 0.6 s that a track may be unseen a Kalman filter did no better here.
A track's number means nothing outside its camera and its few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from firmware.match.evidence import Evidence
from models.detector import intersection_over_union
from models.faces import F32, Faces


@dataclass(frozen=True)
class TrackerSettings:
    """Scores and overlaps are in [0, 1]; ``max_gap_s`` bounds how long an unseen track, and its templates, may live."""

    confident_score: float = 0.75
    min_overlap: float = 0.2
    min_overlap_unconfident: float = 0.4
    max_gap_s: float = 0.6
    velocity_gain: float = 0.4
    smooth_overlap: float = 0.5
    entangled_overlap: float = 0.35
    free_overlap: float = 0.02


@dataclass
class Track:
    """One face followed through one camera.

    Attributes:
        id: number within the camera, from 1.
        camera: the camera's name.
        box: (4,) f32 x1 y1 x2 y2 px at ``last_t_ns``.
        landmarks: (5, 2) f32 px at ``last_t_ns``.
        score: the detector's confidence at ``last_t_ns``.
        first_t_ns, last_t_ns: when it was first and last seen.
        sightings: frames in which it was seen.
        evidence: its templates and what they resembled.
        entangled: its box overlaps another track's, so the tracker may be about to mistake one for the other.
        jumped: its last box was not where it was expected.
        reported: rows of the list that it was reported as; it is not reported as them again.
    """

    id: int
    camera: str
    box: F32
    landmarks: F32
    score: float
    first_t_ns: int
    last_t_ns: int
    sightings: int = 1
    evidence: Evidence = field(default_factory=Evidence)
    entangled: bool = False
    jumped: bool = False
    reported: set[int] = field(default_factory=set)
    _velocity_px_s: F32 = field(default_factory=lambda: np.zeros(4, np.float32))

    def predicted(self, t_ns: int) -> F32:
        """Where the box should be at ``t_ns``."""
        return self.box + self._velocity_px_s * np.float32((t_ns - self.last_t_ns) / 1e9)

    def see(self, box: F32, landmarks: F32, score: float, t_ns: int, gain: float) -> None:
        """Take over a new sighting."""
        elapsed_s = (t_ns - self.last_t_ns) / 1e9
        if elapsed_s > 0:
            moved = (box - self.box) / np.float32(elapsed_s)
            self._velocity_px_s += np.float32(gain) * (moved - self._velocity_px_s)
        self.box, self.landmarks, self.score = box, landmarks, score
        self.last_t_ns = t_ns
        self.sightings += 1


@dataclass(frozen=True)
class Tracks:
    """What one frame did to a camera's tracks.

    Attributes:
        seen: those seen in it.
        ended: those that ended; their templates must go.
        doubtful: those seen that may have taken over another face: they have just come free of another track, or the
            box is not where it was expected.
    """

    seen: list[Track]
    ended: list[Track]
    doubtful: list[Track]


class Tracker:
    """All tracks of one camera."""

    def __init__(self, camera: str, settings: TrackerSettings | None = None) -> None:
        self.camera = camera
        self.started = 0
        self._settings = settings or TrackerSettings()
        self._alive: list[Track] = []
        self._last_t_ns = 0

    def update(self, faces: Faces, t_ns: int) -> Tracks:
        """Take in the faces of one frame. Where ``t_ns`` goes backwards, every track ends."""
        ended = self.expire(t_ns) if t_ns >= self._last_t_ns else self.end_all()
        self._last_t_ns = t_ns
        confident = np.flatnonzero(faces.scores >= self._settings.confident_score)
        unconfident = np.flatnonzero(faces.scores < self._settings.confident_score)
        free = list(self._alive)
        seen: list[Track] = []
        left = self._associate(free, faces, confident, t_ns, self._settings.min_overlap, seen)
        self._associate(free, faces, unconfident, t_ns, self._settings.min_overlap_unconfident, seen)
        seen.extend(self._start(faces, index, t_ns) for index in left)
        doubtful = [track for track in seen if track.jumped]
        return Tracks(seen, ended, doubtful + [track for track in self._untangle(seen, t_ns) if not track.jumped])

    def expire(self, t_ns: int) -> list[Track]:
        """End the tracks that were not seen for ``max_gap_s``; also called when a camera brings no frames."""
        oldest_ns = t_ns - round(self._settings.max_gap_s * 1e9)
        ended = [track for track in self._alive if track.last_t_ns < oldest_ns]
        self._alive = [track for track in self._alive if track.last_t_ns >= oldest_ns]
        return ended

    def end_all(self) -> list[Track]:
        """End every track: the camera is gone, or matching stops."""
        ended, self._alive = self._alive, []
        return ended

    def _associate(
        self, free: list[Track], faces: Faces, indices: np.ndarray, t_ns: int, min_overlap: float, seen: list[Track]
    ) -> list[int]:
        """Give each track in ``free`` its best overlapping face, best pair first; return the faces that are left."""
        if not free or not len(indices):
            return [int(index) for index in indices]
        predicted = np.stack([track.predicted(t_ns) for track in free])
        overlap = intersection_over_union(predicted, faces.boxes[indices])
        taken_tracks: set[int] = set()
        taken_faces: set[int] = set()
        for flat in np.argsort(-overlap, axis=None, kind="stable"):
            row, column = divmod(int(flat), overlap.shape[1])
            if overlap[row, column] < min_overlap:
                break
            if row in taken_tracks or column in taken_faces:
                continue
            taken_tracks.add(row)
            taken_faces.add(column)
            index = indices[column]
            gain = self._settings.velocity_gain
            free[row].jumped = bool(overlap[row, column] < self._settings.smooth_overlap)
            free[row].see(faces.boxes[index], faces.landmarks[index], float(faces.scores[index]), t_ns, gain)
            seen.append(free[row])
        free[:] = [track for row, track in enumerate(free) if row not in taken_tracks]
        return [int(index) for column, index in enumerate(indices) if column not in taken_faces]

    def _untangle(self, seen: list[Track], t_ns: int) -> list[Track]:
        """Note which tracks overlap now; return the seen ones that did and do no more."""
        if len(self._alive) < 2 and not any(track.entangled for track in seen):
            return []
        boxes = np.stack([track.predicted(t_ns) for track in self._alive])
        overlap = intersection_over_union(boxes, boxes)
        np.fill_diagonal(overlap, 0)
        close = overlap.max(axis=1)
        free = []
        for track, nearest in zip(self._alive, close, strict=True):
            if nearest >= self._settings.entangled_overlap:
                track.entangled = True
            elif track.entangled and nearest <= self._settings.free_overlap and track.last_t_ns == t_ns:
                track.entangled = False
                free.append(track)
        return free

    def _start(self, faces: Faces, index: int, t_ns: int) -> Track:
        self.started += 1
        score = float(faces.scores[index])
        track = Track(self.started, self.camera, faces.boxes[index], faces.landmarks[index], score, t_ns, t_ns)
        self._alive.append(track)
        return track
