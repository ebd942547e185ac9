"""A list of real faces against a cohort of others: what is foretold is what was seen. Labelled Faces in the Wild.

Needs its photographs (KERBSIDE_FACES, or ../shared/faces/lfw).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from firmware.fleet.lists.cache import Cache
from firmware.fleet.lists.looks import look_at_all
from firmware.fleet.lists.parcel import Parcel
from firmware.match.pipeline import PipelineSettings
from models.vision import Vision
from tests.fleet.lists.stage import Desk, build
from tests.models.made_calibration import made_file
from tests.source import ROOT

LFW = Path(os.environ.get("KERBSIDE_FACES", ROOT.parent / "shared/faces/lfw"))
LISTED, VOLUNTEERS = 30, 120

pytestmark = pytest.mark.skipif(not LFW.is_dir(), reason="no LFW (KERBSIDE_FACES)")


@pytest.fixture(scope="module")
def faces() -> list[Path]:
    """One photograph of each of many."""
    return [min(folder.iterdir()) for folder in sorted(LFW.iterdir())[: LISTED + VOLUNTEERS]]


@pytest.fixture(scope="module")
def parcel(faces: list[Path], vision: Vision, tmp_path_factory: pytest.TempPathFactory) -> Parcel:
    tmp_path = tmp_path_factory.mktemp("lfw")
    (tmp_path / "portraits").mkdir()
    (tmp_path / "cohort").mkdir()
    desk = Desk(tmp_path / "portraits", [], made_file(PipelineSettings().use(vision)))
    for number, path in enumerate(faces[:LISTED]):
        with Image.open(path) as picture:
            desk.add(f"e{number}", picture)
    for path in faces[LISTED:]:
        (tmp_path / "cohort" / path.name).symlink_to(path)
    return build(desk.job(tmp_path / "out", cohort=tmp_path / "cohort"), vision)


def test_photographs_pass_the_gate(parcel: Parcel) -> None:
    kept = parcel.records
    assert len(kept.entries) >= LISTED - 2, [one.findings for one in kept.refused]
    assert kept.cohort is not None
    assert kept.cohort.volunteers == VOLUNTEERS
    assert kept.rounding.most < 5e-4


def test_what_is_foretold_is_what_was_seen(parcel: Parcel, faces: list[Path], vision: Vision) -> None:
    looks = dict(zip(faces, look_at_all(faces, [vision], Cache(None, "x"), print), strict=True))
    kept = parcel.records
    listed = [looks[faces[int(entry.ref[1:])]].vector for entry in kept.entries]
    seen = [[float(looks[path].vector @ entry) >= 0.46 for path in faces[LISTED:]] for entry in listed]
    assert [entry.foretold.seen for entry in kept.entries if entry.foretold] == [sum(row) for row in seen]
    assert kept.foretold is not None
    assert kept.foretold.seen == sum(map(any, zip(*seen, strict=True)))
    assert kept.foretold.most >= 10_000 * 2.99 / VOLUNTEERS
