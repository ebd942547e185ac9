"""Who runs what, and who is frozen: what each van says of itself beside what it should have by now.

Knows a van's signed state and the newest published targets; refuses to know MQTT and how a target was signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from firmware.control.fleet import Sight
from firmware.messages import Fitted, State
from ota.content import KINDS, Kind

STALE_AFTER_S = 24 * 3600
"""A timestamp is valid for a day: who has verified none for longer is cut off, or is being shown an old one."""


@dataclass(frozen=True)
class Published:
    """One target that a van should have.

    Attributes:
        kind: what it is.
        sha256: of its bytes.
        counter: its place among those of its kind.
        vans: ids of the keys of the vans that it is for.
    """

    kind: Kind
    sha256: str
    counter: int
    vans: frozenset[str]


@dataclass(frozen=True)
class Standing:
    """One van.

    Attributes:
        van: its id.
        mode: as it said; empty when nothing was heard.
        fitted: what it has, by kind.
        remarks: what a person should look at, the gravest first.
    """

    van: str
    mode: str
    fitted: Mapping[Kind, Fitted]
    remarks: tuple[str, ...]


def standing(
    van: str, key_id: str, sight: Sight, published: Iterable[Published] | None, times: tuple[float, float]
) -> Standing:
    """How one van stands.

    Args:
        van: its id.
        key_id: of its key.
        sight: what was heard of it.
        published: all targets, the newest of a kind last; None where nobody knows.
        times: the console's monotonic seconds, and seconds since the epoch.
    """
    state = sight.state
    if state is None:
        return Standing(van, "", {}, ("nothing heard",))
    fitted = {one.kind: one for one in (state.updates.fitted if state.updates is not None else ())}
    found = [*_frozen(state, sight, *times)]
    found += [f"{kind} {one.counter} refused" for kind, one in fitted.items() if one.phase == "refused"]
    if published is not None:
        due = {one.kind: one for one in published if key_id in one.vans}
        found += [_lag(kind, fitted.get(kind), due.get(kind)) for kind in KINDS]
    if state.updates is not None and state.memory == "open":
        found.append("its memory cannot be locked: templates may reach a disk by swapping")
    return Standing(van, state.mode, fitted, tuple(remark for remark in found if remark))


def keyless(van: str) -> Standing:
    """A registered van that this console cannot believe."""
    return Standing(van, "", {}, ("registered, but this console has no key of it",))


def _frozen(state: State, sight: Sight, now_s: float, now: float) -> list[str]:
    """Why this van may not be up to date, whatever it has."""
    if state.updates is None:
        return ["takes no updates: no agent"]
    age_s = now - state.updates.checked
    never = state.updates.checked == 0
    stale = f"FROZEN? verified nothing fresh for {age_s / 3600:.0f} h" if age_s > STALE_AFTER_S else ""
    fault = f"updates: {state.updates.fault}" if state.updates.fault else ""
    return ["FROZEN? has never verified anything" if never else stale, fault, sight.frozen(now_s, now)]


def _lag(kind: Kind, has: Fitted | None, due: Published | None) -> str:
    if due is None:
        return f"{kind} {has.counter} is not published any more" if has is not None and kind == "watchlist" else ""
    if has is None or has.counter < due.counter:
        return f"{kind} {due.counter} not there yet{f', has {has.counter}' if has else ''}"
    if has.counter > due.counter:
        return f"{kind} {has.counter} is NEWER than the published {due.counter}"
    if has.sha256 != due.sha256:
        return f"{kind} {has.counter} is NOT the published one"
    return f"{kind} {has.counter} on trial" if has.phase == "trial" else ""
