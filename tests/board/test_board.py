"""Which machine this is, and what its cameras are."""

from __future__ import annotations

from pathlib import Path

import pytest

from board.board import open_board
from board.camera import CameraError, Frame
from tests.board.stage import write
from tests.contract.camera_contract import scene


def test_without_a_jetsons_release_file_it_is_a_host(tmp_path: Path) -> None:
    assert open_board(tmp_path / "nv_tegra_release").name == "host"


def test_a_jetson_says_that_it_runs_with_the_hosts_drivers(tmp_path: Path) -> None:
    release = tmp_path / "nv_tegra_release"
    release.write_text("# R36 (release), REVISION: 4.3\n")
    assert open_board(release).name == "jetson (host drivers)"


def test_its_cameras_carry_their_name(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mp4", [scene(64, 48)] * 2)
    camera = open_board(tmp_path / "none").open_camera("rear", f"file://{clip}")
    frame = camera.read()
    camera.close()
    assert isinstance(frame, Frame)
    assert (frame.camera, frame.seq) == ("rear", 0)


def test_a_source_that_cannot_work_is_a_camera_error(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="csi://0: expected"):
        open_board(tmp_path / "none").open_camera("rear", "csi://0")
