"""A crowd of strangers with listed people among them, from photographs of real faces."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.bench.crowd import make_crowd
from firmware.bench.people import Numbers, yunet_finder
from firmware.bench.plan import CrowdSpec
from firmware.bench.run import WEIGHTS, kerbside, run_system
from tests.source import ROOT

FACES = ROOT.parent / "shared/faces/lfw"
WALKERS, LISTED, LIST_SIZE = 100, 24, 500


@pytest.mark.skipif(not FACES.is_dir(), reason=f"no photographs of faces in {FACES}")
def test_the_listed_are_found_in_a_crowd_and_hardly_anyone_else(tmp_path: Path) -> None:
    spec = CrowdSpec(Numbers(WALKERS, LISTED, LIST_SIZE))
    crowd = make_crowd(FACES, tmp_path / "crowd", spec, yunet_finder(WEIGHTS.yunet))
    run = run_system(kerbside(), crowd, crowd.read_truth(), tmp_path / "out.json")
    assert run.found >= 0.95 * LISTED
    assert run.false <= 1
    assert run.summary.template_life_p99_s is not None
    assert run.summary.template_life_p99_s <= 1
    assert run.summary.peak_rss_mb <= 400
