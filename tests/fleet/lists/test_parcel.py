"""What is laid down: a list that only its own key opens, records without pictures, and a build that survives a kill."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pyrage
import pytest
from PIL import Image

from firmware.control.keys import load_reading_keys
from firmware.fleet.lists.cache import FILE, Cache, forget
from firmware.fleet.lists.job import forget_looks, run
from firmware.fleet.lists.looks import PORTRAIT_BYTES, Look
from firmware.fleet.lists.parcel import Parcel
from firmware.fleet.lists.private import PrivateError
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision
from ota.bundle import Bundle, unpack
from ota.content import Custom
from tests.film import drawn_face
from tests.fleet.lists.stage import START, Desk, a_custom, build
from tests.source import ROOT


def opened(parcel: Parcel) -> Bundle:
    return unpack(pyrage.decrypt(parcel.content.read_bytes(), list(load_reading_keys([parcel.key]))))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_list_holds_its_entries_templates_and_small_portraits(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    bundle = opened(build(desk.job(tmp_path / "out"), vision))
    assert [(entry.ref, entry.not_after - START) for entry in bundle.head.entries] == [
        ("pale", 12 * 3600),
        ("dark", 12 * 3600),
    ]
    assert (bundle.head.space, bundle.head.vans, bundle.head.counter) == (vision.embedder.space, a_custom().vans, 3)
    assert bundle.templates.shape == (2, vision.embedder.dimension)
    for portrait in bundle.portraits:
        with Image.open(io.BytesIO(portrait)) as picture:
            assert (picture.format, picture.size, dict(picture.getexif())) == ("JPEG", (128, 128), {})
        assert 1_000 < len(portrait) <= PORTRAIT_BYTES


def test_a_portrait_looks_like_its_list_and_keeps_nothing_of_its_camera(
    desk: Desk, vision: Vision, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera that tells where it was"
    drawn_face("pale").save(desk.folder / "pale.png", exif=exif)
    bundle = opened(build(desk.job(tmp_path / "out"), vision))
    assert b"a camera" not in bundle.portraits[0]
    with Image.open(io.BytesIO(bundle.portraits[0])) as picture:
        faces = vision.detector.detect(np.asarray(picture.convert("RGB")))
    assert len(faces) == 1
    assert 50 < faces.boxes[0, 2] - faces.boxes[0, 0] < 110


def test_everything_is_readable_by_its_owner_only(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    parcel = build(desk.job(tmp_path / "out", tmp_path / "cache"), vision)
    files = [*(tmp_path / "out").iterdir(), *(tmp_path / "cache").iterdir()]
    assert {path.suffix for path in files} >= {".age", ".key", ".json", ".sqlite"}
    assert {mode(path) for path in files} == {0o600}
    assert mode(parcel.content.parent) == mode(tmp_path / "cache") == 0o700


def test_the_records_bind_the_list_and_hold_no_key_template_or_picture(
    desk: Desk, vision: Vision, tmp_path: Path
) -> None:
    parcel = build(desk.job(tmp_path / "out"), vision)
    kept, text = parcel.records, parcel.manifest.read_text("utf-8")
    assert kept.list_sha256 == hashlib.sha256(parcel.content.read_bytes()).hexdigest()
    assert kept.entries[0].file_sha256 == hashlib.sha256((desk.folder / "pale.png").read_bytes()).hexdigest()
    assert (kept.model, kept.space, kept.cohort) == (vision.digest, vision.embedder.space, None)
    assert json.loads(text)["cohort"] is None
    assert msgspec.json.decode(parcel.custom.read_bytes(), type=Custom) == kept.custom
    assert "AGE-SECRET-KEY" not in text
    assert max(map(len, text.split('"'))) < 100, "nothing as long as a template or a picture"


def test_rounding_moves_no_similarity_by_more_than_the_records_say(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    parcel = build(desk.job(tmp_path / "out"), vision)
    half = opened(parcel).templates.astype(np.float32)
    assert 0 < parcel.records.rounding.most < 5e-4
    assert parcel.records.rounding.comparisons == 4
    assert abs(float(half[0] @ half[0]) - 1) < 4 * parcel.records.rounding.most


def test_a_list_is_never_overwritten(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    parcel = build(desk.job(tmp_path / "out"), vision)
    before = parcel.content.read_bytes()
    with pytest.raises(PrivateError, match="holds a list already; nothing is overwritten"):
        build(desk.job(tmp_path / "out"), vision)
    assert parcel.content.read_bytes() == before
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_two_builds_have_two_keys_and_one_content(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    one, other = build(desk.job(tmp_path / "one"), vision), build(desk.job(tmp_path / "other"), vision)
    assert one.records.content_sha256 == other.records.content_sha256
    assert one.key.read_text() != other.key.read_text()
    assert one.content.name != other.content.name


def test_a_killed_build_goes_on_and_makes_the_same_list(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    face = drawn_face("pale")
    for number in range(80):
        desk.add(f"n{number}", face.crop((number % 9, number // 9, 240 - number % 7, 300)))
    undisturbed = build(desk.job(tmp_path / "one"), vision)
    words = [str(desk.folder), str(tmp_path / "other"), str(tmp_path / "cache"), "70"]
    died = subprocess.run([sys.executable, "-m", "tests.fleet.lists.stage", *words], cwd=ROOT, check=False)
    assert died.returncode == -9
    assert not (tmp_path / "other").exists()
    done: list[int] = []
    with sqlite3.connect(tmp_path / "cache" / FILE) as db:
        kept = [row[0] for row in db.execute("SELECT file FROM looks")]
    assert 64 <= len(kept) < 82
    resumed = run(
        desk.job(tmp_path / "other", tmp_path / "cache"),
        [vision, open_vision(OpenVinoBackend())],
        lambda what, at, of: done.append(at),
    )
    assert done[-1] == 82
    assert resumed.records.content_sha256 == undisturbed.records.content_sha256
    assert resumed.records.entries == undisturbed.records.entries


def test_what_was_looked_at_is_not_looked_at_again(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    first = build(desk.job(tmp_path / "one", tmp_path / "cache"), vision)
    with sqlite3.connect(tmp_path / "cache" / FILE) as db:
        db.execute(
            "UPDATE looks SET look = (SELECT look FROM looks WHERE file = ?)", (first.records.entries[0].file_sha256,)
        )
    again = build(desk.job(tmp_path / "two", tmp_path / "cache"), vision)
    assert [entry.ref for entry in again.records.entries] == ["pale"], "the kept look of the other was taken"


def test_looks_of_other_networks_or_another_file_are_not_taken(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", "one")
    cache.put("file", Look("file", {}, b"\0\0\0\0"))
    assert cache.get("file", Look) is not None
    assert cache.get("other", Look) is None
    cache.close()
    other = Cache(tmp_path / "cache", "two")
    assert other.get("file", Look) is None
    other.close()
    with sqlite3.connect(tmp_path / "cache" / FILE) as db:
        assert db.execute("SELECT count(*) FROM looks").fetchone() == (0,)


def test_a_forgotten_cache_is_gone(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    job = desk.job(tmp_path / "out", tmp_path / "cache")
    build(job, vision)
    assert forget_looks(job)
    assert list((tmp_path / "cache").iterdir()) == []
    assert not forget(tmp_path / "cache")


def test_a_cache_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    (tmp_path / "cache").chmod(0o755)
    with pytest.raises(PrivateError, match=r"cache: mode 0755 lets others read it; at most 0700 is allowed"):
        Cache(tmp_path / "cache", "one")


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache" / FILE).write_bytes(b"not a database" * 100)
    (tmp_path / "cache" / FILE).chmod(0o600)
    with pytest.raises(PrivateError, match=r"file is not a database; forget it and build anew"):
        Cache(tmp_path / "cache", "one")
