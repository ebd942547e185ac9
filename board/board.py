"""Which machine this is, decided once. Knows the drivers there are; refuses to know what their frames are for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from board.camera import Camera, CameraError, CameraSpec
from board.camera_jetson import JetsonCameras, load_bindings
from board.device_key import device_key
from board.power_mode import PowerMode, read_power_mode
from board.recovery import Recovery
from board.thermal import Heat, ThermalError, read_heat

JETSON_RELEASE = Path("/etc/nv_tegra_release")
STATE = Path("/var/lib/kerbside")
"""What outlives a restart: engines, and the key that vouches for them."""
RESTART_REQUEST = Path("/run/kerbside/restart-nvargus")
"""Asks whoever watches for it to restart NVIDIA's camera daemon; the unit that does so comes with the rootfs."""
REBOOT_REQUEST = Path("/run/kerbside/reboot")
"""Asks whoever watches for it to restart the machine."""
OpenCamera = Callable[[CameraSpec], Camera]


@dataclass(frozen=True)
class Board:
    """The drivers of one machine.

    Attributes:
        name: ``host``, ``jetson``, or ``jetson (host drivers)`` where a Jetson runs without its own.
        open_camera: opens a camera; raises :class:`board.camera.CameraError`, and anything else to end the process.
        networks: what this machine is made to run networks with.
        alarms: what is not as it should be, in words.
        state: folder of what outlives a restart.
        reboot_request: a file that asks for a restart of the machine; None on a host.
        tries_unsigned: a list that nobody signed may be tried here: this is no van.
    """

    name: str
    open_camera: OpenCamera
    networks: Literal["openvino", "tensorrt"] = "openvino"
    state: Path = STATE
    alarms: tuple[str, ...] = ()
    reboot_request: Path | None = None
    tries_unsigned: bool = True

    def request_reboot(self) -> bool:
        """Ask for a restart of the machine; False where nobody would hear it: on a host.

        Raises:
            OSError: it cannot be asked for.
        """
        if self.reboot_request is None:
            return False
        self.reboot_request.touch(0o644)
        return True

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


def open_board(release: Path = JETSON_RELEASE, load: Callable[[], Any] = load_bindings) -> Board:
    """The board of this machine.

    Args:
        release: is there on a Jetson and nowhere else.
        load: gives NVIDIA's bindings, or raises :class:`board.camera.CameraError`.
    """
    if not release.exists():
        return Board("host", _open_host)
    try:
        cameras = JetsonCameras(load(), Recovery(RESTART_REQUEST, time.monotonic_ns))
    except CameraError as error:
        return Board(
            "jetson (host drivers)",
            _open_host,
            "tensorrt",
            alarms=(f"cameras by host drivers: {error}",),
            reboot_request=REBOOT_REQUEST,
            tries_unsigned=False,
        )

    def open_camera(spec: CameraSpec) -> Camera:
        return _open_host(spec) if spec.uri.startswith("file:") else cameras.open(spec)

    return Board("jetson", open_camera, "tensorrt", reboot_request=REBOOT_REQUEST, tries_unsigned=False)


def _open_host(spec: CameraSpec) -> Camera:
    from board.camera_host import HostCamera  # a backend's import is its own: FFmpeg need not be on a van

    return HostCamera(spec)


__all__ = ["Board", "CameraError", "OpenCamera", "open_board"]
