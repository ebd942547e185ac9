"""Which machine this is, and what its cameras are."""

from __future__ import annotations

from pathlib import Path

import pytest

from board.board import Board, open_board
from board.camera import CameraError, CameraSpec, Frame
from board.camera_host import HostCamera
from board.camera_jetson import JetsonCamera, load_bindings
from tests.board.jetson_simulator import Sensor, SimulatedJetsonUtils
from tests.board.stage import write
from tests.board.test_jetson_camera_contract import noisy
from tests.contract.camera_contract import scene


def test_without_a_jetsons_release_file_it_is_a_host(tmp_path: Path) -> None:
    assert open_board(tmp_path / "nv_tegra_release").name == "host"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """What only a Jetson has."""
    path = tmp_path / "nv_tegra_release"
    path.write_text("# R36 (release), REVISION: 4.3\n")
    return path


def test_a_jetson_opens_its_cameras_with_its_own_drivers_and_files_with_the_hosts(
    release: Path, tmp_path: Path
) -> None:
    ju = SimulatedJetsonUtils({"csi://0": Sensor.filming(noisy(0))})
    board = open_board(release, lambda: ju)
    assert (board.name, board.networks, board.alarms) == ("jetson", "tensorrt", ())
    csi = board.open_camera(CameraSpec("front", "csi://0"))
    clip = write(tmp_path / "clip.mp4", [scene(64, 48)] * 2)
    file = board.open_camera(CameraSpec("rear", f"file://{clip}"))
    assert [type(camera) for camera in (csi, file)] == [JetsonCamera, HostCamera]
    assert ju.Log.level == "warning"


def test_a_jetson_without_its_bindings_runs_with_the_hosts_drivers_and_says_why(release: Path) -> None:
    board = open_board(release, lambda: load_bindings(("nowhere",)))
    assert (board.name, board.networks) == ("jetson (host drivers)", "tensorrt")
    assert board.alarms == ("cameras by host drivers: jetson-utils: No module named 'nowhere'",)


def test_a_host_has_nothing_to_say(tmp_path: Path) -> None:
    board = open_board(tmp_path / "none")
    assert (board.networks, board.alarms) == ("openvino", ())


def test_what_outlives_a_restart_lies_in_one_folder_and_only_this_user_reads_the_key(tmp_path: Path) -> None:
    board = Board("host", open_board().open_camera, state=tmp_path / "state")
    assert board.engines == tmp_path / "state" / "engines"
    assert len(board.device_key()) == 32
    assert sorted(path.name for path in board.state.iterdir()) == ["device.key"]


def test_its_cameras_carry_their_name(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mp4", [scene(64, 48)] * 2)
    camera = open_board(tmp_path / "none").open_camera(CameraSpec("rear", f"file://{clip}"))
    frame = camera.read()
    camera.close()
    assert isinstance(frame, Frame)
    assert (frame.camera, frame.seq) == ("rear", 0)


def test_a_source_that_cannot_work_is_a_camera_error(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="csi://0: expected"):
        open_board(tmp_path / "none").open_camera(CameraSpec("rear", "csi://0"))
