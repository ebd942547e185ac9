"""``kerbside bench list``, small: every part of it is real, so a van was really armed when it prints."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.source import ROOT


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "firmware", "bench", "list", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_list_goes_its_whole_way_and_the_figures_say_how_fast() -> None:
    ended = bench("--entries", "50", "--repeat", "1", "--json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert (report["entries"], report["dimension"], report["runs"]) == (50, 128, 1)
    assert report["encrypted_bytes"] > 50 * 3_000
    assert all(report[step] >= 0 for step in ("offered_s", "answered_s", "seeing_s"))
    assert report["peaks_mb"].keys() >= {"agent", "link", "match"}
    shapes = [(one["entries"], one["dimension"]) for one in report["search"]]
    assert shapes == [(10_000, 128), (10_000, 512), (50_000, 512)]


def test_a_longer_list_than_a_van_takes_is_not_begun() -> None:
    ended = bench("--entries", "10001")
    assert ended.returncode == 2
    assert "--entries is 10001: a list has 1 to 10000" in ended.stderr
