"""The host's camera keeps the contract: as files read as fast as possible, and as files at their own pace."""

from __future__ import annotations

from pathlib import Path

import pytest

from board.camera import CameraSpec, Gap
from board.camera_host import HostCamera
from tests.board.stage import LateClock, cut, write
from tests.contract.camera_contract import CameraContract, Rig, scene


class FileRig:
    """Files made for the test."""

    size = (320, 240)
    end = Gap.ENDED

    def __init__(self, folder: Path, *, paced: bool) -> None:
        self._folder = folder
        self._paced = paced

    def ends_after(self, frames: int) -> HostCamera:
        return self._open(write(self._folder / f"whole{frames}.mp4", [scene(*self.size)] * frames))

    def lost_after(self, frames: int) -> HostCamera:
        return self._open(cut(write(self._folder / f"cut{frames}.mp4", [scene(*self.size)] * (2 * frames)), 0.5))

    def _open(self, path: Path) -> HostCamera:
        return HostCamera(CameraSpec("front", f"file://{path}"), LateClock(0), paced=self._paced)


class TestFileAsFastAsPossible(CameraContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        return FileRig(tmp_path, paced=False)


class TestFileAtItsOwnPace(CameraContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        return FileRig(tmp_path, paced=True)
