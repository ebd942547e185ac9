"""``kerbside bench wire``, small: every part of it is real, so what it prints was really done."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.broker.mosquitto import needs_mosquitto
from tests.source import ROOT


@needs_mosquitto
def test_every_event_is_receipted_and_the_figures_say_how_fast() -> None:
    command = [sys.executable, "-m", "firmware", "bench", "wire", "--events", "100", "--queued", "200", "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert (report["flow"]["events"], report["drain"]["events"], report["lost"]) == (100, 200, 0)
    assert report["round_trip"]["p50_ms"] <= report["round_trip"]["p95_ms"]
    assert set(report["peaks_mb"]) == {"van", "link", "receipt daemon", "broker"}
    assert all(peak_mb > 1 for peak_mb in report["peaks_mb"].values())
