"""How events read: whether there is still time to act, and pictures in a terminal."""

from __future__ import annotations

import io
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from firmware.control.show import match_line, save_crop, use_by
from firmware.control.sixel import MAX_SIDE_PX, SIDE_PX, NoPicture, sixels
from tests.control.van import a_match

DECIDED = datetime(2026, 3, 1, 12, tzinfo=timezone.utc).timestamp()


def a_jpeg(size: tuple[int, int] = (40, 40)) -> bytes:
    """Left half red, right half blue."""
    picture = Image.new("RGB", size, (255, 0, 0))
    picture.paste((0, 0, 255), (size[0] // 2, 0, size[0], size[1]))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    return out.getvalue()


@pytest.mark.parametrize(
    ("changes", "after_s", "words"),
    [
        ({}, 17.0, "expires in 43 s"),
        ({}, 60.0, "EXPIRED: do not act"),
        ({"clock_trusted": False}, 17.0, "expires in 43 s by a clock not trusted"),
        ({}, -10.0, "CLOCKS DISAGREE: do not act"),
        ({"expires_at": "soon"}, 0.0, "EXPIRY NOT READABLE: do not act"),
        ({"expires_at": ""}, 0.0, "EXPIRY NOT READABLE: do not act"),
        ({"expires_at": "2026-03-01T12:01:00"}, 17.0, "expires in 43 s"),
    ],
)
def test_an_event_may_be_acted_on_for_a_minute_and_not_in_doubt(
    changes: dict[str, Any], after_s: float, words: str
) -> None:
    assert use_by(a_match(**changes), DECIDED + after_s) == words


def test_the_line_proposes_and_gives_its_evidence() -> None:
    text = match_line(a_match(), DECIDED)
    assert text.startswith("possible match  entry entry-31 (court-order)  similarity 0.710  threshold 0.550  expires")
    assert "camera front  observations 3" in text


def test_the_line_says_when_the_entry_is_a_childs() -> None:
    assert "A CHILD" not in match_line(a_match(), DECIDED)
    assert "entry entry-31 (court-order, A CHILD)" in match_line(a_match(minor=True), DECIDED)


def test_the_entrys_portrait_is_saved_beside_the_crop(tmp_path: Path) -> None:
    crop = save_crop(a_match(id="event-1", portrait=b"the entry's"), tmp_path / "crops")
    assert crop.with_name(f"{crop.stem}-entry.jpg").read_bytes() == b"the entry's"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "crops").iterdir()} == {0o600}


def test_no_word_of_a_van_becomes_a_path(tmp_path: Path) -> None:
    path = save_crop(a_match(id="../../etc/passwd"), tmp_path / "crops")
    assert path.parent == tmp_path / "crops"
    assert path.read_bytes() == a_match().crop_jpeg


def drawn(text: str) -> list[list[tuple[int, int, int]]]:
    """What a terminal draws: an independent reader of the format. Colours in percent."""
    head = re.fullmatch(r'\x1bPq"1;1;(\d+);(\d+)(.*)\x1b\\', text, re.DOTALL)
    assert head is not None
    width, height, body = int(head[1]), int(head[2]), head[3]
    palette: dict[int, tuple[int, int, int]] = {}
    pixels = [[(-1, -1, -1)] * width for _ in range(height + 6)]
    x = top = colour = 0
    for define, select, drawing, move in re.findall(r"#(\d+;2;\d+;\d+;\d+)|#(\d+)|([?-~])|([$-])", body):
        if define:
            index, _, red, green, blue = (int(part) for part in define.split(";"))
            palette[index] = (red, green, blue)
        colour = int(select) if select else colour
        x = 0 if move else x
        top += 6 if move == "-" else 0
        if drawing:
            for row in range(6):
                if (ord(drawing) - 63) >> row & 1:
                    pixels[top + row][x] = palette[colour]
            x += 1
    return pixels[:height]


def unrolled(text: str) -> str:
    return re.sub(r"!(\d+)(.)", lambda run: run[2] * int(run[1]), text)


def test_a_crop_is_drawn_as_it_is() -> None:
    pixels = drawn(unrolled(sixels(a_jpeg())))
    assert (len(pixels), len(pixels[0])) == (40, 40)
    for row in (pixels[0], pixels[39]):
        assert [round(part, -2) for part in row[2]] == [100, 0, 0]
        assert [round(part, -2) for part in row[37]] == [0, 0, 100]


def test_a_large_crop_is_drawn_small() -> None:
    pixels = drawn(unrolled(sixels(a_jpeg((1000, 500)))))
    assert (len(pixels), len(pixels[0])) == (SIDE_PX // 2, SIDE_PX)


@pytest.mark.parametrize("rubbish", [b"", b"\xff\xd8\xff", b"GIF89a", a_jpeg()[:200], a_jpeg((MAX_SIDE_PX + 1, 8))])
def test_what_is_no_picture_is_not_drawn(rubbish: bytes) -> None:
    with pytest.raises(NoPicture):
        sixels(rubbish)
