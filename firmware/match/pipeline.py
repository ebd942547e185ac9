"""One frame, from faces to possible matches: read this first. Knows the order of the steps; each is its own room.

    camera -> detect -> track -> choose -> close up -> align -> embed -> search -> decide
                          |-> ended: wipe

Deterministic: time comes from the frames, so a replay decides the same things.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from board.camera import Frame
from firmware.match.decision import Decider, DecisionSettings, PossibleMatch
from firmware.match.evidence import Evidence, TemplateStore
from firmware.match.selection import SelectionSettings, Selector, Shot
from firmware.match.tracker import Track, Tracker, TrackerSettings
from firmware.match.watchlist import Watchlist
from models.align import chips
from models.calibrated import Use
from models.faces import F32, Embeddings, Faces
from models.sharpness import sharpness
from models.vision import Vision

RULE_VERSION = 1
"""To be raised when code changes what the same settings decide: no calibration fits any more then, and a new one has to
be measured. Tracking, choice of shots, evidence, search with its margin and crowding, and decision belong to it."""


@dataclass(frozen=True)
class Weights:
    """Exponents of what makes a shot count in the fused template; 0 for what is to make no difference."""

    quality: float = 2.0
    sharpness: float = 0.5
    fullness: float = 2.0

    def of(self, quality: float, sharpness: float, fullness: float) -> float:
        """Weight of a shot, in [0, 1] as they are."""
        return float(quality**self.quality * sharpness**self.sharpness * fullness**self.fullness)


@dataclass(frozen=True)
class PipelineSettings:
    """Settings of every step; the defaults are the shipped ones.

    ``min_sharpness`` and ``min_fullness`` (:meth:`models.embedder.Embedder.fullness`) keep out of the evidence what is
    no face to compare. ``same_face`` is the least similarity of a new shot to the track's others: below, the tracker
    has slipped from one person to another (two people crossing), and the evidence starts anew.
    """

    tracker: TrackerSettings = TrackerSettings()
    selection: SelectionSettings = SelectionSettings()
    decision: DecisionSettings = DecisionSettings()
    weights: Weights = Weights()
    min_sharpness: float = 0.2
    min_fullness: float = 0.65
    same_face: float = 0.3

    @property
    def rule_digest(self) -> str:
        """What a calibration's rates of tracks were measured with.

        sha256 over :data:`RULE_VERSION` and all settings, but for the threshold and the cooldown, which only keeps the
        same event from being said again.
        """
        decision = replace(self.decision, threshold=0.0, cooldown_s=0.0)
        return hashlib.sha256(f"{RULE_VERSION} {replace(self, decision=decision)!r}".encode()).hexdigest()

    def use(self, vision: Vision) -> Use:
        """What a calibration has to be for, to say anything of these networks with this rule."""
        return Use(vision.digest, vision.embedder.space, self.rule_digest)

    def at(self, threshold: float) -> PipelineSettings:
        """The same rule at a threshold, a cosine."""
        return replace(self, decision=replace(self.decision, threshold=threshold))


@dataclass
class Counters:
    """What passed through; never anything about one face."""

    frames: int = 0
    faces: int = 0
    tracks: int = 0
    embeddings: int = 0
    events: int = 0


class Pipeline:
    """All cameras' tracks, the templates in memory, and the decision.

    Raises:
        WatchlistError: the list was made by another model than ``vision``'s.
    """

    def __init__(self, vision: Vision, watchlist: Watchlist, settings: PipelineSettings | None = None) -> None:
        self.counters = Counters()
        self.store = TemplateStore(vision.embedder.dimension)
        self._settings = settings or PipelineSettings()
        self._closeup = vision.closeup
        self._embedder = vision.embedder
        self._watchlist = watchlist
        self._trackers: dict[str, Tracker] = {}
        self._decider = Decider(self._settings.decision)
        self._selector = Selector(self._settings.selection, self._decider.worth_another_shot)

    @property
    def threshold(self) -> float:
        """The least similarity in force, a cosine."""
        return self._decider.threshold

    def raise_threshold(self, threshold: float) -> None:
        """Ask for at least this similarity from now on.

        Raises:
            ValueError: it is not above the one in force.
        """
        self._decider.raise_threshold(threshold)

    def step(self, frame: Frame, faces: Faces) -> list[PossibleMatch]:
        """Take in one frame's faces; frames of one camera must come in order."""
        tracks = self._tracker(frame.camera).update(faces, frame.t_ns)
        self._forget(tracks.ended, frame.t_ns)
        for track in tracks.doubtful:
            self._doubt(track)
        size_px = (frame.picture.width_px, frame.picture.height_px)
        shots = self._selector.worth_embedding(tracks.seen, size_px)[: self.store.free]
        matches = self._look(frame, shots) if shots else []
        self._forget_decided(tracks.seen)
        matches = [replace(match, beside=_beside(match, faces)) for match in matches]
        self.counters.frames += 1
        self.counters.tracks = sum(tracker.started for tracker in self._trackers.values())
        self.counters.faces += len(faces)
        self.counters.events += len(matches)
        return matches

    def expire(self, t_ns: int) -> None:
        """Let time pass without a frame, so that a silent camera's tracks end too."""
        for tracker in self._trackers.values():
            self._forget(tracker.expire(t_ns), t_ns)

    def end(self, t_ns: int) -> None:
        """End every track and overwrite every template of a passer-by. The list is not touched."""
        for tracker in self._trackers.values():
            self._forget(tracker.end_all(), t_ns)

    def _look(self, frame: Frame, shots: list[Shot]) -> list[PossibleMatch]:
        """Embed the shots, see whom they resemble, and decide on their tracks."""
        image = frame.picture.rgb()
        boxes = np.stack([shot.track.box for shot in shots])
        landmarks = np.stack([shot.track.landmarks for shot in shots])
        aligned = chips(image, self._closeup.refine(image, boxes, landmarks))
        sharp = sharpness(aligned)
        good = np.flatnonzero(sharp >= self._settings.min_sharpness)
        clear = aligned[good]
        templates = self._embed(clear)
        clear.fill(0)
        aligned.fill(0)
        self.counters.embeddings += len(templates)
        matches = []
        fullness = self._embedder.fullness(templates.lengths)
        for vector, index, full in zip(templates.vectors, good, fullness, strict=True):
            if not full >= self._settings.min_fullness:
                shots[index].track.evidence.miss(frame.t_ns)
                continue
            weight = self._settings.weights.of(shots[index].quality, float(sharp[index]), float(full))
            match = self._weigh(shots[index], vector, weight, frame.t_ns)
            matches += [match] if match else []
        templates.wipe()
        return matches

    def _embed(self, aligned: npt.NDArray[np.uint8]) -> Embeddings:
        """One pass for everyone, the mirrored one only for who resembles an entry: it could tip the decision."""
        templates = self._embedder.embed(aligned)
        nearest = self._watchlist.search(templates)
        for index in (i for i, one in enumerate(nearest) if self._decider.worth_mirroring(one.similarity)):
            one = Embeddings(templates.vectors[index : index + 1], templates.space)
            self._embedder.add_mirrored(one, aligned[index : index + 1])
        return templates

    def _weigh(self, shot: Shot, vector: F32, weight: float, t_ns: int) -> PossibleMatch | None:
        """Add a template to its track's evidence and decide."""
        evidence = shot.track.evidence
        if evidence.slots and not self._same_face(evidence, vector):
            evidence = self._start_anew(shot.track)
        only_confirms = shot.again and bool(evidence.slots) and not self._tells_more(evidence, vector)
        if not only_confirms:
            self.store.hold(evidence, vector, weight)
        fused = self.store.fused(evidence)
        pair = Embeddings(np.stack([vector, fused]), self._embedder.space)
        alone, together = self._watchlist.search(pair)
        pair.wipe()
        fused.fill(0.0)
        if only_confirms:
            evidence.confirm(t_ns)
        else:
            evidence.add(alone.row, alone.similarity, self._decider.standing(together), shot.quality, t_ns)
        return self._decider.update(shot.track, together, t_ns)

    def _tells_more(self, evidence: Evidence, vector: F32) -> bool:
        """Whether a face that resembled nobody so far does so now: it turned, or looked up, since."""
        if len(evidence.slots) >= self._settings.selection.max_shots:
            return False
        (alone,) = self._watchlist.search(Embeddings(vector[None], self._embedder.space))
        return self._decider.standing(alone) > evidence.similarity

    def _same_face(self, evidence: Evidence, vector: F32) -> bool:
        fused = self.store.fused(evidence)
        similarity = float(fused @ vector)
        fused.fill(0.0)
        return similarity >= self._settings.same_face

    def _doubt(self, track: Track) -> None:
        """It may have taken over another face: the next shot is compared with those before."""
        if track.evidence.slots:
            track.evidence.doubted = True
        else:  # decided, or not looked at yet: there is nothing to compare with
            self._start_anew(track)

    def _start_anew(self, track: Track) -> Evidence:
        """What was seen before may be another person's: it is not used."""
        self.store.wipe(track.evidence, 0.0)
        track.evidence = Evidence()
        return track.evidence

    def _forget(self, ended: list[Track], t_ns: int) -> None:
        for track in ended:
            self.store.wipe(track.evidence, (t_ns - track.last_t_ns) / 1e9)

    def _forget_decided(self, seen: list[Track]) -> None:
        """A decided track needs no templates, even while it is in view."""
        for track in seen:
            if track.evidence.decided:
                self.store.wipe(track.evidence, 0.0)

    def _tracker(self, camera: str) -> Tracker:
        if camera not in self._trackers:
            self._trackers[camera] = Tracker(camera, self._settings.tracker)
        return self._trackers[camera]


def _beside(match: PossibleMatch, faces: Faces) -> F32:
    """Boxes of the frame's other faces."""
    others: F32 = faces.boxes[np.any(faces.boxes != match.track.box, axis=1)]
    return others
