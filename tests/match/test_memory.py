"""What a long list costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.film import drawn_walk, write_video
from tests.source import ROOT

LIMIT_MB = 400


def test_a_list_of_20_000_fits_into_the_memory_budget(tmp_path: Path) -> None:
    wide = (np.asarray(Image.fromarray(picture).resize((1280, 720))) for picture in drawn_walk(50))
    video = write_video(tmp_path / "walk.mp4", wide)
    command = [sys.executable, "-m", "tests.match.large_list", str(video), "20000"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    summary = json.loads(ended.stdout)["summary"]
    assert summary["entries"] == 20_000
    assert summary["embeddings"] > 0
    assert summary["peak_rss_mb"] <= LIMIT_MB
