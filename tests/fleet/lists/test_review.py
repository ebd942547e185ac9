"""The contact sheet: everything that a signer needs on one page, which loads nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from firmware.fleet.lists.checks import Finding
from firmware.fleet.lists.cohort import Foretold
from firmware.fleet.lists.markup import tag
from firmware.fleet.lists.parcel import Parcel
from firmware.fleet.lists.private import PrivateError
from firmware.fleet.lists.records import CohortUsed, LookAlike, encode
from firmware.fleet.lists.review import ReviewError, open_list, write_sheet
from firmware.fleet.lists.sheet import sheet
from models.vision import Vision
from tests.fleet.lists.stage import RATIONALE, Desk, build

NASTY = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture
def parcel(desk: Desk, vision: Vision, tmp_path: Path) -> Parcel:
    desk.rows[0] |= {"minor": "yes", "minor_rationale": RATIONALE}
    desk.write()
    return build(desk.job(tmp_path / "out"), vision)


def test_the_sheet_shows_every_portrait_and_what_signers_see(parcel: Parcel) -> None:
    path = write_sheet(parcel.content.parent)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    page = Page(path.read_text("utf-8"))
    pair, cards = ["portrait of pale", "portrait of dark"], ["portrait of pale", "portrait of dark"]
    assert [image["alt"] for image in page.all("img")] == pair + cards, "drawn faces look alike"
    for words in (
        *(parcel.sha256, parcel.records.model, parcel.records.space, "a" * 64, "wanted-by-court 2", "court-warrant"),
        *(RATIONALE, "custody-image, 2026-01-31", "2026-12-01T08:00Z to 2026-12-01T20:00Z", "post-7", "under 18"),
        *("must be destroyed with the list", "nobody knows how often", "2 of at most 100; 0 portraits refused"),
    ):
        assert words in page.text, words


def test_the_sheet_loads_and_runs_nothing(parcel: Parcel) -> None:
    text = write_sheet(parcel.content.parent).read_text("utf-8")
    page = Page(text)
    assert {name for name, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "form", "a", "base"})
    assert {str(image["src"])[:23] for image in page.all("img")} == {"data:image/jpeg;base64,"}
    assert [
        name for _, attributes in page.tags for name in attributes if name == "style" or name.startswith("on")
    ] == []
    style = re.search(r"<style>(.*)</style>", text, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    (policy,) = (meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; ")


def test_whatever_the_records_say_stays_text(parcel: Parcel) -> None:
    entry = msgspec.structs.replace(
        parcel.records.entries[0],
        ref=NASTY,
        reviewer=NASTY,
        minor_rationale=NASTY,
        source=NASTY,
        findings=(Finding("sharpness", NASTY, refused=False),),
    )
    records = msgspec.structs.replace(
        parcel.records,
        entries=(entry, parcel.records.entries[1]),
        runner=NASTY,
        look_alikes=(LookAlike(NASTY, "dark", 0.5),),
    )
    text = sheet(records, [b"x", b"y"])
    assert "<script" not in text
    assert Page(text).text.count(NASTY) == 7
    assert tag("p", NASTY, title=NASTY) == f'<p title="{tag("b", NASTY)[3:-4]}">{tag("b", NASTY)[3:-4]}</p>'


def test_what_needs_a_decision_comes_first(parcel: Parcel) -> None:
    warned = msgspec.structs.replace(
        parcel.records.entries[1], findings=(Finding("sharpness", "blurred: sharpness 0.40", refused=False),)
    )
    records = msgspec.structs.replace(
        parcel.records,
        entries=(msgspec.structs.replace(parcel.records.entries[0], findings=()), warned),
        look_alikes=(LookAlike("pale", "dark", 0.51),),
        look_alikes_total=1,
    )
    page = Page(sheet(records, [b"x", b"y"]))
    order = [page.text.index(words) for words in ("nobody knows", "similarity 0.51", "blurred: ", "Other entries: 1")]
    assert order == sorted(order)
    alts = [image["alt"] for image in page.all("img")]
    assert alts == ["portrait of pale", "portrait of dark", "portrait of dark", "portrait of pale"]


def test_a_forecast_is_shown_with_its_bound(parcel: Parcel) -> None:
    told = Foretold.of(2, 4_000)
    records = msgspec.structs.replace(parcel.records, cohort=CohortUsed(4_000, 3, "c" * 64), foretold=told)
    text = Page(sheet(records, [b"x", b"y"])).text
    assert "False alerts foretold for 10,000 passers-by: 5.0, and at most 15.7 (95 %, 4000 comparisons)" in text
    assert "nobody knows" not in text


def test_bars_stand_within_their_scale(parcel: Parcel) -> None:
    page = Page(write_sheet(parcel.content.parent).read_text("utf-8"))
    widths = [float(rect["width"] or "") for rect in page.all("rect")]
    assert len(widths) > 30
    assert min(widths) >= 0
    assert max(widths) <= 120


def test_a_sheet_is_never_overwritten(parcel: Parcel) -> None:
    write_sheet(parcel.content.parent)
    with pytest.raises(PrivateError, match="exists already and is not overwritten"):
        write_sheet(parcel.content.parent)


def test_another_list_under_the_records_is_refused(parcel: Parcel) -> None:
    parcel.content.write_bytes(parcel.content.read_bytes()[:-1])
    with pytest.raises(ReviewError, match=r"^list-\w+\.age: digest [0-9a-f]{64}, the records say [0-9a-f]{64}$"):
        open_list(parcel.content.parent)


@pytest.mark.parametrize("field", ["entries", "custom", "space"])
def test_records_that_say_other_than_the_list_are_refused(parcel: Parcel, field: str) -> None:
    kept = parcel.records
    other = {
        "entries": tuple(msgspec.structs.replace(entry, category="wanted-by-police") for entry in kept.entries),
        "custom": msgspec.structs.replace(kept.custom, counter=9),
        "space": "another",
    }
    parcel.manifest.write_bytes(encode(msgspec.structs.replace(kept, **{field: other[field]})))
    with pytest.raises(ReviewError, match="the list and its records differ"):
        open_list(parcel.content.parent)


def test_records_that_name_a_file_elsewhere_are_refused(parcel: Parcel) -> None:
    parcel.manifest.write_bytes(encode(msgspec.structs.replace(parcel.records, list_file="../x.age")))
    with pytest.raises(ReviewError, match="names no list of this folder"):
        open_list(parcel.content.parent)


def test_a_key_that_others_can_read_is_refused(parcel: Parcel) -> None:
    parcel.key.chmod(0o644)
    with pytest.raises(ReviewError, match="lets others read an identity"):
        open_list(parcel.content.parent)
