"""A van looks with what it is made for; with less it says so, and why, until it is mended."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from board.board import Board, open_board
from firmware.match.networks import Networks, open_networks
from models.backend_tensorrt import DeviceKey, Precision, TensorRtBackend
from models.runner_tensorrt import load_tensorrt
from tests.models.van import Van

CAMERA_PX = (1280, 720)


def _board(state: Path) -> Board:
    return Board("jetson", open_board().open_camera, networks="tensorrt", state=state)


def _simulated(
    engines: Path, key: DeviceKey, power_mode: str, precision: Precision, version: str = "10.3.0"
) -> TensorRtBackend:
    return Van(engines.parent, version=version, power_mode=power_mode, key=key(), precision=precision).backend


def _open(state: Path, version: str = "10.3.0") -> Networks:
    return open_networks(_board(state), None, (CAMERA_PX,), functools.partial(_simulated, version=version))


def _build(state: Path) -> None:
    board = _board(state)
    Van(state, power_mode=board.power_mode().name, key=board.device_key()).equip((CAMERA_PX,))


def test_a_host_looks_with_its_processor_and_has_nothing_to_say() -> None:
    networks = open_networks(open_board())
    assert networks.vision.runner.startswith("OpenVINO")
    assert (networks.fault, networks.alarms, networks.vision.in_place) == ("", (), False)


def test_a_van_with_its_engines_looks_with_its_gpu(tmp_path: Path) -> None:
    _build(tmp_path)
    networks = _open(tmp_path)
    assert (networks.vision.runner, networks.alarms, networks.vision.in_place) == ("TensorRT 10.3.0 fp16", (), True)


def test_a_van_without_engines_looks_with_its_processor_and_alarms(tmp_path: Path) -> None:
    networks = _open(tmp_path)
    assert networks.vision.runner.startswith("OpenVINO")
    (alarm,) = networks.alarms
    assert alarm == "networks on the processor, at a reduced rate: yunet-closeup-128x128.engine: not built yet"


def test_a_van_with_a_tampered_engine_does_not_load_it(tmp_path: Path) -> None:
    _build(tmp_path)
    path = tmp_path / "engines" / "sface-112x112.engine"
    path.write_bytes(path.read_bytes()[:-1])
    networks = _open(tmp_path)
    assert networks.vision.runner.startswith("OpenVINO")
    assert "sface-112x112.engine: not built by this device, cut short, or changed since" in networks.alarms[0]


def test_a_cameras_engine_that_cannot_be_loaded_is_told_at_the_start(tmp_path: Path) -> None:
    _build(tmp_path)
    path = tmp_path / "engines" / "yunet-small-1280x720.engine"
    path.write_bytes(path.read_bytes()[:-1])
    assert "yunet-small-1280x720.engine: not built by this device" in _open(tmp_path).fault


def test_a_van_after_an_upgrade_says_which(tmp_path: Path) -> None:
    _build(tmp_path)
    assert "tensorrt is TensorRT 10.3.0, wanted is TensorRT 10.16.2" in _open(tmp_path, "10.16.2").fault


def test_a_van_whose_key_is_open_to_others_trusts_no_engine(tmp_path: Path) -> None:
    _build(tmp_path)
    (tmp_path / "device.key").chmod(0o644)
    assert "device.key: -rw-r--r--" in _open(tmp_path).fault


def test_a_van_without_tensorrt_looks_with_its_processor_and_alarms(tmp_path: Path) -> None:
    def nothing(engines: Path, key: DeviceKey, power_mode: str, precision: Precision) -> TensorRtBackend:
        load_tensorrt((("nowhere",),))
        pytest.fail("a module named nowhere is installed")

    networks = open_networks(_board(tmp_path), tensorrt=nothing)
    assert networks.vision.runner.startswith("OpenVINO")
    assert networks.fault == "TensorRT is not installed: No module named 'nowhere'"


def test_a_pre_filter_that_cannot_be_had_is_an_alarm_and_the_detector_looks_at_everything(tmp_path: Path) -> None:
    _build(tmp_path)
    networks = open_networks(_board(tmp_path), "facedetect", (CAMERA_PX,), _simulated)
    assert networks.gate is None
    assert networks.alarms == (
        "no pre-filter: detectNet facedetect: needs TensorRT 8 (JetPack 6.0 or older), this machine has 10.3.0",
    )


def test_on_a_host_there_is_no_pre_filter() -> None:
    (alarm,) = open_networks(open_board(), "peoplenet").alarms
    assert alarm.startswith("no pre-filter: detectNet peoplenet: needs TensorRT 8")
