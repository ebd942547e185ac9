"""How vans, events, commands and answers read, for people and as JSON.

Knows words and tables; refuses to know where they come from. What comes from the network cannot steer the terminal:
every text of it passes :func:`printable`, and none is read as markup.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from firmware.control.fleet import CLOCKS_AGREE_S, Sight
from firmware.control.keys import NewKeys
from firmware.control.seen import moment
from firmware.control.sixel import NoPicture, sixels
from firmware.envelope import public_key
from firmware.messages import ACT_WITHIN_S, Answer, Details, MatchEvent, State

_KEYID = 16


def printable(text: str) -> str:
    """``text`` without what a terminal might obey, or show in another order than it stands."""
    return "".join(character if character.isprintable() else "?" for character in text)


def as_json(value: object) -> str:
    """One line of JSON in ASCII: above it there are controls too (U+009B begins a sequence of a terminal)."""
    return json.dumps(msgspec.to_builtins(value))


def use_by(event: MatchEvent, now_unix: float) -> str:
    """Whether the event may still be acted on, in words; any doubt means that it may not."""
    expires = moment(event.expires_at)
    if expires is None:
        return "EXPIRY NOT READABLE: do not act"
    left_s = expires.timestamp() - now_unix
    if left_s > ACT_WITHIN_S + CLOCKS_AGREE_S:
        return "CLOCKS DISAGREE: do not act"
    doubt = "" if event.clock_trusted else " by a clock not trusted"
    return f"expires in {left_s:.0f} s{doubt}" if left_s > 0 else f"EXPIRED{doubt}: do not act"


def match_line(event: MatchEvent, now_unix: float) -> str:
    """One line. It says *possible*: an officer decides."""
    return printable(
        f"possible match  entry {event.entry} ({event.category}{', A CHILD' if event.minor else ''})"
        f"  similarity {event.similarity:.3f}"
        f"  threshold {event.threshold:.3f}  {use_by(event, now_unix)}  van {event.van}  camera {event.camera}"
        f"  observations {event.observations}  {event.decided_utc}  id {event.id}"
    )


def match_json(event: MatchEvent, now_unix: float) -> str:
    """The event as one JSON line, without its pictures."""
    fields: dict[str, Any] = msgspec.structs.asdict(event)
    del fields["crop_jpeg"], fields["portrait"]
    return as_json({**fields, "use": use_by(event, now_unix)})


def save_crop(event: MatchEvent, folder: Path) -> Path:
    """Write the crop into ``folder``, for its owner alone, and the entry's portrait beside it, where there is one.

    What comes from the network never becomes a path.

    Raises:
        OSError: the folder is not writable.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", f"{event.van}_{event.id}")[:140]
    if event.portrait:
        _write_private(folder / f"{stem}-entry.jpg", event.portrait)
    return _write_private(folder / f"{stem}.jpg", event.crop_jpeg)


def _write_private(path: Path, data: bytes) -> Path:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(data)
    return path


def rows_table(rows: Sequence[tuple[str, str]]) -> Table:
    """Titles and texts, one below the other."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    for title, text in rows:
        lines = "\n".join(printable(line) for line in text.splitlines())
        table.add_row(Text(printable(title), style="dim"), Text(lines))
    return table


def answer_rows(answer: Answer, details: Details | None) -> list[tuple[str, str]]:
    """An answer in words; ``details`` when they could be opened."""
    rows = [
        ("outcome", f"{answer.outcome} ({answer.why})" if answer.why else answer.outcome),
        ("mode", answer.mode),
        ("uptime", f"{answer.uptime_s:.0f} s"),
    ]
    if details is not None:
        rows += [("wall", details.wall), ("alarms", "; ".join(details.alarms) or "none"), ("text", details.text)]
        rows += [(f"camera {name}", text) for name, text in details.cameras.items()]
    return [row for row in rows if row[1]]


def answer_json(answer: Answer, details: Details | None) -> str:
    """The answer as one JSON line; the details opened, or ``null``."""
    fields: dict[str, Any] = msgspec.structs.asdict(answer)
    del fields["sealed"]
    return as_json({**fields, "details": details})


def fleet_table(vans: Mapping[str, Sight], now_s: float, now_unix: float) -> Group:
    """One row a van, and below it a line for each that a person should look at: a terminal may have 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, collapse_padding=True)
    for title in ("van", "mode", "said", "entries", "threshold", "alerts", "waiting", "version"):
        table.add_column(title, no_wrap=True)
    notes = []
    for van, sight in sorted(vans.items()):
        cells = _cells(sight.state, sight.age_s(now_s, now_unix)) if sight.state else ["nothing heard"] + [""] * 6
        table.add_row(*(Text(printable(cell)) for cell in (van, *cells)))
        if found := remarks(sight, now_s, now_unix):
            notes.append(Text(printable(f"{van}: {'; '.join(found)}")))
    return Group(table, *notes)


def _cells(state: State, age_s: float | None) -> list[str]:
    return [
        state.mode,
        f"{state.said_utc[11:19]}?" if age_s is None else f"{age_s:.0f} s ago",
        str(state.entries),
        f"{state.threshold:.3f}",
        str(state.counters.alerts),
        str(state.counters.waiting),
        state.versions.kerbside,
    ]


def remarks(sight: Sight, now_s: float, now_unix: float) -> list[str]:
    """What a person should look at, the gravest first."""
    state, age_s = sight.state, sight.age_s(now_s, now_unix)
    found = ["said to be offline (hint)"] if sight.hinted else []
    if state is not None:
        found += ["" if state.walled else "NETWORK REACHABLE from the process that sees"]
        found += (
            list(sight.details.alarms) if sight.details is not None else [f"{state.alarms} alarms"] * bool(state.alarms)
        )
        found += [sight.frozen(now_s, now_unix)] if state.clock_trusted or age_s is not None else []
        found += ["" if state.clock_trusted else "clock not trusted"]
        found += [f"{sum(state.counters.refused.values())} refused" if state.counters.refused else ""]
        for what in ("in_memory_only", "expired_unreceipted", "heard_dropped"):
            count = getattr(state.counters, what)
            found += [f"{count} {what.replace('_', ' ')}" if count else ""]
    found += [f"{sight.disbelieved} not believed" if sight.disbelieved else ""]
    found += [f"{sight.replayed} old states shown again" if sight.replayed else ""]
    return [remark for remark in found if remark]


def fleet_json(vans: Mapping[str, Sight], now_s: float, now_unix: float) -> str:
    """All vans as one JSON object by van id."""
    return as_json(
        {
            van: {
                "state": sight.state,
                "age_s": sight.age_s(now_s, now_unix),
                "said_offline_hint": sight.hinted,
                "frozen": sight.frozen(now_s, now_unix),
                "details": sight.details,
                "look_at": remarks(sight, now_s, now_unix),
            }
            for van, sight in sorted(vans.items())
        }
    )


def picture(event: MatchEvent) -> str:
    """The crop for a terminal that draws sixels, or why there is none."""
    try:
        return sixels(event.crop_jpeg)
    except NoPicture as error:
        return printable(f"no picture: {error}")


def new_keys(name: str, roles: Sequence[str] | None, made: NewKeys) -> str:
    """The lines that name new keys, each with the file it belongs to."""
    lines = [f'ctl.toml, [vans]:         {name} = "{made.public}"'] if roles is None else []
    lines += [f"keys.json, holders:       {as_json(_holder(name, roles, made))}"] if roles is not None else []
    lines += [f'keys.json, recipients:    "{made.recipient}"'] if made.recipient else []
    return "\n".join([*lines, f"its id, as answers say it: {public_key(made.public).keyid[:_KEYID]}"])


def new_keys_json(name: str, roles: Sequence[str] | None, made: NewKeys) -> str:
    """The same as one JSON line."""
    return as_json(
        {**_holder(name, roles or (), made), "recipient": made.recipient, "keyid": public_key(made.public).keyid}
    )


def _holder(name: str, roles: Sequence[str] | None, made: NewKeys) -> dict[str, object]:
    return {"holder": name, "roles": list(roles or ()), "public": made.public}
