"""The enrolment gate: each refusal and warning names the figure and the limit; what is fit becomes an entry."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from firmware.fleet.lists.build import ListError
from firmware.fleet.lists.checks import BY_NAME, CHECKS, Check, judge
from firmware.match.pipeline import PipelineSettings
from firmware.match.selection import SelectionSettings
from models.calibration import CalibrationError
from models.vision import Vision
from tests.film import drawn_face, empty_street
from tests.fleet.lists.stage import RATIONALE, Desk, build, findings
from tests.models.made_calibration import made_file


def street_with(*faces: tuple[Image.Image, tuple[int, int]]) -> Image.Image:
    picture = Image.fromarray(empty_street())
    for face, corner in faces:
        picture.paste(face, corner)
    return picture


def small(width: int) -> Image.Image:
    face = drawn_face("pale")
    return face.resize((width, round(width * face.height / face.width)), Image.Resampling.LANCZOS)


def clipped(black: int, white: int) -> Image.Image:
    """What lies beyond two levels is lost, as on a sensor."""
    levels = (np.asarray(drawn_face("pale")).astype(float) - black) / (white - black)
    return Image.fromarray((levels.clip(0, 1) * 255).astype(np.uint8))


def test_fit_portraits_are_entries_without_a_word(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    kept = build(desk.job(tmp_path / "out"), vision).records
    assert [entry.ref for entry in kept.entries] == ["pale", "dark"]
    assert kept.refused == ()
    assert [finding for entry in kept.entries for finding in entry.findings if finding.refused] == []


@pytest.mark.parametrize(
    ("picture", "check", "words"),
    [
        pytest.param(Image.fromarray(empty_street()), "face-found", r"no face found", id="no face"),
        pytest.param(
            street_with((drawn_face("pale"), (30, 30)), (drawn_face("pale"), (350, 30))),
            "single-face-present",
            r"a second face, as prominent as \d+%, at most 60%",
            id="two faces",
        ),
        pytest.param(
            street_with((small(70), (290, 140))),
            "inter-eye-distance",
            r"small: px between the eyes 1\d\.\d, at least 20\.0",
            id="small",
        ),
        pytest.param(
            drawn_face("pale").filter(ImageFilter.GaussianBlur(7)),
            "sharpness",
            r"blurred: sharpness 0\.\d\d, at least 0\.25",
            id="blurred",
        ),
        pytest.param(
            clipped(0, 120), "over-exposure", r"over-exposed: share of white pixels \d+%, at most 30%", id="white"
        ),
        pytest.param(
            ImageEnhance.Contrast(drawn_face("pale")).enhance(0.12),
            "dynamic-range",
            r"flat: contrast 0\.0\d, at least 0\.03",
            id="flat",
        ),
    ],
)
def test_an_unfit_portrait_is_refused_with_figure_and_limit(
    desk: Desk, vision: Vision, tmp_path: Path, picture: Image.Image, check: str, words: str
) -> None:
    desk.add("new", picture)
    parcel = build(desk.job(tmp_path / "out"), vision)
    assert [entry.ref for entry in parcel.records.entries] == ["pale", "dark"]
    finding = findings(parcel, "new")[check]
    assert finding.refused
    assert re.fullmatch(words, finding.words)


def test_a_damaged_file_is_refused(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    desk.add("new", drawn_face("pale"))
    (desk.folder / "new.png").write_bytes((desk.folder / "new.png").read_bytes()[:2000])
    finding = findings(build(desk.job(tmp_path / "out"), vision), "new")["readable"]
    assert finding.refused
    assert finding.words.startswith("cannot be read as a picture: ")


@pytest.mark.parametrize(
    ("changes", "words", "refused"),
    [
        ({"image_date": "2020-12-01"}, "old: years since the image 6.0, at most 5.0", False),
        ({"image_date": "2010-12-01"}, "old: years since the image 16.0, at most 15.0", True),
        (
            {"image_date": "2024-12-01", "minor": "yes", "minor_rationale": RATIONALE},
            "old for an entry under 18: years since the image 2.0, at most 1.0",
            False,
        ),
        (
            {"image_date": "2022-12-01", "minor": "yes", "minor_rationale": RATIONALE},
            "old for an entry under 18: years since the image 4.0, at most 3.0",
            True,
        ),
    ],
)
def test_an_old_image_is_warned_of_and_a_very_old_one_refused(
    desk: Desk, vision: Vision, tmp_path: Path, *, changes: dict[str, str], words: str, refused: bool
) -> None:
    desk.rows[0].update(changes)
    desk.write()
    found = findings(build(desk.job(tmp_path / "out"), vision), "pale")
    told = {name: finding for name, finding in found.items() if name.startswith("image-age")}
    assert [(finding.words, finding.refused) for finding in told.values()] == [(words, refused)]


def test_a_copy_under_another_reference_is_refused_and_the_first_stays(
    desk: Desk, vision: Vision, tmp_path: Path
) -> None:
    desk.add("again", drawn_face("pale").resize((300, 375)))
    parcel = build(desk.job(tmp_path / "out"), vision)
    assert [entry.ref for entry in parcel.records.entries] == ["pale", "dark"]
    finding = findings(parcel, "again")["near-duplicate"]
    assert re.fullmatch(
        r"the same picture as another entry: similarity (0\.9\d|1\.00) \(pale\), at most 0\.95", finding.words
    )


def test_a_look_alike_stays_and_both_are_warned_of(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    face = np.asarray(drawn_face("pale")).copy()
    face[160:] = face[160:] // 3
    desk.add("alike", Image.fromarray(face))
    parcel = build(desk.job(tmp_path / "out"), vision)
    assert [entry.ref for entry in parcel.records.entries] == ["pale", "dark", "alike"]
    (pair,) = (pair for pair in parcel.records.look_alikes if {pair.first, pair.second} == {"pale", "alike"})
    assert 0.46 <= pair.similarity < 0.95
    assert "(alike), at most 0.46" in findings(parcel, "pale")["look-alike"].words
    assert "(pale), at most 0.46" in findings(parcel, "alike")["look-alike"].words


def test_more_entries_than_allowed_are_refused(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    with pytest.raises(ListError, match=r"^2 entries, at most 1 are allowed \(max_faces\)$"):
        build(desk.job(tmp_path / "out", max_faces=1), vision)
    assert not (tmp_path / "out").exists()


def test_more_entries_than_the_calibration_bears_are_refused(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    desk.calibration = made_file(PipelineSettings().use(vision), {0.46: 49})
    with pytest.raises(ListError, match=r"^2 entries, held to what 50 need, the calibration bears 49 at the most$"):
        build(desk.job(tmp_path / "out"), vision)
    desk.calibration = made_file(PipelineSettings().use(vision), {0.46: 49, 0.52: 50})
    assert build(desk.job(tmp_path / "out"), vision).records.threshold == 0.52, "a short list is used as one of 50"


@pytest.mark.parametrize("other", ["model", "space", "rule"])
def test_a_list_is_not_made_by_a_calibration_of_something_else(
    desk: Desk, vision: Vision, tmp_path: Path, other: str
) -> None:
    desk.calibration = made_file(replace(PipelineSettings().use(vision), **{other: "ab" * 32}))
    with pytest.raises(CalibrationError, match="abababababababab, here is"):
        build(desk.job(tmp_path / "out"), vision)
    assert not (tmp_path / "out").exists()


def test_a_list_of_nobody_says_why_of_the_first(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    for row in desk.rows:
        Image.fromarray(empty_street()).save(desk.folder / row["file"])
    with pytest.raises(ListError, match=r"^none of 2 portraits is fit; pale\.png: no face found$"):
        build(desk.job(tmp_path / "out"), vision)


@pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
def test_each_limit_of_the_table_holds_at_its_own_side(check: Check) -> None:
    row = BY_NAME[check.name]
    step = -1e-3 if row.side == "least" else 1e-3
    limits = [(limit, refused) for limit, refused in ((row.warn, False), (row.refuse, True)) if limit is not None]
    assert [judge({row.name: limit + step})[0].refused for limit, _ in limits] == [refused for _, refused in limits]
    assert judge({row.name: limits[0][0]}) == ()
    assert judge({row.name: float("nan")})[0].refused == limits[-1][1]


def test_a_portrait_that_the_van_would_not_choose_as_a_shot_is_shown_to_the_reviewer(
    desk: Desk, vision: Vision, tmp_path: Path
) -> None:
    assert BY_NAME["unified-quality"].warn == SelectionSettings().min_quality
    desk.add("new", small(76))
    finding = findings(build(desk.job(tmp_path / "out"), vision), "new")["unified-quality"]
    assert re.fullmatch(r"a shot that the van would not choose: quality 0\.3\d, at least 0\.40", finding.words)
    assert not finding.refused


def test_a_portrait_of_which_the_network_sees_little_is_refused_only_where_the_van_would_not_use_it_either() -> None:
    assert BY_NAME["face-fullness"].refuse == PipelineSettings().min_fullness
    (shown,), (refused,) = judge({"face-fullness": 0.9}), judge({"face-fullness": 0.6})
    assert (shown.refused, refused.refused) == (False, True)
    assert shown.words == "hidden or turned: share of a face that the network saw 0.90, at least 0.95"


def test_a_covered_face_is_seen_to_be_covered(desk: Desk, vision: Vision, tmp_path: Path) -> None:
    covered = drawn_face("pale")
    width, height = covered.size
    covered.paste((90, 90, 90), (0, height // 2, width, height))
    desk.add("covered", covered)
    desk.add("whole", drawn_face("pale"))
    made = build(desk.job(tmp_path / "out"), vision)
    assert "face-fullness" not in findings(made, "whole")
    assert "face-fullness" in findings(made, "covered")
