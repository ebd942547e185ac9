"""A Jetson's cameras keep the contract that files keep; so does a V4L2 device, where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from board.camera import Camera, CameraSpec, Frame, Gap
from board.camera_host import HostCamera
from board.camera_jetson import JetsonCamera
from board.picture import Pixels
from tests.board.jetson_simulator import Sensor, SimulatedJetsonUtils
from tests.board.stage import LateClock
from tests.contract.camera_contract import CameraContract, Rig, scene


def noisy(number: int, size: tuple[int, int] = (320, 240)) -> Pixels:
    """The scene with a sensor's noise, another in every picture."""
    noise = np.random.default_rng(number).integers(0, 3, (size[1], size[0], 3), dtype=np.uint8)
    return scene(*size) + noise


class JetsonRig:
    """A camera that is unplugged after its last frame."""

    size = (320, 240)
    end = Gap.LOST

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def ends_after(self, frames: int) -> Camera:
        ju = SimulatedJetsonUtils({self._uri: Sensor.filming(*map(noisy, range(frames)))})
        return JetsonCamera(ju, CameraSpec("front", self._uri), LateClock(0), self._uri)

    def lost_after(self, frames: int) -> Camera:
        ju = SimulatedJetsonUtils(
            {self._uri: Sensor.filming(*map(noisy, range(frames)), Exception("gone"), Exception("gone"))}
        )
        return JetsonCamera(ju, CameraSpec("front", self._uri), LateClock(0), self._uri)


class TestCsi(CameraContract):
    @pytest.fixture
    def rig(self) -> Rig:
        return JetsonRig("csi://0")


class TestUsb(CameraContract):
    @pytest.fixture
    def rig(self) -> Rig:
        return JetsonRig("v4l2:///dev/video0")


def test_a_real_device_brings_frames_of_its_own() -> None:
    devices = sorted(Path("/dev").glob("video*"))
    if not devices:
        pytest.skip("no /dev/video* here")
    camera = HostCamera(CameraSpec("front", f"v4l2://{devices[0]}"))
    frames = [camera.read() for _ in range(10)]
    camera.close()
    assert sum(isinstance(frame, Frame) for frame in frames) >= 1
