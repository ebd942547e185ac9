"""The papers of a list: every fault is told, with row, field, what came and what is allowed."""

from __future__ import annotations

import pytest

from firmware.fleet.lists.grounds import GIVES, LEGAL_BASES, SERVES, SOURCES
from firmware.fleet.lists.papers import PapersError
from firmware.fleet.lists.rows import PARSE, Row, read_rows
from tests.film import drawn_face
from tests.fleet.lists.stage import RATIONALE, START, Desk


def rows(desk: Desk) -> tuple[Row, ...]:
    return read_rows(desk.papers, desk.folder, START)


def faults(desk: Desk) -> list[str]:
    with pytest.raises(PapersError) as caught:
        rows(desk)
    return [str(fault) for fault in caught.value.faults]


def test_papers_in_order_are_rows_in_order(desk: Desk) -> None:
    assert [(row.number, row.ref, row.file) for row in rows(desk)] == [(2, "pale", "pale.png"), (3, "dark", "dark.png")]


def test_an_expiry_day_lasts_until_its_end(desk: Desk) -> None:
    desk.rows[1]["expiry"] = "2026-12-01T18:00Z"
    desk.write()
    assert [row.expiry - START for row in rows(desk)] == [40 * 3600, 10 * 3600]


def test_a_spreadsheets_semicolons_and_mark_are_read(desk: Desk) -> None:
    desk.papers.write_bytes(b"\xef\xbb\xbf" + desk.papers.read_bytes().replace(b",", b";"))
    assert len(rows(desk)) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"category": "witness"}, "category: 'witness'; allowed: one of wanted-by-court, "),
        ({"category": ""}, "category: nothing; allowed: one of wanted-by-court, "),
        ({"legal_basis": "hunch"}, "legal_basis: 'hunch'; allowed: one of court-warrant, "),
        ({"legal_basis": "protection-of-life"}, "legal_basis: protection-of-life for wanted-by-court; allowed: for "),
        ({"source": "social-media"}, "source: 'social-media'; allowed: one of custody-image, "),
        ({"source": "family-provided"}, "source: family-provided for wanted-by-court; allowed: for missing-at-risk, "),
        ({"image_date": "31.01.2026"}, "image_date: '31.01.2026'; allowed: a date as 2026-01-31"),
        ({"image_date": "2026-1-3"}, "image_date: '2026-1-3'; allowed: a date as 2026-01-31"),
        ({"image_date": "1026-01-31"}, "image_date: '1026-01-31'; allowed: a date from 1950-01-01 on"),
        ({"image_date": "2026-12-02"}, "image_date: 2026-12-02; allowed: not after the first day, 2026-12-01"),
        ({"expiry": "2026-11-30"}, "expiry: 2026-12-01T00:00Z; allowed: after the list's start, 2026-12-01T08:00Z"),
        ({"expiry": "soon"}, "expiry: 'soon'; allowed: a day as 2026-01-31, or a minute as 2026-01-31T18:00Z"),
        ({"reviewer": "Ann Smith"}, "reviewer: 'Ann Smith'; allowed: 1 to 64 letters, digits, "),
        ({"ref": "../x"}, "ref: '../x'; allowed: 1 to 64 letters, digits, "),
        ({"minor": "maybe"}, "minor: 'maybe'; allowed: one of yes, no"),
        (
            {"minor": "yes"},
            "minor_rationale: 0 characters; allowed: 20 to 500 characters of its own for an entry under",
        ),
        ({"minor_rationale": RATIONALE}, "minor_rationale: 52 characters; allowed: nothing, since minor is no"),
    ],
)
def test_a_fault_names_row_field_what_came_and_what_is_allowed(desk: Desk, changes: dict[str, str], told: str) -> None:
    desk.rows[0].update(changes)
    desk.write()
    (fault,) = faults(desk)
    assert fault.startswith(f"row 2, pale.png: {told}")


@pytest.mark.parametrize("name", ["../pale.png", "/etc/pale.png", "pale.gif", "x\x1b[2J.png", ""])
def test_a_file_that_is_not_one_of_the_folders_is_refused(desk: Desk, name: str) -> None:
    desk.rows[0]["file"] = name
    desk.write()
    told = faults(desk)
    assert "row 2" in told[1]
    assert "allowed: the name of a file in the portraits' folder" in told[1]
    assert all(line.isprintable() for line in told)


def test_all_faults_are_told_at_once(desk: Desk) -> None:
    desk.add("new", drawn_face("pale"), category="victim", reviewer="", minor="yes")
    desk.rows[0] |= {"expiry": "2026-01-01", "source": "cloud"}
    desk.rows[1]["ref"] = "pale"
    desk.write()
    drawn_face("dark").save(desk.folder / "forgotten.jpg")
    told = faults(desk)
    assert [line.split(":")[0] + ":" + line.split(":")[1] for line in told] == [
        "papers, forgotten.jpg: file",
        "row 2, pale.png: source",
        "row 2, pale.png: expiry",
        "row 3, dark.png: ref",
        "row 4, new.png: category",
        "row 4, new.png: reviewer",
        "row 4, new.png: minor_rationale",
    ]


def test_a_missing_portrait_and_one_named_twice_are_told(desk: Desk) -> None:
    (desk.folder / "dark.png").unlink()
    desk.rows.append({**desk.rows[0], "ref": "other"})
    desk.write()
    assert faults(desk) == [
        "row 3, dark.png: file: no such plain file; allowed: a file of the portraits' folder",
        "row 4, pale.png: file: 'pale.png', as in row 2; allowed: each once",
    ]


def test_a_link_is_no_portrait(desk: Desk) -> None:
    (desk.folder / "dark.png").rename(desk.folder.parent / "elsewhere.png")
    (desk.folder / "dark.png").symlink_to(desk.folder.parent / "elsewhere.png")
    assert faults(desk) == ["row 3, dark.png: file: no such plain file; allowed: a file of the portraits' folder"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "row 1, papers.csv: file: no such column; allowed: every field has one"),
        (b"\xff\xfe", "papers, papers.csv: text: byte 0 is no UTF-8; allowed: UTF-8"),
        (b'"never closed', "row 1, papers.csv: row: unexpected end of data; allowed: a CSV as RFC 4180 has it"),
    ],
)
def test_what_is_no_csv_is_refused(desk: Desk, content: bytes, told: str) -> None:
    desk.papers.write_bytes(content)
    assert faults(desk)[0] == told


def test_a_column_that_nobody_knows_is_refused(desk: Desk) -> None:
    desk.papers.write_text(desk.papers.read_text().replace("minor_rationale", "minor_rationale,name", 1))
    assert faults(desk)[0].startswith("row 1, papers.csv: headings: 'name'; allowed: once each: file, ref, category, ")


def test_a_row_with_a_cell_too_many_hides_no_other_fault(desk: Desk) -> None:
    desk.rows[0]["minor"] = "perhaps"
    desk.write()
    desk.papers.write_text(desk.papers.read_text().rstrip() + ",,\n")
    assert [line.split(";")[0] for line in faults(desk)] == [
        "papers, dark.png: file: a portrait without a row",
        "row 2, pale.png: minor: 'perhaps'",
        "row 3: cells: 12",
    ]


def test_papers_without_rows_are_no_list(desk: Desk) -> None:
    desk.papers.write_text(",".join(PARSE) + "\n\n")
    assert faults(desk)[-1] == "papers, papers.csv: rows: 0; allowed: 1 to 10000"


def test_every_ground_and_origin_serves_something() -> None:
    assert set(SERVES) == set(LEGAL_BASES)
    assert set(GIVES) == set(SOURCES)
    assert all(SERVES.values())
    assert all(GIVES.values())
