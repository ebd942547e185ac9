"""``kerbside replay``: a video in, possible matches as JSON out; a broken video brings nothing but an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware.demo_files import ENTRY, DemoFiles
from tests.film import drawn_walk, empty_street, write_video
from tests.source import ROOT

EVENT = {"entry", "similarity", "first_frame", "last_frame", "decided_frame"}
SUMMARY = {
    *("frames", "wall_s", "cpu_s", "fps", "peak_rss_mb", "faces", "tracks", "embeddings", "template_life_p99_s"),
    *("templates_wiped", "start_s", "entries", "refused", "threshold", "runner"),
}
TIMES = {"wall_s", "cpu_s", "fps", "peak_rss_mb", "start_s"}
"""What may differ from run to run."""


def replay(source: str, portraits: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "firmware", "replay", "--source", source, "--portraits", str(portraits)]
    return subprocess.run([*command, "--json", str(out), *more], cwd=ROOT, capture_output=True, text=True, check=False)


def result(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def test_the_listed_man_is_one_event_with_the_promised_fields(demo_files: DemoFiles, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    ended = replay(f"file://{demo_files.listed}", demo_files.portraits, out)
    assert ended.returncode == 0, ended.stderr
    document = result(out)
    assert set(document) == {"events", "summary"}
    (event,) = document["events"]
    summary = document["summary"]
    assert set(event) == EVENT
    assert set(summary) == SUMMARY
    assert event["entry"] == ENTRY
    assert summary["threshold"] <= event["similarity"] <= 1
    assert 0 <= event["first_frame"] <= event["decided_frame"] <= event["last_frame"] < summary["frames"] == 120
    assert summary["template_life_p99_s"] <= 1
    assert summary["entries"] == 3
    assert summary["embeddings"] < summary["faces"] / 5


def test_the_same_video_brings_the_same_result(demo_files: DemoFiles, tmp_path: Path) -> None:
    documents = []
    for number in range(2):
        out = tmp_path / f"{number}.json"
        assert replay(f"file://{demo_files.listed}", demo_files.portraits, out, "--threshold", "0.1").returncode == 0
        documents.append(result(out))
    first, second = documents
    assert first["events"] == second["events"] != []
    assert untimed(first["summary"]) == untimed(second["summary"])
    assert first["summary"]["threshold"] == 0.1


def untimed(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if key not in TIMES}


def test_an_empty_street_brings_no_event_and_no_error(demo_files: DemoFiles, tmp_path: Path) -> None:
    video = write_video(tmp_path / "street.mp4", [empty_street()] * 10)
    assert replay(f"file://{video}", demo_files.portraits, tmp_path / "out.json").returncode == 0
    document = result(tmp_path / "out.json")
    assert document["events"] == []
    assert (document["summary"]["frames"], document["summary"]["faces"]) == (10, 0)


def test_an_unfit_portrait_is_named_and_the_others_count(demo_files: DemoFiles, tmp_path: Path) -> None:
    portraits = tmp_path / "portraits"
    portraits.mkdir()
    (portraits / "man.png").write_bytes((demo_files.portraits / f"{ENTRY}.png").read_bytes())
    (portraits / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    video = write_video(tmp_path / "walk.mp4", drawn_walk(10))
    ended = replay(f"file://{video}", portraits, tmp_path / "out.json")
    assert ended.returncode == 0
    assert "refused torn.jpg: cannot be read as a picture" in ended.stderr
    summary = result(tmp_path / "out.json")["summary"]
    assert (summary["entries"], summary["refused"]) == (1, 1)


@pytest.fixture
def truncated(tmp_path: Path) -> Path:
    """A video whose table of contents is whole and whose end is missing."""
    video = write_video(tmp_path / "truncated.mp4", drawn_walk(100))
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 2 // 3])
    return video


def test_a_truncated_video_is_refused_with_the_frames_that_were_there(
    demo_files: DemoFiles, tmp_path: Path, truncated: Path
) -> None:
    ended = replay(f"file://{truncated}", demo_files.portraits, tmp_path / "out.json")
    assert ended.returncode == 1
    assert "truncated.mp4: cut off or unreadable after " in unwrapped(ended)
    assert " of 100 frames" in unwrapped(ended)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"", "broken.mp4: cannot be opened as video", id="empty"),
        pytest.param(b"these are notes\n" * 100, "broken.mp4: cannot be opened as video", id="unreadable"),
    ],
)
def test_what_is_no_video_is_refused(demo_files: DemoFiles, tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "broken.mp4").write_bytes(content)
    ended = replay(f"file://{tmp_path}/broken.mp4", demo_files.portraits, tmp_path / "out.json")
    assert ended.returncode == 1
    assert complaint in unwrapped(ended)
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out.json").exists()


def test_a_video_without_a_frame_is_refused(demo_files: DemoFiles, tmp_path: Path) -> None:
    video = tmp_path / "whole.mp4"
    video.write_bytes(demo_files.listed.read_bytes()[: demo_files.listed.stat().st_size // 3])
    ended = replay(f"file://{video}", demo_files.portraits, tmp_path / "out.json")
    assert ended.returncode == 1
    assert "whole.mp4: " in unwrapped(ended)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("source", ["clip.mp4", "http://127.0.0.1/clip.mp4", "file://"])
def test_what_is_no_file_is_refused(demo_files: DemoFiles, tmp_path: Path, source: str) -> None:
    ended = replay(source, demo_files.portraits, tmp_path / "out.json")
    assert ended.returncode == 1
    assert f"{source}: expected file://PATH" in unwrapped(ended)


def test_a_folder_without_portraits_is_refused(demo_files: DemoFiles, tmp_path: Path) -> None:
    ended = replay(f"file://{demo_files.listed}", tmp_path / "nowhere", tmp_path / "out.json")
    assert ended.returncode == 1
    assert "nowhere: no such folder of portraits" in unwrapped(ended)


def test_a_threshold_outside_its_range_is_asked_wrongly(demo_files: DemoFiles, tmp_path: Path) -> None:
    ended = replay(f"file://{demo_files.listed}", demo_files.portraits, tmp_path / "o.json", "--threshold", "1.5")
    assert ended.returncode == 2
    assert "--threshold" in ended.stderr


def unwrapped(ended: subprocess.CompletedProcess[str]) -> str:
    """What was said on the terminal, on one line."""
    return " ".join(ended.stderr.split())
