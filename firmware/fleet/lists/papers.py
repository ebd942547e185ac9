"""Read a CSV as cells with headings, and say all that is wrong with it. Knows text; refuses to know what cells mean.

Commas or semicolons, as spreadsheets of either habit write them; UTF-8, with or without a mark.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_CSV_BYTES = 16 * 2**20
SHOWN = 60
"""Characters of a faulty cell that are shown."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong; ``row`` 0 is the file as a whole."""

    row: int
    file: str
    field: str
    came: str
    allowed: str

    def __str__(self) -> str:
        """One line, without control characters."""
        place = f"row {self.row}" if self.row else "papers"
        named = f"{place}, {self.file}" if self.file else place
        text = f"{named}: {self.field}: {self.came}; allowed: {self.allowed}"
        return "".join(character if character.isprintable() else "?" for character in text)


class PapersError(Exception):
    """The papers are not in order; ``faults`` are all of them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'} in the papers; nothing was built")
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Line:
    """One row: the line of the file that it begins on, from 1, and its cells by heading."""

    number: int
    cells: dict[str, str]

    def short(self, field: str) -> str:
        """The beginning of a cell."""
        return self.cells[field][:SHOWN]


def read_lines(papers: Path, headings: Sequence[str]) -> tuple[list[Line], list[Fault]]:
    """The rows that have a cell for every heading, and a fault for each that has not; empty rows are skipped.

    Raises:
        PapersError: what keeps all rows from being read.
    """
    table = _table(papers)
    (_, found), rows = (table[0], table[1:]) if table else ((1, []), [])
    given = [heading.strip() for heading in found]
    _refuse_headings(papers, given, headings)
    lines: list[Line] = []
    faults: list[Fault] = []
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) == len(given):
            lines.append(Line(number, {name: cell.strip() for name, cell in zip(given, cells, strict=True)}))
        else:
            faults.append(Fault(number, "", "cells", str(len(cells)), f"{len(given)}, as there are headings"))
    return lines, faults


def _refuse_headings(papers: Path, given: list[str], headings: Sequence[str]) -> None:
    faults = [
        Fault(1, papers.name, name, "no such column", "every field has one") for name in headings if name not in given
    ]
    foreign, allowed = Counter(given) - Counter(headings), ", ".join(headings)
    faults += [Fault(1, papers.name, "headings", repr(name[:SHOWN]), f"once each: {allowed}") for name in foreign]
    if faults:
        raise PapersError(faults)


def _table(papers: Path) -> list[tuple[int, list[str]]]:
    """Rows of cells, each with the line that it begins on."""
    text = _text(papers)
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;", key=head.count), strict=True)
    table: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for cells in reader:
            table.append((start, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise PapersError([Fault(start, papers.name, "row", str(error), "a CSV as RFC 4180 has it")]) from None
    return table


def _text(papers: Path) -> str:
    try:
        with papers.open("rb") as file:
            content = file.read(MAX_CSV_BYTES + 1)
    except OSError as error:
        raise PapersError([Fault(0, papers.name, "file", str(error.strerror), "a readable CSV")]) from None
    if len(content) > MAX_CSV_BYTES:
        raise PapersError([Fault(0, papers.name, "size", "more", f"at most {MAX_CSV_BYTES} bytes")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PapersError([Fault(0, papers.name, "text", f"byte {error.start} is no UTF-8", "UTF-8")]) from None
