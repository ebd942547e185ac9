"""``kerbside-models`` on a van: engines built with words, listed, proven, timed, and refused when they are not ours."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from board.board import Board, open_board
from board.power_mode import PowerMode
from models.backend_tensorrt import DeviceKey, Precision, TensorRtBackend
from models.cli import app
from models.cuda import open_cuda
from models.engines import EngineStore
from models.options import Entrance
from models.runner_tensorrt import load_tensorrt
from models.vision import Vision
from tests.models.van import Van

ENGINES = ["sface", "yunet-closeup", "yunet", "yunet", "yunet-small", "yunet-small"]


class Jetson(Board):
    """A board whose module says that it runs in this mode."""

    def power_mode(self) -> PowerMode:
        return PowerMode("25W", 25)


@dataclass(frozen=True)
class Terminal:
    """A shell on a van."""

    folder: Path
    version: str = "10.3.0"

    def run(self, *words: str) -> Result:
        board = Jetson("jetson", open_board().open_camera, networks="tensorrt", state=self.folder)

        def tensorrt(engines: Path, key: DeviceKey, power_mode: str, precision: Precision) -> TensorRtBackend:
            van = Van(engines.parent, version=self.version, power_mode=power_mode, key=key(), precision=precision)
            assert van.engines.folder == engines
            return van.backend

        return CliRunner(env={"COLUMNS": "300"}).invoke(app, list(words), obj=Entrance(lambda: board, tensorrt))

    def engines(self) -> list[dict[str, Any]]:
        return list(json.loads(self.run("list", "--json").stdout)["engines"])


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_from_no_engine_to_all_to_nothing_left_to_do(terminal: Terminal, vision: Vision) -> None:
    assert {engine["words"].split(": ")[1] for engine in terminal.engines()} == {"not built yet"}
    refused = terminal.run("verify")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "yunet-closeup-128x128.engine: not built yet" in refused.stderr

    built = terminal.run("build")
    assert built.exit_code == 0, built.stderr
    assert built.stderr.count("refused") == built.stderr.count("built yet") == len(ENGINES)
    assert [engine["graph"] for engine in terminal.engines()] == ENGINES
    assert all(engine["usable"] for engine in terminal.engines())
    assert terminal.run("verify").stdout == (
        f"golden vectors reproduced by TensorRT 10.3.0 fp16; model {vision.digest[:16]}\n"
    )

    again = terminal.run("build", "--json")
    assert [state["built"] for state in json.loads(again.stdout)] == [False] * len(ENGINES)
    assert again.stderr.count("in order") == len(ENGINES)
    forced = terminal.run("build", "--json", "--force")
    assert [state["built"] for state in json.loads(forced.stdout)] == [True] * len(ENGINES)


def test_a_tampered_engine_is_refused_by_name_and_built_anew(terminal: Terminal) -> None:
    terminal.run("build")
    path = terminal.folder / "engines" / "sface-112x112.engine"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert [engine["graph"] for engine in terminal.engines() if not engine["usable"]] == ["sface"]
    mended = terminal.run("build")
    assert mended.exit_code == 0
    assert "refused sface-112x112.engine: not built by this device, cut short, or changed" in " ".join(
        mended.stderr.split()
    )
    assert all(engine["usable"] for engine in terminal.engines())


def test_after_an_upgrade_of_tensorrt_every_engine_is_built_anew(terminal: Terminal) -> None:
    terminal.run("build")
    upgraded = replace(terminal, version="10.16.2")
    words = {engine["words"].split(": ", 1)[1] for engine in upgraded.engines()}
    assert words == {"out of date: tensorrt is TensorRT 10.3.0, wanted is TensorRT 10.16.2"}
    assert upgraded.run("build").exit_code == 0
    assert all(engine["usable"] for engine in upgraded.engines())


def test_a_camera_of_another_size_gets_engines_of_its_own(terminal: Terminal) -> None:
    answer = terminal.run("build", "--size", "640x480", "--size", "1920x1080", "--json")
    sizes = {state["pictures"] for state in json.loads(answer.stdout) if state["graph"] == "yunet"}
    assert sizes == {"640x384", "640x480", "1920x1080"}


@pytest.mark.parametrize("size", ["1280", "1280x", "0x720", "-1x720", "1280x720x3", "axb", "999999x1"])
def test_a_size_that_is_none_is_refused(terminal: Terminal, size: str) -> None:
    answer = terminal.run("build", f"--size={size}")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert f"--size {size}: expected WIDTHxHEIGHT, such as 1280x720" in answer.stderr


def test_a_key_that_others_could_have_written_builds_nothing(terminal: Terminal) -> None:
    terminal.run("build")
    (terminal.folder / "device.key").chmod(0o644)
    for command in ("build", "list", "verify", "bench"):
        answer = terminal.run(command)
        assert answer.exit_code == 1
        assert "device.key: -rw-r--r--" in answer.stderr


def test_tables_are_for_people(terminal: Terminal) -> None:
    terminal.run("build")
    listed = terminal.run("list").stdout
    assert all(word in listed for word in ("network", "pictures", "engine", "112x112 up to 8"))


def test_speeds_stand_side_by_side(terminal: Terminal) -> None:
    terminal.run("build")
    speeds = json.loads(terminal.run("bench", "--runs", "2", "--json").stdout)
    backends = {speed["backend"].split()[0] for speed in speeds}
    assert backends == {"OpenVINO", "TensorRT"}
    assert all(speed["median_ms"] > 0 and speed["runs"] == 2 and not speed["fault"] for speed in speeds)
    assert {speed["ratio"] for speed in speeds if speed["backend"] == speeds[0]["backend"]} == {1.0}


def test_a_speed_that_cannot_be_had_says_why_in_the_table(terminal: Terminal) -> None:
    table = " ".join(terminal.run("bench", "--runs", "1").stdout.split())
    assert all(word in table for word in ("TensorRT", "sface", "1 of 128x128", "1.00x", "not built yet"))


def test_a_machine_without_tensorrt_says_so_and_makes_no_key(tmp_path: Path) -> None:
    board = Jetson("jetson", open_board().open_camera, networks="tensorrt", state=tmp_path / "state")
    answer = CliRunner().invoke(app, ["build"], obj=Entrance(lambda: board, _without_tensorrt))
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr == "kerbside-models: TensorRT is not installed: No module named 'nowhere'\n"
    assert not board.state.exists()


def _without_tensorrt(engines: Path, key: DeviceKey, power_mode: str, precision: Precision) -> TensorRtBackend:
    return TensorRtBackend(load_tensorrt((("nowhere",),)), open_cuda(), EngineStore(engines, key()), power_mode)
