"""What the fleet's metadata looks like on a terminal. Knows tables; refuses to know where the facts come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from firmware.control.show import printable
from ota.repository.audit import Expiry, Finding
from ota.repository.changes import Change, moment
from ota.repository.draft import Draft
from ota.repository.signing import Tally
from ota.repository.vans import VanRecord

_COLOUR = {"+": "green", "-": "red", "~": "yellow", "=": "dim", "fault": "red", "warning": "yellow"}
_LOUD = ("NOT HERE", "NOT REGISTERED")


def _text(words: str, style: str = "") -> Text:
    return Text(printable(words), style=style)


def _table(*titles: str) -> Table:
    """Digests and key ids are compared digit by digit: a narrow terminal folds them and cuts none off."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def draft_view(
    draft: Draft, changes: Sequence[Change], tallies: Sequence[Tally], *, stale: bool = False
) -> RenderableType:
    """All that a signer should see before signing."""
    heading = _text(f"Draft {draft.path.name}{': STALE, delete its folder' if stale else ''}", "bold")
    return Group(heading, tally_table(draft, tallies), change_table(changes))


def tally_table(draft: Draft, tallies: Sequence[Tally]) -> Table:
    """Roles of a draft: version, expiry, whose signatures are there."""
    table = _table("role", "version", "expires", "needs", "signed", "can sign")
    for tally in tallies:
        signed = draft.metadata[tally.seats.role].signed
        needs = f"{tally.seats.threshold} of {len(tally.seats.keys)}"
        expires = moment(int(signed.expires.timestamp()))
        names = (", ".join(tally.signed) or "nobody", ", ".join(tally.missing) or "nobody")
        row = (tally.seats.role, str(signed.version), expires, needs, *names)
        table.add_row(*(_text(cell) for cell in row), style="" if tally.enough else "bold")
    return table


def change_table(changes: Sequence[Change]) -> RenderableType:
    """Every change, with its fields beneath."""
    if not changes:
        return _text("Nothing changes but versions and expiries.")
    table = _table("", "role", "what", "")
    for change in changes:
        table.add_row(_text(change.mark, _COLOUR[change.mark]), _text(change.role), _text(change.what, "bold"), "")
        for label, words in change.facts:
            loud = "red" if any(word in words for word in _LOUD) else ""
            table.add_row("", "", _text(f"  {label}"), _text(words, loud))
    return table


def change_facts(changes: Iterable[Change]) -> list[dict[str, object]]:
    """The same for programs."""
    return [{"role": one.role, "mark": one.mark, "what": one.what, **dict(one.facts)} for one in changes]


def tally_facts(tallies: Iterable[Tally]) -> list[dict[str, object]]:
    """Signatures for programs."""
    return [
        {"role": one.seats.role, "needs": one.seats.threshold, "signed": one.signed, "missing": one.missing}
        for one in tallies
    ]


def finding_table(findings: Sequence[Finding]) -> Table:
    """What `verify` found."""
    table = _table("", "what", "why")
    for one in findings:
        table.add_row(_text(one.level, _COLOUR[one.level]), _text(one.what), _text(one.why))
    return table


def expiry_table(expiries: Sequence[Expiry]) -> Table:
    """When each role stops to hold."""
    table = _table("role", "version", "expires", "left", "")
    for one in expiries:
        words = ("expired" if one.left_s <= 0 else "sign anew") if one.due else ""
        row = (one.role, str(one.version), moment(one.expires), f"{one.left_s / 3600:.1f} h")
        table.add_row(*(_text(cell) for cell in row), _text(words, "red" if one.left_s <= 0 else "yellow"))
    return table


def van_table(vans: Sequence[VanRecord]) -> Table:
    """The registered vans."""
    table = _table("van", "key id", "hardware", "notes")
    for one in vans:
        table.add_row(*(_text(cell) for cell in (one.van, one.key_id, one.hardware, one.notes)))
    return table
