"""The templates of the faces in view, and their end. Knows where a template lies; refuses to know the list.

Every template of a passer-by lives in one block of memory. It is written there once and overwritten there when its
track ends or is decided; nothing else keeps a copy. This is what "forgets" means in Kerbside.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.faces import F32


@dataclass
class Evidence:
    """What a track has shown so far.

    Attributes:
        slots: where its templates lie in the :class:`TemplateStore`.
        weights: quality of each shot, the weight of its template in the fused one.
        best_entries: row of the list that each shot resembled most.
        similarities: cosine to that row.
        best_quality: of all shots, in [0, 1].
        shots: how many templates were made of it in all, kept or not.
        last_shot_t_ns: when the last one was made.
        similarity: of the fused template to the nearest entry, less what that entry asks for on top; -1 before the
            first shot.
        decided: an event was made of it; it is not looked at again.
        doubted: the tracker may have slipped to another face; the next shot tells.
        missed: the last shot showed too little of a face.
    """

    slots: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    best_entries: list[int] = field(default_factory=list)
    similarities: list[float] = field(default_factory=list)
    best_quality: float = 0.0
    shots: int = 0
    last_shot_t_ns: int = 0
    similarity: float = -1.0
    decided: bool = False
    doubted: bool = False
    missed: bool = False

    def confirm(self, t_ns: int) -> None:
        """Note a shot that only showed that the face is still the same."""
        self.last_shot_t_ns = t_ns
        self.doubted = self.missed = False

    def miss(self, t_ns: int) -> None:
        """Note a shot that showed too little of a face; it counts as one that was made.

        It ends the doubt too: a doubted face would be looked at in each frame, and the next good shot tells anyway.
        """
        self.shots += 1
        self.confirm(t_ns)
        self.missed = True

    def add(self, row: int, alone: float, fused: float, quality: float, t_ns: int) -> None:
        """Note a shot: the row it resembled most and how much, and how much the fused template resembles its own."""
        self.best_entries.append(row)
        self.similarities.append(alone)
        self.similarity = fused
        self.best_quality = max(self.best_quality, quality)
        self.shots += 1
        self.confirm(t_ns)


class TemplateStore:
    """A fixed block of memory for the templates of passers-by.

    Args:
        dimension: length of a template.
        capacity: most templates at a time. A full store refuses new ones: the face is not looked at.
    """

    def __init__(self, dimension: int, capacity: int = 1024) -> None:
        self.wiped = 0
        self._block = np.zeros((capacity, dimension), np.float32)
        self._scratch = np.zeros(dimension, np.float32)
        self._free = list(range(capacity - 1, -1, -1))
        self._lives_s: list[float] = []

    @property
    def held(self) -> int:
        """Templates in memory now."""
        return len(self._block) - len(self._free)

    @property
    def free(self) -> int:
        """Templates that still fit."""
        return len(self._free)

    def hold(self, evidence: Evidence, vector: F32, weight: float) -> None:
        """Copy a template in; the caller overwrites its own.

        Raises:
            IndexError: the store is full; look at ``free`` first.
        """
        slot = self._free.pop()
        self._block[slot] = vector
        evidence.slots.append(slot)
        evidence.weights.append(weight)

    def fused(self, evidence: Evidence) -> F32:
        """Quality-weighted mean of a track's templates, unit length (d,). The caller overwrites it."""
        mean = np.zeros(self._block.shape[1], np.float32)
        for slot, weight in zip(evidence.slots, evidence.weights, strict=True):
            np.multiply(self._block[slot], np.float32(weight), out=self._scratch)
            mean += self._scratch
        self._scratch.fill(0.0)
        mean /= max(float(np.linalg.norm(mean)), 1e-9)
        return mean

    def wipe(self, evidence: Evidence, life_s: float) -> None:
        """Overwrite a track's templates.

        Args:
            evidence: whose templates.
            life_s: seconds since the track was last seen; 0 while it is in view.
        """
        if not evidence.slots:
            return
        self._block[evidence.slots] = 0.0
        self._free.extend(evidence.slots)
        self.wiped += len(evidence.slots)
        self._lives_s.append(life_s)
        if len(self._lives_s) > _LIVES_KEPT:
            del self._lives_s[: -_LIVES_KEPT // 2]
        evidence.slots.clear()
        evidence.weights.clear()

    def life_p99_s(self) -> float:
        """99th percentile of the time from a track's last sighting to the wiping of its templates; 0 without any."""
        return float(np.percentile(self._lives_s, 99)) if self._lives_s else 0.0


_LIVES_KEPT = 10_000
"""Enough for a percentile of the recent past, bounded for a van that stands for days."""
