"""What a pre-filter is worth, reckoned from looks at every frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from board.camera import Frame
from board.picture import ArrayPicture, Pixels
from firmware.bench.prefilter import Look, Worth, _tracks_seen, judge, main, measure, record, table_of
from firmware.demo_files import DemoFiles
from firmware.match.finder import Finder
from models.faces import F32, Faces
from models.vision import Vision
from tests.film import drawn_walk, empty_street

STEP_NS = 40_000_000
FACE = Faces(np.array([[10, 10, 60, 60]], np.float32), np.zeros((1, 5, 2), np.float32), np.ones(1, np.float32))


def looks(*scenes: tuple[bool, bool]) -> list[Look]:
    """Frames 40 ms apart: whether the detector finds a face, and whether the pre-filter does. 3 ms and 1 ms each."""
    return [
        Look(number * STEP_NS, FACE if face else Faces.none(), 0.003, np.zeros((int(noticed), 4), np.float32), 0.001)
        for number, (face, noticed) in enumerate(scenes)
    ]


EMPTY, SEEN, MISSED, GHOST = (False, False), (True, True), (True, False), (False, True)


def test_an_empty_street_saves_four_looks_of_five_less_four_of_the_prefilter() -> None:
    worth = judge("street", "small", looks(*[EMPTY] * 10))
    assert (worth.frames, worth.with_faces, worth.skipped, worth.asked) == (10, 0, 8, 8)
    assert (worth.detector_s, worth.spared_s, worth.prefilter_s) == pytest.approx((0.030, 0.024, 0.008))
    assert worth.saved == pytest.approx(16 / 30)
    assert (worth.faces, worth.missed, worth.tracks, worth.longest_miss_s) == (0, 0, 0, 0)


def test_a_full_street_costs_one_look() -> None:
    worth = judge("street", "small", looks(*[SEEN] * 50))
    assert (worth.skipped, worth.asked, worth.missed) == (0, 1, 0)
    assert worth.saved == pytest.approx(-1 / 150)


def test_noise_costs_and_spares_nothing() -> None:
    worth = judge("street", "small", looks(*[GHOST] * 10))
    assert (worth.skipped, worth.asked) == (0, 10)
    assert worth.saved == pytest.approx(-1 / 3)


def test_a_miss_is_counted_until_the_next_look() -> None:
    worth = judge("street", "small", looks(EMPTY, *[MISSED] * 20))
    assert (worth.skipped, worth.faces, worth.missed) == (4, 20, 3)
    assert (worth.tracks, worth.tracks_missed) == (1, 0)
    assert worth.longest_miss_s == pytest.approx(3 * 0.04)


def test_who_came_and_went_between_two_looks_is_a_missed_track() -> None:
    worth = judge("street", "small", looks(EMPTY, MISSED, MISSED, EMPTY, EMPTY, EMPTY))
    assert (worth.missed, worth.tracks, worth.tracks_missed) == (2, 1, 1)
    assert worth.longest_miss_s == pytest.approx(3 * 0.04)


@pytest.mark.parametrize(("looked", "seen"), [([True, False], True), ([False, True], True), ([False, False], False)])
def test_one_look_at_a_track_is_a_look(looked: list[bool], seen: bool) -> None:  # noqa: FBT001
    assert _tracks_seen(looks(SEEN, SEEN), looked) == {1: seen}


@dataclass
class Sized:
    """A pre-filter that only keeps for which size it was opened and how often it was asked."""

    name: str = "sized"
    opened: list[tuple[int, int]] = field(default_factory=list)
    asked: int = 0

    def open(self, picture_hw: tuple[int, int]) -> Sized:
        self.opened.append(picture_hw)
        return self

    def boxes(self, image: Pixels) -> F32:
        self.asked += 1
        return np.zeros((int(image.max() > 200), 4), np.float32)


def test_every_frame_is_looked_at_by_both_after_one_to_be_warm(vision: Vision) -> None:
    sized = Sized()
    pictures = [empty_street(), *drawn_walk(2)]
    frames = [Frame("bench", n, n * STEP_NS, ArrayPicture(picture)) for n, picture in enumerate(pictures)]
    clock = iter([0.0, 1.0, 4.0, 10.0, 11.0, 14.0, 20.0, 21.0, 24.0])
    found = record(frames, Finder(vision), sized.open, lambda: next(clock))
    assert [(len(look.faces), len(look.boxes), look.t_ns) for look in found] == [
        (0, 0, 0), (1, 1, STEP_NS), (1, 1, 2 * STEP_NS)
    ]  # fmt: skip
    assert (sized.opened, sized.asked) == ([(360, 640)], 4)
    assert [(look.prefilter_s, look.detector_s) for look in found] == [(1.0, 3.0)] * 3


def test_cyclists_on_a_real_street_are_all_seen_though_empty_frames_are_spared(demo_files: DemoFiles) -> None:
    (worth,) = measure({"cyclists": demo_files.passers_by}, [(160, 96)])
    assert worth.frames == 250
    assert worth.skipped > (worth.frames - worth.with_faces) * 0.3
    assert worth.tracks_missed == 0
    assert worth.longest_miss_s < 0.25


def test_the_table_has_a_row_a_video() -> None:
    worths = [judge("street", "small", looks(*[EMPTY] * 10)), judge("crowd", "small", looks(*[SEEN] * 300))]
    out = StringIO()
    Console(file=out, width=200).print(table_of(worths))
    rows = [line for line in out.getvalue().splitlines() if "small" in line]
    assert [row.split("│")[1].strip() for row in rows] == ["street", "crowd"]
    assert ["80%" in rows[0], "53%" in rows[0], "-0%" in rows[1]] == [True, True, False]


def test_a_video_in_which_it_was_never_asked_has_no_cost() -> None:
    worth = Worth(
        video="v", prefilter="p", frames=1, with_faces=1, skipped=0, asked=0, faces=1, missed=0, tracks=1,
        tracks_missed=0, longest_miss_s=0, detector_s=1, prefilter_s=0, spared_s=0,
    )  # fmt: skip
    assert table_of([worth]).row_count == 1


def test_a_missing_folder_of_faces_ends_the_process_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faces", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert "nowhere" in capsys.readouterr().err
