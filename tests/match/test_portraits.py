"""A folder becomes a list; an unfit portrait is refused by name, with the figure and the limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from firmware.match.portraits import MIN_FACE_PX, enrol
from firmware.match.watchlist import Watchlist, WatchlistError
from models.portrait import MAX_MEGAPIXELS, UnfitPortraitError, read
from models.vision import Vision
from tests.film import drawn_face, empty_street

Enrol = Callable[[], tuple[Watchlist, dict[str, str]]]


@pytest.fixture
def enrolled(portraits: Path, vision: Vision) -> Enrol:
    """The list of the folder, and each refused file's reason."""

    def run() -> tuple[Watchlist, dict[str, str]]:
        enrolment = enrol(portraits, vision)
        return enrolment.watchlist, {refusal.file: refusal.reason for refusal in enrolment.refusals}

    return run


def refs(watchlist: Watchlist) -> list[str]:
    return [entry.ref for entry in watchlist.entries]


def street_with(*faces: tuple[Image.Image, tuple[int, int]]) -> Image.Image:
    picture = Image.fromarray(empty_street())
    for face, corner in faces:
        picture.paste(face, corner)
    return picture


def small(width: int) -> Image.Image:
    face = drawn_face("pale")
    return face.resize((width, round(width * face.height / face.width)), Image.Resampling.LANCZOS)


def test_file_stems_become_entries(enrolled: Enrol) -> None:
    watchlist, refused = enrolled()
    assert refs(watchlist) == ["dark", "pale"]
    assert refused == {}


def test_every_format_and_spelling_is_read(portraits: Path, enrolled: Enrol) -> None:
    (portraits / "pale.png").unlink()
    drawn_face("pale").convert("L").save(portraits / "pale.JPEG", quality=95)
    (portraits / "dark.png").unlink()
    drawn_face("dark").convert("RGBA").save(portraits / "dark.WebP", lossless=True)
    assert refs(enrolled()[0]) == ["dark", "pale"]


def test_the_same_folder_makes_the_same_list(enrolled: Enrol) -> None:
    assert enrolled()[0].digest == enrolled()[0].digest


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        pytest.param(Image.fromarray(empty_street()), r"no face found", id="no face"),
        pytest.param(
            street_with((drawn_face("pale"), (30, 30)), (drawn_face("pale"), (350, 30))),
            r"two faces: the second is \d+% as prominent as the first, limit 60%",
            id="two faces",
        ),
        pytest.param(
            street_with((small(60), (290, 140))),
            rf"tiny: face \d+ px wide, at least {MIN_FACE_PX:.0f} px are required",
            id="tiny",
        ),
        pytest.param(
            drawn_face("pale").filter(ImageFilter.GaussianBlur(7)),
            r"blurred: sharpness 0\.\d+, at least 0\.\d+ is required",
            id="blurred",
        ),
    ],
)
def test_an_unfit_portrait_is_refused(portraits: Path, enrolled: Enrol, picture: Image.Image, reason: str) -> None:
    picture.save(portraits / "new.png")
    watchlist, refused = enrolled()
    assert refs(watchlist) == ["dark", "pale"]
    assert list(refused) == ["new.png"]
    assert re.fullmatch(reason, refused["new.png"])


def test_a_bystander_in_the_background_does_no_harm(portraits: Path, enrolled: Enrol) -> None:
    (portraits / "pale.png").unlink()
    street_with((drawn_face("pale"), (200, 30)), (small(80), (0, 0))).save(portraits / "pale.png")
    assert refs(enrolled()[0]) == ["dark", "pale"]


def test_a_second_file_of_one_name_is_refused(portraits: Path, enrolled: Enrol) -> None:
    drawn_face("pale").save(portraits / "pale.bmp")
    watchlist, refused = enrolled()
    assert refs(watchlist) == ["dark", "pale"]
    assert refused == {"pale.png": "duplicate: another file is called pale"}


def test_a_second_copy_of_one_picture_is_refused(portraits: Path, enrolled: Enrol) -> None:
    drawn_face("pale").save(portraits / "zoe.jpg", quality=80)
    watchlist, refused = enrolled()
    assert refs(watchlist) == ["dark", "pale"]
    assert re.fullmatch(r"duplicate of pale: similarity (0\.9\d|1\.00), limit 0\.95", refused["zoe.jpg"])


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
def test_a_truncated_picture_is_refused(portraits: Path, enrolled: Enrol, suffix: str) -> None:
    whole = portraits / f"new.{suffix}"
    drawn_face("pale").save(whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    watchlist, refused = enrolled()
    assert refs(watchlist) == ["dark", "pale"]
    assert refused[f"new.{suffix}"].startswith("cannot be read as a picture: ")


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"these are notes", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_what_is_no_picture_is_refused(portraits: Path, enrolled: Enrol, content: bytes) -> None:
    (portraits / "new.jpg").write_bytes(content)
    watchlist, refused = enrolled()
    assert refs(watchlist) == ["dark", "pale"]
    assert refused["new.jpg"].startswith("cannot be read as a picture: ")


def test_a_folder_that_is_called_like_a_picture_is_refused(portraits: Path, enrolled: Enrol) -> None:
    (portraits / "new.jpg").mkdir()
    assert list(enrolled()[1]) == ["new.jpg"]


def test_another_format_behind_a_pictures_name_is_not_opened(portraits: Path, enrolled: Enrol) -> None:
    drawn_face("pale").save(portraits / "new.gif")
    (portraits / "new.gif").rename(portraits / "new.png")
    assert list(enrolled()[1]) == ["new.png"]


@pytest.mark.parametrize(
    ("side_px", "reason"),
    [
        pytest.param(6_000, rf"huge: 36.0 megapixels, at most {MAX_MEGAPIXELS:.0f} are read", id="large"),
        pytest.param(20_000, r"cannot be read as a picture: .*\(400000000 pixels\) exceeds limit of \d+ .*", id="bomb"),
    ],
)
def test_a_small_file_that_would_unpack_to_a_huge_picture_is_refused(
    portraits: Path, enrolled: Enrol, side_px: int, reason: str
) -> None:
    Image.new("1", (side_px, side_px)).save(portraits / "new.png")
    assert (portraits / "new.png").stat().st_size < 100_000
    assert re.fullmatch(reason, enrolled()[1]["new.png"])


def test_other_files_are_left_alone(portraits: Path, enrolled: Enrol) -> None:
    for name in ("notes.txt", "list.csv", ".DS_Store", "pale.png.part", "README"):
        (portraits / name).write_text("not a portrait")
    (portraits / "older").mkdir()
    watchlist, refused = enrolled()
    assert refs(watchlist) == ["dark", "pale"]
    assert refused == {}


def test_a_portrait_that_a_phone_stored_lying_down_is_the_same_entry(portraits: Path, enrolled: Enrol) -> None:
    upright = enrolled()[0]._matrix.copy()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned a quarter to the right
    lying = drawn_face("pale").transpose(Image.Transpose.ROTATE_90)
    lying.save(portraits / "pale.png", exif=exif)
    watchlist, refused = enrolled()
    assert refused == {}
    assert float(watchlist._matrix[1] @ upright[1]) > 0.95


def test_an_empty_folder_is_no_list(portraits: Path, enrolled: Enrol) -> None:
    for path in portraits.iterdir():
        path.unlink()
    with pytest.raises(WatchlistError, match=r"portraits: none of 0 portraits is fit$"):
        enrolled()


def test_a_missing_folder_is_named(tmp_path: Path, vision: Vision) -> None:
    with pytest.raises(WatchlistError, match=r"nowhere: no such folder of portraits"):
        enrol(tmp_path / "nowhere", vision)


def test_a_folder_without_a_fit_portrait_says_why_of_the_first(portraits: Path, enrolled: Enrol) -> None:
    for path in portraits.iterdir():
        path.write_bytes(b"")
    with pytest.raises(WatchlistError, match=r"none of 2 portraits is fit; dark\.png: cannot be read as a picture"):
        enrolled()


def test_progress_is_told_to_the_end(portraits: Path, vision: Vision) -> None:
    told: list[tuple[int, int]] = []
    enrol(portraits, vision, lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "picture.png"


@pytest.mark.parametrize("suffix", ["JPEG", "PNG", "BMP", "WEBP"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_a_picture_or_a_refusal_and_never_a_crash(
    damaged: Path, suffix: str, data: st.DataObject
) -> None:
    small(40).save(damaged, suffix)
    content = bytearray(damaged.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    damaged.write_bytes(content)
    assert reading(damaged).startswith(("a picture of ", "cannot be read as a picture: ", "huge: "))


def reading(path: Path) -> str:
    try:
        return f"a picture of {read(path.read_bytes()).shape}"
    except UnfitPortraitError as error:
        return str(error)
