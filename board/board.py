"""Which machine this is, decided once. Knows the drivers there are; refuses to know what their frames are for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from board.camera import Camera, CameraError
from board.device_key import device_key
from board.power_mode import PowerMode, read_power_mode
from board.thermal import Heat, ThermalError, read_heat

JETSON_RELEASE = Path("/etc/nv_tegra_release")
STATE = Path("/var/lib/kerbside")
"""What outlives a restart: engines, and the key that vouches for them."""
OpenCamera = Callable[[str, str], Camera]


@dataclass(frozen=True)
class Board:
    """The drivers of one machine.

    Attributes:
        name: ``host``, or ``jetson (host drivers)`` where a Jetson runs without its own.
        open_camera: (name, uri) to an open camera; raises :class:`board.camera.CameraError`.
        networks: what this machine is made to run networks with.
        state: folder of what outlives a restart.
    """

    name: str
    open_camera: OpenCamera
    networks: Literal["openvino", "tensorrt"] = "openvino"
    state: Path = STATE

    @property
    def engines(self) -> Path:
        """The folder that engines are kept in."""
        return self.state / "engines"

    def device_key(self) -> bytes:
        """This device's secret; raises :class:`board.device_key.DeviceKeyError`."""
        return device_key(self.state / "device.key")

    def power_mode(self) -> PowerMode:
        """The power mode in force."""
        return read_power_mode()

    def heat(self) -> Heat | None:
        """How hot the machine is; None where that cannot be told."""
        try:
            return read_heat()
        except ThermalError:
            return None


def open_board(release: Path = JETSON_RELEASE) -> Board:
    """The board of this machine. A Jetson's own cameras come later; it says so in its name."""
    from board.camera_host import HostCamera  # a backend's import is its own

    def open_camera(name: str, uri: str) -> Camera:
        return HostCamera(name, uri)

    if release.exists():
        return Board("jetson (host drivers)", open_camera, networks="tensorrt")
    return Board("host", open_camera)


__all__ = ["Board", "CameraError", "OpenCamera", "open_board"]
