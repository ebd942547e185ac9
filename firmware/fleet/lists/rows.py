"""What a row of a list's papers says, as an entry to be. Knows fields and what goes together; opens no portrait.

Every fault is told, not only the first, with the row, the field, what came and what is allowed: a list of thousands is
mended in one go. A list with one fault in its papers is not built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import get_args

import msgspec

from firmware.fleet.lists.grounds import GIVES, LEGAL_BASES, SERVES, SOURCES, LegalBasis, Source
from firmware.fleet.lists.papers import SHOWN, Fault, Line, PapersError, read_lines
from models.portrait import SUFFIXES
from ota.content import MAX_ENTRIES, Category

MIN_RATIONALE, MAX_RATIONALE = 20, 500
_EARLIEST_IMAGE = date(1950, 1, 1)
OPAQUE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
OPAQUE_WORDS = "1 to 64 letters, digits, dots, dashes and underscores; no name"
_TIMES = ("image_date", "expiry")
_CATEGORIES: tuple[Category, ...] = get_args(Category)


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row: an entry to be.

    Attributes:
        number: line of the CSV that it begins on, from 1.
        file: name of its portrait.
        expiry: the entry's, seconds since the epoch, UTC.
        minor_rationale: why an entry under 18 is on the list; empty for others.
    """

    number: int
    file: str
    ref: str
    category: Category
    legal_basis: LegalBasis
    source: Source
    image_date: date
    reviewer: str
    expiry: int
    minor: bool
    minor_rationale: str


@dataclass(frozen=True)
class Wrong:
    """What does not go together."""

    field: str
    came: str
    allowed: str


def read_rows(papers: Path, folder: Path, start: int) -> tuple[Row, ...]:
    """The rows of a CSV, in its order.

    Args:
        papers: see :func:`firmware.fleet.lists.papers.read_lines`; the fields are :data:`PARSE`'s.
        folder: of the portraits; each has a row, and each row one of them.
        start: first second of the deployment, since the epoch, UTC.

    Raises:
        PapersError: with every fault.
    """
    lines, faults = read_lines(papers, tuple(PARSE))
    rows = [row for line in lines if (row := _row(line, folder, start, faults)) is not None]
    faults += _twice(lines, "ref") + _twice(lines, "file")
    faults += _without_papers(folder, {line.cells["file"] for line in lines})
    if not 1 <= len(lines) <= MAX_ENTRIES:
        faults.append(Fault(0, papers.name, "rows", str(len(lines)), f"1 to {MAX_ENTRIES}"))
    if faults:
        raise PapersError(sorted(faults, key=lambda fault: fault.row))
    return tuple(rows)


def moment_text(moment: int) -> str:
    """Seconds since the epoch as people and the CSV write them, UTC."""
    return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%dT%H:%MZ}"


def _word(allowed: Iterable[str]) -> Callable[[str], str]:
    words = tuple(allowed)

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError("one of " + ", ".join(words))
        return text

    return parse


def _opaque(text: str) -> str:
    if not OPAQUE.match(text):
        raise ValueError(OPAQUE_WORDS)
    return text


def _utc(text: str, form: str) -> datetime:
    moment = datetime.strptime(text, form).replace(tzinfo=timezone.utc)
    if moment.strftime(form) != text:
        raise ValueError(text)
    return moment


def _day(text: str) -> date:
    try:
        day = _utc(text, "%Y-%m-%d").date()
    except ValueError:
        raise ValueError("a date as 2026-01-31") from None
    if day < _EARLIEST_IMAGE:
        raise ValueError(f"a date from {_EARLIEST_IMAGE} on")
    return day


def _moment(text: str) -> int:
    """A day lasts until its end; with an hour, until then. UTC."""
    try:
        if "T" not in text:
            return int((_utc(text, "%Y-%m-%d") + timedelta(days=1)).timestamp())
        return int(_utc(text, "%Y-%m-%dT%H:%MZ").timestamp())
    except (ValueError, OverflowError):
        raise ValueError("a day as 2026-01-31, or a minute as 2026-01-31T18:00Z") from None


def _yes(text: str) -> bool:
    return _word(("yes", "no"))(text) == "yes"


def _file_name(text: str) -> str:
    if Path(text).name != text or Path(text).suffix.lower() not in SUFFIXES or not text.isprintable():
        raise ValueError(f"the name of a file in the portraits' folder, ending in {', '.join(sorted(SUFFIXES))}")
    return text


PARSE: dict[str, Callable[[str], object]] = {
    "file": _file_name,
    "ref": _opaque,
    "category": _word(_CATEGORIES),
    "legal_basis": _word(LEGAL_BASES),
    "source": _word(SOURCES),
    "image_date": _day,
    "reviewer": _opaque,
    "expiry": _moment,
    "minor": _yes,
    "minor_rationale": str,
}
"""Every field, and what makes its value of a cell; a ValueError's text says what is allowed."""


def _row(line: Line, folder: Path, start: int, faults: list[Fault]) -> Row | None:
    values: dict[str, object] = {}
    wrong: list[Wrong] = []
    for field, parse in PARSE.items():
        try:
            values[field] = parse(line.cells[field])
        except ValueError as error:
            came = repr(line.short(field)) if line.cells[field] else "nothing"
            wrong.append(Wrong(field, came, str(error)))
    wrong += _at_odds(values) + _untimely(values, start) + _no_file(values, folder)
    faults += [Fault(line.number, line.short("file"), one.field, one.came, one.allowed) for one in wrong]
    return None if wrong else msgspec.convert({"number": line.number, **values}, Row)


def _at_odds(values: dict[str, object]) -> list[Wrong]:
    """Readable values that contradict each other."""
    wrong: list[Wrong] = []
    category = str(values.get("category", ""))
    for field, table in (("legal_basis", SERVES), ("source", GIVES)):
        allowed = table.get(str(values.get(field)))
        if category and allowed is not None and category not in allowed:
            wrong.append(Wrong(field, f"{values[field]} for {category}", "for " + ", ".join(sorted(allowed))))
    length = len(str(values["minor_rationale"]))
    if values.get("minor") is True and not MIN_RATIONALE <= length <= MAX_RATIONALE:
        allowed_length = f"{MIN_RATIONALE} to {MAX_RATIONALE} characters of its own for an entry under 18"
        wrong.append(Wrong("minor_rationale", f"{length} characters", allowed_length))
    if values.get("minor") is False and length:
        wrong.append(Wrong("minor_rationale", f"{length} characters", "nothing, since minor is no"))
    return wrong


def _untimely(values: dict[str, object], start: int) -> list[Wrong]:
    wrong: list[Wrong] = []
    first_day, image_date, expiry = datetime.fromtimestamp(start, timezone.utc).date(), *map(values.get, _TIMES)
    if isinstance(image_date, date) and image_date > first_day:
        wrong.append(Wrong("image_date", str(image_date), f"not after the first day, {first_day}"))
    if isinstance(expiry, int) and expiry <= start:
        wrong.append(Wrong("expiry", moment_text(expiry), f"after the list's start, {moment_text(start)}"))
    return wrong


def _no_file(values: dict[str, object], folder: Path) -> list[Wrong]:
    if "file" not in values:
        return []
    path = folder / str(values["file"])
    if path.is_file() and not path.is_symlink():
        return []
    return [Wrong("file", "no such plain file", "a file of the portraits' folder")]


def _twice(lines: list[Line], field: str) -> list[Fault]:
    first: dict[str, int] = {}
    return [
        Fault(line.number, line.short("file"), field, f"{line.short(field)!r}, as in row {earlier}", "each once")
        for line in lines
        if line.cells[field] and (earlier := first.setdefault(line.cells[field], line.number)) != line.number
    ]


def _without_papers(folder: Path, named: set[str]) -> list[Fault]:
    """A portrait that no row speaks of: somebody forgot it, or should not have it."""
    try:
        files = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        return [Fault(0, folder.name, "portraits", str(error.strerror), "a readable folder")]
    return [
        Fault(0, name[:SHOWN], "file", "a portrait without a row", "each has a row, or is taken out of the folder")
        for name in files
        if name not in named
    ]
