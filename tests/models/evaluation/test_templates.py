"""Photographs looked at once, and kept: a cut run goes on, and what was kept says the same to the last bit."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.align import chips
from models.evaluation.cache import Cache, key_of, open_cache
from models.evaluation.corpus import read_corpus
from models.evaluation.faults import Kind
from models.evaluation.photos import Photo
from models.evaluation.report import EvaluationError
from models.evaluation.templates import STAGES, Measured, measure
from models.portrait import find, read
from models.quality import light
from models.sharpness import sharpness
from models.vision import Vision
from tests.models.evaluation.made import draw

CHUNK = 64


class Ticking:
    """A clock that is one second on whenever it is asked; how often says how many photographs were looked at."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return float(self.asked)

    @property
    def looks(self) -> int:
        return self.asked // (len(STAGES) + 1)


class Cut(Exception):
    """The power went."""


def _photos(folder: Path) -> tuple[Photo, ...]:
    return read_corpus(folder).photos


def _few(folder: Path) -> tuple[Photo, ...]:
    for number, (label, face) in enumerate(itertools.product("AB", ("Ann", "Bea"))):
        draw(folder, f"{label}{face}", face, number)
    return _photos(folder)


def _same(one: Measured, other: Measured) -> bool:
    arrays = ("vectors", "single", "boxes", "scores", "rivals", "landmarks", "sharpness", "stage_ms")
    return (one.photos, one.light, one.faults) == (other.photos, other.light, other.faults) and all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in arrays
    )


def test_a_photograph_goes_the_way_of_a_portrait(tmp_path: Path, vision: Vision) -> None:
    seen = measure(_few(tmp_path), vision)
    image = read(seen.photos[0].path.read_bytes())
    found = find(image, vision)
    landmarks = vision.closeup.refine(image, found.face.boxes, found.face.landmarks)
    aligned = chips(image, landmarks)
    assert np.array_equal(seen.vectors[0], vision.embedder.embed_both(aligned).vectors[0])
    assert np.array_equal(seen.single[0], vision.embedder.embed(aligned).vectors[0])
    assert np.array_equal(seen.boxes[0], found.face.boxes[0])
    assert np.array_equal(seen.landmarks[0], landmarks[0])
    assert seen.scores[0] == found.face.scores[0]
    assert seen.rivals[0] == found.rival
    assert seen.sharpness[0] == sharpness(aligned)[0]
    assert seen.light[0].mean == pytest.approx(light(aligned[0]).mean)
    assert seen.light[0].contrast == pytest.approx(light(aligned[0]).contrast)


def test_stages_are_timed_by_the_clock_that_is_given(tmp_path: Path, vision: Vision) -> None:
    seen = measure(_few(tmp_path)[:1], vision, clock=Ticking())
    assert seen.stage_ms.tolist() == [[1000.0] * len(STAGES)]


def test_what_was_kept_says_the_same_to_the_last_bit_and_nobody_looks_again(tmp_path: Path, vision: Vision) -> None:
    photos, clock = _few(tmp_path / "faces"), Ticking()
    fresh = measure(photos, vision, open_cache(tmp_path / "cache", vision), clock=clock)
    assert clock.looks == 4
    again = measure(photos, vision, open_cache(tmp_path / "cache", vision), clock=clock)
    assert clock.looks == 4
    assert _same(fresh, again)
    assert np.array_equal(fresh.vectors, measure(photos, vision).vectors)


def test_a_cut_run_goes_on_where_a_whole_chunk_ended(tmp_path: Path, vision: Vision) -> None:
    for number in range(CHUNK + 6):
        draw(tmp_path / "faces", "Ann", "Bea", number)
    photos, clock = _photos(tmp_path / "faces"), Ticking()

    def cut(what: str, done: int, of: int) -> None:
        if done == CHUNK + 3:
            raise Cut

    with pytest.raises(Cut):
        measure(photos, vision, open_cache(tmp_path / "cache", vision), cut, clock)
    assert clock.looks == CHUNK + 3
    kept = open_cache(tmp_path / "cache", vision)
    assert len(kept) == CHUNK
    whole = measure(photos, vision, kept, clock=clock)
    assert clock.looks == CHUNK + 3 + 6
    assert np.array_equal(whole.vectors[-8:], measure(photos[-8:], vision).vectors)


def test_a_damaged_file_of_the_cache_is_counted_and_not_used(tmp_path: Path, vision: Vision) -> None:
    photos = _few(tmp_path / "faces")
    fresh = measure(photos, vision, open_cache(tmp_path / "cache", vision))
    (rows,) = (tmp_path / "cache" / key_of(vision)).glob("*.rows")
    rows.write_bytes(rows.read_bytes()[:-10])
    kept = open_cache(tmp_path / "cache", vision)
    assert (kept.damaged, len(kept)) == (1, 0)
    assert np.array_equal(measure(photos, vision, kept).vectors, fresh.vectors)


def test_templates_on_disk_are_their_owners_alone(tmp_path: Path, vision: Vision) -> None:
    measure(_few(tmp_path / "faces"), vision, open_cache(tmp_path / "cache", vision))
    own = tmp_path / "cache" / key_of(vision)
    (rows,) = own.glob("*.rows")
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "cache", own, rows)] == [0o700, 0o700, 0o600]


def test_another_model_or_runner_finds_none_of_it(tmp_path: Path, vision: Vision) -> None:
    measure(_few(tmp_path / "faces"), vision, open_cache(tmp_path / "cache", vision))
    assert len(open_cache(tmp_path / "cache", vision)) == 4
    assert len(open_cache(tmp_path / "cache", replace(vision, digest="0" * 64))) == 0
    assert len(open_cache(tmp_path / "cache", replace(vision, runner="another"))) == 0


def test_broken_pictures_and_pictures_without_a_face_are_told_also_from_the_cache(
    tmp_path: Path, vision: Vision
) -> None:
    draw(tmp_path / "faces", "Ann", "Ann", 1)
    (tmp_path / "faces/Ann/broken.jpg").write_bytes(b"no picture")
    (tmp_path / "faces/Ann/lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "faces/Ann/lost_too.jpg").symlink_to(tmp_path / "nowhere.jpg")
    cut = draw(tmp_path / "faces", "Bea", "Bea", 1)
    cut.write_bytes(cut.read_bytes()[:300])
    Image.fromarray(np.full((120, 120, 3), 110, np.uint8)).save(tmp_path / "faces/Bea/grey.png")
    for _ in range(2):
        seen = measure(_photos(tmp_path / "faces"), vision, open_cache(tmp_path / "cache", vision))
        assert [photo.name for photo in seen.photos] == ["Ann/Ann_0001.png"]
        assert [(fault.kind, fault.where) for fault in seen.faults] == [
            (Kind.BROKEN, "Ann/broken.jpg"),
            (Kind.BROKEN, "Ann/lost.jpg"),
            (Kind.BROKEN, "Ann/lost_too.jpg"),
            (Kind.BROKEN, "Bea/Bea_0001.png"),
            (Kind.NO_FACE, "Bea/grey.png"),
        ]
        assert "lost.jpg" in seen.faults[1].words
        assert "lost_too.jpg" in seen.faults[2].words


def test_a_cache_that_cannot_be_used_is_refused_by_name(tmp_path: Path, vision: Vision) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EvaluationError, match=r"file.*: cannot be used as a cache"):
        open_cache(tmp_path / "file", vision)


def test_an_empty_cache_is_a_cache() -> None:
    assert len(Cache(None)) == 0
