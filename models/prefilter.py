"""Spare the detector the frames in which a cheaper look finds nobody. Knows boxes and time; refuses to know whose.

A pre-filter is a shortcut and is never trusted for long: it is not asked while a face was in view a moment ago, so that
it cannot break a track, and of every few frames one goes to the detector whatever it says, so that what it misses is
missed for a bounded time.

It helps where the street is often empty and its look costs much less than the detector's. Where somebody is always in
view it is never asked, and neither helps nor costs. Measured with YuNet at 160 x 96 px before YuNet at 640 x 384
(``firmware/bench/prefilter.py``, share of the detector's processor time): 35 % saved on a drawn street that is empty
for three quarters of the time, 23 % on a real one with cyclists, nothing in a crowd. 13 of 698 and 3 of 57 faces were
missed, all before their track's first look and for 0.08 s at most; no track was missed altogether.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from models.faces import F32, Faces
from models.manifest import ModelError

LOOK_ANYWAY_EVERY = 5
"""Of so many frames of a camera in a row at least one goes to the detector: a third of a second at 15 a second."""
LINGER_S = 1.0
"""How long after the last face every frame goes to the detector; longer than a track may be unseen."""

_Image = TypeVar("_Image")
_Image_contra = TypeVar("_Image_contra", contravariant=True)


class Prefilter(Protocol[_Image_contra]):
    """A detector of boxes alone: no landmarks, so no face can be embedded from what it finds. One thread at a time."""

    @property
    def name(self) -> str:
        """Network and backend, in words for a status line."""

    def boxes(self, image: _Image_contra) -> F32:
        """(n, 4) f32, x1 y1 x2 y2 in pixels of ``image``, around what may be a face or somebody who has one.

        Raises:
            ModelError: the image is of a kind that the network cannot take, or the network failed.
        """


@dataclass
class _Street:
    """What one camera showed last."""

    skipped: int = 0
    face_t_ns: int | None = None


class Gate(Generic[_Image]):
    """Decides frame by frame whether the detector looks. Deterministic: time comes from the frames.

    Args:
        prefilter: the cheaper look.
        every: of so many frames in a row at least one goes to the detector.
        linger_s: how long after the last face all do, in seconds of the frames' own time.

    Raises:
        ValueError: a number out of range.
    """

    def __init__(
        self, prefilter: Prefilter[_Image], every: int = LOOK_ANYWAY_EVERY, linger_s: float = LINGER_S
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1, got {every}")
        if not linger_s >= 0:
            raise ValueError(f"linger_s: expected at least 0, got {linger_s}")
        self.frames = 0
        """All that came."""
        self.asked = 0
        """Those for which the pre-filter was run."""
        self.skipped = 0
        """Those that the detector was spared."""
        self.fault = ""
        """Why the pre-filter is asked no more; the detector looks at everything then."""
        self._prefilter = prefilter
        self._every = every
        self._linger_ns = round(linger_s * 1e9)
        self._streets: dict[str, _Street] = {}

    @property
    def name(self) -> str:
        """The pre-filter's name."""
        return self._prefilter.name

    def through(self, camera: str, t_ns: int, image: _Image, detect: Callable[[], Faces]) -> Faces:
        """What ``detect`` finds, or nothing where the detector is spared the frame. A camera's frames come in order."""
        street = self._streets.setdefault(camera, _Street())
        self.frames += 1
        if not self._lets_through(street, t_ns, image):
            street.skipped += 1
            self.skipped += 1
            return Faces.none()
        street.skipped = 0
        faces = detect()
        if len(faces):
            street.face_t_ns = t_ns
        return faces

    def _lets_through(self, street: _Street, t_ns: int, image: _Image) -> bool:
        if self.fault:
            return True
        if street.face_t_ns is not None and t_ns - street.face_t_ns <= self._linger_ns:
            return True
        if street.skipped + 1 >= self._every:
            return True
        self.asked += 1
        return self.notices(image)

    def notices(self, image: _Image) -> bool:
        """Whether the pre-filter sees somebody, or can be asked no more; what any camera showed does not matter."""
        try:
            return len(self._prefilter.boxes(image)) > 0
        except ModelError as error:
            self.fault = f"{self.name}: {error}"
            return True
