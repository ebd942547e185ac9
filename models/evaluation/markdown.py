"""An evaluation as Markdown, to be kept with the code. Knows how sections become text; computes no figure."""

from __future__ import annotations

from collections.abc import Iterator

from models.evaluation.report import Evaluation
from models.evaluation.section import Section, Table
from models.evaluation.told import headline, sections


def markdown(one: Evaluation, command: str) -> str:
    """The text.

    Args:
        one: figures.
        command: that made them, without any path of the machine that it ran on.
    """
    lines = [
        "# What the face recognition model is worth",
        "",
        "Generated; do not edit. The command:",
        "",
        f"    {command}",
        "",
        *(f"- **{_cell(figure)}** {_cell(what)}" for figure, what in headline(one)),
        "",
    ]
    for section in sections(one):
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _section(one: Section) -> Iterator[str]:
    yield f"## {one.title}"
    yield ""
    if one.words:
        yield one.words
        yield ""
    for table in one.tables:
        yield from _table(table)


def _table(one: Table) -> Iterator[str]:
    yield _row(one.head)
    yield _row(("---",) * len(one.head))
    yield from (_row(row) for row in one.rows)
    yield ""


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(words: str) -> str:
    """What means something in a table or in HTML is escaped: a group's name is whatever the set calls it."""
    return words.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
