"""What a camera is to the pipeline: a source of frames whose loss is a value, not an exception.

Knows the contract; refuses to know any driver. ``board/camera_host.py`` is one implementation, the Jetson's is another,
and both must pass the same contract tests.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal, Protocol

from board.picture import Picture


class CameraError(Exception):
    """The source cannot be opened, now (no such device or file yet) or ever (unknown scheme, no such codec).

    The text says which. Opening it again, with back-off, is right for the first and does no harm for the second, which
    only a mended configuration cures.
    """


class Gap(enum.Enum):
    """Why a read brought no frame."""

    TIMEOUT = "timeout"
    """Nothing new yet; read again."""
    LOST = "lost"
    """The source is gone (unplugged, unreadable, cut off); close it and open it anew, with back-off."""
    ENDED = "ended"
    """A file came to its end; there will be nothing more."""


@dataclass(frozen=True)
class Frame:
    """One picture of one camera.

    Attributes:
        camera: the camera's configured name.
        seq: counts from 0 with each opening of the source.
        t_ns: monotonic time at capture; for a file that is read as fast as possible, the presentation time.
        picture: the pixels, lazily converted.
    """

    camera: str
    seq: int
    t_ns: int
    picture: Picture


@dataclass(frozen=True)
class CameraSpec:
    """Which camera, and how it is to be read.

    Attributes:
        name: what frames carry as their camera.
        uri: the source, such as ``csi://0``, ``v4l2:///dev/video0`` or ``file:///path/clip.mp4``.
        size_px: (width, height) of the pictures that a device is asked for; its driver chooses where there is none.
        fps: frames a second that a device is asked for.
        mounting: how the device is screwed on; the pictures of one that hangs upside down are turned by half.
    """

    name: str
    uri: str
    size_px: tuple[int, int] | None = None
    fps: float | None = None
    mounting: Literal["upright", "upside-down"] = "upright"


class Camera(Protocol):
    """An open source. Not thread-safe: one thread reads and closes it."""

    @property
    def fault(self) -> str:
        """Why the source was lost, in words; empty while it is not, or where nothing more is known."""

    def read(self) -> Frame | Gap:
        """The next frame, or why there is none. Never raises for a fault of the source."""

    def close(self) -> None:
        """Let the source go. Idempotent."""
