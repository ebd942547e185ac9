"""Cameras that bring frames in which nobody is found, or never well enough, or too few frames. Knows counts and the
frames' time; no face.

An empty street looks like a covered lens, and both like a blind detector: a person has to look. One face ends it.
"""

from __future__ import annotations

from dataclasses import dataclass

PAUSE_S = 5.0
"""Without a frame for so long the van was not looking: the time starts anew."""
FEW_TRACKS = 10
"""Faces that were followed and never good enough before that is worth an alarm."""
SELDOM = 3
"""After so many rests in a row, each from frames of less than ``PAUSE_S``, it is the frames that are too few."""
_PAUSE_NS = round(PAUSE_S * 1e9)


@dataclass
class _Street:
    """One camera, by its frames' time.

    Attributes:
        since_ns: since when it shows no face.
        run_ns: since when its frames come without a rest.
        now_ns: of its latest frame.
        short_runs: rests in a row that ended a run of less than ``PAUSE_S``.
    """

    since_ns: int
    run_ns: int
    now_ns: int
    short_runs: int = 0

    def looked(self, t_ns: int, faces: int) -> None:
        has_rested = t_ns - self.now_ns > _PAUSE_NS
        if has_rested:
            self.short_runs += self.now_ns - self.run_ns < _PAUSE_NS
            self.run_ns = t_ns
        self.now_ns = max(self.now_ns, t_ns)
        if self.now_ns - self.run_ns >= _PAUSE_NS:
            self.short_runs = 0
        if faces or has_rested:
            self.since_ns = self.now_ns


class Emptiness:
    """Since when each camera shows no face. One thread tells it of frames; any may ask.

    Frames of one camera come in order, those of several do not: of all it is the latest that says how late it is.

    Args:
        limit_s: how long that may be, by the frames' time.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._streets: dict[str, _Street] = {}
        self._shots = self._tracks = -1
        self._shot_ns = self._now_ns = 0

    def looked(self, camera: str, t_ns: int, faces: int) -> None:
        """A frame was looked at, and so many faces were found in it."""
        if camera not in self._streets:
            self._streets[camera] = _Street(t_ns, t_ns, t_ns)
        self._streets[camera].looked(t_ns, faces)

    def shot(self, t_ns: int, tracks: int, shots: int) -> None:
        """So many faces were followed, and so many templates made of them, by all cameras since the start."""
        has_rested = t_ns - self._now_ns > _PAUSE_NS
        self._now_ns = max(self._now_ns, t_ns)
        if shots != self._shots or has_rested:
            self._shots, self._tracks, self._shot_ns = shots, tracks, self._now_ns

    def alarms(self, tracks: int) -> tuple[str, ...]:
        """What a person has to look after, in words; ``tracks`` as in :meth:`shot`."""
        minutes, streets = f"{self._limit_s / 60:.0f} min", self._streets.copy()
        empty = tuple(
            f"camera {name} has shown no face for {minutes}: the street is empty, the lens is covered or out of focus, "
            "or the detector is blind"
            for name, street in streets.items()
            if street.now_ns - street.since_ns >= self._limit_s * 1e9
        )
        seldom = tuple(
            f"camera {name} brings too few frames, with more than {PAUSE_S:.0f} s between them, to tell if it sees"
            for name, street in streets.items()
            if street.short_runs >= SELDOM
        )
        poor = self._now_ns - self._shot_ns >= self._limit_s * 1e9 and tracks - self._tracks >= FEW_TRACKS
        words = f"faces are seen, but for {minutes} none well enough to be compared: look at focus, light and distance"
        return (*empty, *seldom, words) if poor else (*empty, *seldom)
