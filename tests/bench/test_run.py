"""Systems run in turn on one crowd; medians, the worst counts and the ratio."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from firmware.bench import BenchError
from firmware.bench.crowd import Crowd, Truth, Walk
from firmware.bench.outcome import Outcome, Summary, read_outcome, write_outcome
from firmware.bench.report import BenchReport, Run, SystemReport, table_of
from firmware.bench.run import System, run_bench, run_system

TRUTH = Truth(frames=10, fps=25, list_size=5, walkers=(Walk("ada", 0, 9),))
WRITES = """
import json, sys
json.dump({"events": [{"entry": "ada", "similarity": 0.7, "first_frame": 1, "last_frame": 4, "decided_frame": 3}],
           "summary": {"frames": int(sys.argv[1]), "wall_s": 1, "cpu_s": 2, "fps": 10.0, "peak_rss_mb": 100, "faces": 9,
                       "tracks": 2, "embeddings": 4, "template_life_p99_s": 0.2}}, open(sys.argv[2], "w"))
"""


def _summary(fps: float, cpu_s: float = 2.0, peak_rss_mb: float = 100.0) -> Summary:
    return Summary(frames=10, wall_s=10 / fps, cpu_s=cpu_s, fps=fps, peak_rss_mb=peak_rss_mb, faces=9)


def _system(script: str, *words: str) -> System:
    return System("Fake", lambda _crowd, out: [sys.executable, "-c", script, *words, str(out)])


@pytest.fixture
def crowd(tmp_path: Path) -> Crowd:
    return Crowd(tmp_path / "crowd.mp4", tmp_path / "portraits", tmp_path / "truth.json")


@pytest.fixture
def report() -> BenchReport:
    ours = SystemReport("Kerbside", (Run(_summary(210.0), 24, 0), Run(_summary(190.0), 23, 1)))
    theirs = SystemReport("OpenCV, every face", (Run(_summary(16.0), 23, 1), Run(_summary(16.0), 23, 1)))
    return BenchReport(video="v", frames=10, walkers=100, listed=24, list_size=500, systems=(ours, theirs))


def test_a_system_is_run_and_scored(crowd: Crowd, tmp_path: Path) -> None:
    done = run_system(_system(WRITES, "10"), crowd, TRUTH, tmp_path / "out.json")
    assert (done.found, done.false, done.summary.fps, done.summary.tracks) == (1, 0, 10.0, 2)


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        pytest.param("import sys; sys.exit('no camera')", (), "exit code 1\nno camera", id="it fails"),
        pytest.param("pass", (), "No such file", id="it writes nothing"),
        pytest.param("import sys; open(sys.argv[1], 'w').write('{}')", (), "events", id="it writes something else"),
        pytest.param(WRITES, ("9",), "saw 9 of 10 frames", id="it skips a frame"),
    ],
)
def test_a_system_that_fails_is_named(
    crowd: Crowd, tmp_path: Path, script: str, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        run_system(_system(script, *words), crowd, TRUTH, tmp_path / "out.json")


def test_an_old_result_is_never_taken_for_a_new_one(crowd: Crowd, tmp_path: Path) -> None:
    write_outcome(Outcome((), _summary(10.0)), tmp_path / "out.json")
    with pytest.raises(BenchError, match="No such file"):
        run_system(_system("pass"), crowd, TRUTH, tmp_path / "out.json")


def test_medians_for_costs_and_the_worst_run_for_counts(report: BenchReport) -> None:
    assert report.kerbside.fps == 200.0
    assert (report.kerbside.found, report.kerbside.false) == (23, 1)
    assert report.fps_ratio == 12.5


def test_table_and_json_say_the_same(report: BenchReport) -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(table_of(report))
    text = console.export_text()
    assert "12.50x" in text
    assert "23/24" in text
    document = json.loads(report.to_json())
    assert document["fps_ratio"] == 12.5
    assert document["medians"]["Kerbside"]["found"] == 23


def test_outcome_survives_the_file(tmp_path: Path) -> None:
    outcome = Outcome((), _summary(10.0))
    write_outcome(outcome, tmp_path / "out.json")
    assert read_outcome(tmp_path / "out.json") == outcome


@pytest.mark.parametrize(
    ("walkers", "runs", "message"), [(0, 2, "--walkers"), (20, 0, "--runs")], ids=["nobody walks", "no run"]
)
def test_numbers_out_of_range_name_the_option(tmp_path: Path, walkers: int, runs: int, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        run_bench(tmp_path, tmp_path, walkers, runs)


def test_missing_faces_are_said_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--faces"):
        run_bench(tmp_path / "nowhere", tmp_path / "out")
