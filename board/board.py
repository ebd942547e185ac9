"""Which machine this is, decided once. Knows the drivers there are; refuses to know what their frames are for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from board.camera import Camera, CameraError

JETSON_RELEASE = Path("/etc/nv_tegra_release")
OpenCamera = Callable[[str, str], Camera]


@dataclass(frozen=True)
class Board:
    """The drivers of one machine.

    Attributes:
        name: ``host``, or ``jetson (host drivers)`` where a Jetson runs without its own.
        open_camera: (name, uri) to an open camera; raises :class:`board.camera.CameraError`.
    """

    name: str
    open_camera: OpenCamera


def open_board(release: Path = JETSON_RELEASE) -> Board:
    """The board of this machine. A Jetson's own camera and TensorRT drivers come later; it says so in its name."""
    from board.camera_host import HostCamera  # a backend's import is its own

    def open_camera(name: str, uri: str) -> Camera:
        return HostCamera(name, uri)

    return Board("jetson (host drivers)" if release.exists() else "host", open_camera)


__all__ = ["Board", "CameraError", "OpenCamera", "open_board"]
