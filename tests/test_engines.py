"""Before a van looks its engines are tended: what is missing is built, what is in order is left, what fails is said."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import onnx
from rich.console import Console

from board.board import Board, open_board
from firmware.engines import kept_model, tend_engines
from firmware.log import Log
from firmware.match.kept import Kept
from firmware.match.settings import CameraSettings, MatchSettings
from models.backend_tensorrt import DeviceKey, Precision, TensorRtBackend
from models.built import BUILT, FILES
from models.manifest import MANIFEST
from ota.archive import digest
from tests.models.van import Van

SIZES = ((1280, 720),)
ENGINES = 6


@dataclass(frozen=True)
class Start:
    """One start of a van in this folder."""

    folder: Path
    version: str = "10.3.0"
    out_of_memory: bool = False
    model: Path | None = None

    def log(self) -> list[dict[str, Any]]:
        lines = StringIO()
        board = Board("jetson", open_board().open_camera, networks="tensorrt", state=self.folder)
        tend_engines(board, SIZES, Console(file=StringIO()), Log("run", lines), self._tensorrt, self.model)
        return [json.loads(line) for line in lines.getvalue().splitlines()]

    def _tensorrt(self, engines: Path, key: DeviceKey, power_mode: str, precision: Precision) -> TensorRtBackend:
        van = Van(engines.parent, version=self.version, power_mode=power_mode, key=key(), precision=precision)
        van.trt.out_of_memory = self.out_of_memory
        return van.backend


def another_model(folder: Path) -> Path:
    """The shipped one, but for a word in its embedder's graph: other bytes that do the same."""
    shutil.copytree(FILES, folder)
    shutil.copyfile(MANIFEST, folder / MANIFEST.name)
    graph = onnx.load(folder / "sface.onnx")
    graph.doc_string = "another"
    onnx.save(graph, folder / "sface.onnx")
    names = json.loads((folder / BUILT).read_text("utf-8"))
    names["sface.onnx"] = hashlib.sha256((folder / "sface.onnx").read_bytes()).hexdigest()
    (folder / BUILT).write_text(json.dumps(names), "utf-8")
    return folder


def _events(lines: list[dict[str, Any]]) -> list[str]:
    return [str(line["event"]) for line in lines]


def test_the_first_start_builds_and_the_second_does_nothing(tmp_path: Path) -> None:
    first = _events(Start(tmp_path).log())
    assert (first.count("engine refused"), first.count("engine built")) == (ENGINES, ENGINES)
    assert Start(tmp_path).log() == []


def test_after_an_upgrade_all_is_built_anew_and_the_reason_is_said(tmp_path: Path) -> None:
    Start(tmp_path).log()
    lines = Start(tmp_path, version="10.16.2").log()
    assert _events(lines).count("engine built") == ENGINES
    assert {line["reason"].split(": ", 1)[1] for line in lines if line["event"] == "engine refused"} == {
        "out of date: tensorrt is TensorRT 10.3.0, wanted is TensorRT 10.16.2"
    }


def test_a_model_that_came_over_the_air_gets_engines_of_its_own(tmp_path: Path) -> None:
    Start(tmp_path).log()
    other = Start(tmp_path, model=another_model(tmp_path / "model"))
    assert [(line["event"], line["graph"]) for line in other.log() if "graph" in line] == [("engine built", "sface")]
    assert other.log() == []


def test_a_model_without_its_manifest_is_an_alarm(tmp_path: Path) -> None:
    (line,) = Start(tmp_path, model=tmp_path).log()
    assert (line["kind"], line["event"]) == ("alarm", "engines")
    assert str(tmp_path / "manifest.toml") in line["reason"]


def test_engines_are_for_the_model_that_the_match_process_keeps(tmp_path: Path) -> None:
    state, lines = tmp_path / "state", StringIO()
    state.mkdir()
    assert kept_model(state, Log("run", lines)) is None
    kept, model = Kept(state, digest), another_model(state / "model-1111111111111111")
    kept.keep("model", "1" * 64, model)
    assert kept_model(state, Log("run", lines)) == model
    assert lines.getvalue() == ""


def test_a_kept_model_that_was_changed_since_is_an_alarm_and_the_shipped_one_is_tended(tmp_path: Path) -> None:
    state, lines = tmp_path / "state", StringIO()
    state.mkdir()
    kept, model = Kept(state, digest), another_model(state / "model-1111111111111111")
    kept.keep("model", "1" * 64, model)
    (model / "sface.onnx").write_bytes(b"another")
    assert kept_model(state, Log("run", lines)) is None
    assert "when it was taken" in json.loads(lines.getvalue())["reason"]


def test_what_cannot_be_built_is_an_alarm_and_leaves_the_old_engines(tmp_path: Path) -> None:
    Start(tmp_path).log()
    before = {path.name: path.read_bytes() for path in (tmp_path / "engines").iterdir()}
    lines = Start(tmp_path, version="10.16.2", out_of_memory=True).log()
    alarms = [line for line in lines if line["kind"] == "alarm"]
    assert [alarm["event"] for alarm in alarms] == ["engine not built"] * ENGINES
    assert all("OutOfMemory" in alarm["reason"] for alarm in alarms)
    assert {path.name: path.read_bytes() for path in (tmp_path / "engines").iterdir()} == before


def test_a_key_that_is_not_to_be_trusted_is_an_alarm(tmp_path: Path) -> None:
    Start(tmp_path).log()
    (tmp_path / "device.key").chmod(0o660)
    (line,) = Start(tmp_path).log()
    assert (line["kind"], line["event"]) == ("alarm", "engines")
    assert "device.key: -rw-rw----" in line["reason"]


def test_a_host_needs_no_engine() -> None:
    lines = StringIO()
    tend_engines(open_board(), SIZES, Console(file=StringIO()), Log("run", lines))
    assert lines.getvalue() == ""


def test_engines_are_for_the_sizes_that_cameras_are_asked_for() -> None:
    cameras = [CameraSettings("front", "csi://0", (1920, 1080)), CameraSettings("rear", "csi://1")]
    twice = [CameraSettings("left", "csi://2", (1280, 720)), *cameras]
    assert MatchSettings(Path(), Path(), Path(), tuple(cameras)).sizes_px == ((1920, 1080), (1280, 720))
    assert MatchSettings(Path(), Path(), Path(), tuple(twice)).sizes_px == ((1280, 720), (1920, 1080))
