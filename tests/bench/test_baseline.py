"""The naive baseline: its events, its refusals, and one short crowd of real photographs where there are any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from firmware.bench.baseline import REPEAT_FRAMES, Faces, Notes, main, read_list, watch
from firmware.bench.crowd import make_crowd
from firmware.bench.people import Numbers, yunet_finder
from firmware.bench.plan import CrowdSpec
from firmware.bench.run import ROOT, WEIGHTS
from firmware.bench.score import score

LFW = Path(os.environ.get("KERBSIDE_FACES", ROOT.parent / "shared/faces/lfw"))


def test_an_entry_is_one_event_until_it_stays_away() -> None:
    notes = Notes()
    for frame in (0, 1, 200, 200 + REPEAT_FRAMES, 201 + 2 * REPEAT_FRAMES):
        notes.add("ada", 0.6, frame)
    notes.add("bo", 0.7, 5)
    assert [(e.entry, e.decided_frame) for e in notes.events] == [("ada", 0), ("ada", 701), ("bo", 5)]


def test_missing_weights_end_the_process_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"--{name}={tmp_path / name}" for name in ("video", "portraits", "json", "yunet", "sface")]
    assert main(words) == 2
    assert "flash.sh setup" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not LFW.is_dir(), reason="no folder of faces (KERBSIDE_FACES)")
@pytest.mark.skipif(not WEIGHTS.sface.is_file(), reason="no weights (./flash.sh setup)")
def test_finds_most_listed_walkers_of_a_short_real_crowd(tmp_path: Path) -> None:
    spec = CrowdSpec(Numbers(walkers=8, listed=6, list_size=20), life_frames=40)
    crowd = make_crowd(LFW, tmp_path, spec, yunet_finder(WEIGHTS.yunet))
    faces = Faces(WEIGHTS)
    outcome = watch(crowd.video, read_list(crowd.portraits, faces), faces, threshold=0.5)
    result = score(crowd.read_truth(), outcome.events)
    assert outcome.summary.frames == crowd.read_truth().frames
    assert len(result.found) > result.listed / 2  # they run: a walk is 40 frames, so some pass unrecognised
    assert not result.false
