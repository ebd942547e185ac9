"""The video, its portraits and its truth."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from firmware.bench import BenchError
from firmware.bench.crowd import Crowd, make_crowd
from firmware.bench.people import Numbers
from firmware.bench.plan import CrowdSpec
from tests.bench.fake_faces import draw_folder, find_drawn

SPEC = CrowdSpec(Numbers(walkers=6, listed=2, list_size=4), seed=3, life_frames=20)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("faces"), people=10)


@pytest.fixture(scope="module")
def crowd(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    return make_crowd(faces, tmp_path_factory.mktemp("crowd"), SPEC, find_drawn)


def test_video_has_the_frames_the_truth_says(crowd: Crowd) -> None:
    with av.open(str(crowd.video)) as container:
        stream = container.streams.video[0]
        shape = (stream.width, stream.height, stream.pix_fmt, float(stream.average_rate or 0))
        assert shape == (1280, 720, "yuv420p", 25.0)
        assert sum(1 for _ in container.decode(stream)) == crowd.read_truth().frames


def test_truth_names_listed_walkers_only(crowd: Crowd, faces: Path) -> None:
    entries = [walk.entry for walk in crowd.read_truth().walkers if walk.entry is not None]
    portraits = {p.stem for p in crowd.portraits.iterdir()}
    assert len(entries) == 2
    assert len(portraits) == 4
    assert set(entries) <= portraits
    strangers = {p.name for p in faces.iterdir()} - portraits
    assert not [name for name in strangers if name in crowd.truth.read_text()]


def test_same_seed_gives_the_same_bytes(crowd: Crowd, faces: Path, tmp_path: Path) -> None:
    again = make_crowd(faces, tmp_path, SPEC, find_drawn)
    assert again.video.read_bytes() == crowd.video.read_bytes()
    assert again.truth.read_bytes() == crowd.truth.read_bytes()


def test_made_once_then_found(faces: Path, tmp_path: Path) -> None:
    first = make_crowd(faces, tmp_path, SPEC, find_drawn)
    first.video.write_bytes(b"marked")
    assert make_crowd(faces, tmp_path, SPEC, find_drawn).video.read_bytes() == b"marked"
    assert make_crowd(faces, tmp_path, CrowdSpec(SPEC.numbers, 4, 20), find_drawn).video.read_bytes() != b"marked"


def test_an_interrupted_making_is_made_again(faces: Path, tmp_path: Path) -> None:
    first = make_crowd(faces, tmp_path, SPEC, find_drawn)
    (tmp_path / "made-from").unlink()
    first.video.write_bytes(b"half a vid")
    assert make_crowd(faces, tmp_path, SPEC, find_drawn).video.stat().st_size > 1000


def test_missing_faces_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--faces"):
        make_crowd(tmp_path / "nowhere", tmp_path / "out", SPEC, find_drawn)
    assert not (tmp_path / "out").exists()
