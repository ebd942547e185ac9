"""Show how vans stand: a table for people, JSON for programs. Knows layout; judges nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from firmware.control.show import as_json, printable
from firmware.fleet.vans.standing import Standing
from firmware.messages import Fitted
from ota.content import KINDS

_SHOWN = tuple(kind for kind in KINDS if kind != "revocation")


def standings_table(found: Sequence[Standing]) -> Group:
    """One row a van, and below it a line for each that a person should look at: a terminal may have 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, collapse_padding=True)
    for title in ("van", "mode", *_SHOWN):
        table.add_column(title, no_wrap=True)
    notes = []
    for one in found:
        cells = (one.van, one.mode or "-", *(_cell(one.fitted.get(kind)) for kind in _SHOWN))
        table.add_row(*(Text(printable(cell)) for cell in cells))
        if one.remarks:
            notes.append(Text(printable(f"{one.van}: {'; '.join(one.remarks)}")))
    return Group(table, *notes)


def standings_json(found: Sequence[Standing]) -> str:
    """The same as one JSON object by van."""
    return as_json({one.van: {"mode": one.mode, "fitted": one.fitted, "look_at": one.remarks} for one in found})


def _cell(fitted: Fitted | None) -> str:
    return "-" if fitted is None else f"{fitted.counter} {fitted.phase}"
