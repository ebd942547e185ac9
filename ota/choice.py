"""What this van should have, of all that was signed: for it, in time, newer than before. Knows rules; fetches nothing.

A pure function of verified targets, the records and a moment, so that each rule can be read and tested by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ota.content import MAX_STEP, Kind
from ota.records import Installed, Records
from ota.target import Skipped, Target

URGENCY: tuple[Kind, ...] = ("revocation", "calibration", "watchlist", "policy", "model", "software", "os")
NEVER_BEFORE_SETTLED: tuple[Kind, ...] = ("software", "os")
"""A second one would be written over what the first would go back to."""


@dataclass(frozen=True)
class Van:
    """Whom it is for: the id of its key, and the kinds that it can take."""

    key_id: str
    kinds: Collection[Kind]


@dataclass(frozen=True)
class Choice:
    """What follows from a check.

    Attributes:
        wanted: at most one of a kind, the most urgent kind first.
        refusals: what this van may not have, and why.
        waits: what it may have, but not now, in words.
    """

    wanted: tuple[Target, ...]
    refusals: tuple[Skipped, ...]
    waits: tuple[str, ...]


def choose(targets: Collection[Target], van: Van, moment: int, records: Records) -> Choice:
    """Of each kind the newest that this van may have now, unless it has that already.

    Args:
        targets: verified.
        van: whom it is for.
        moment: trusted, in seconds since the epoch.
        records: what it has, had and refused.
    """
    wanted: list[Target] = []
    refusals: list[Skipped] = []
    waits: list[str] = []
    for kind in URGENCY:
        for verdict in _of_kind(_newest_first(targets, van, kind), van, moment, records):
            if isinstance(verdict, Target):
                wanted.append(verdict)
            elif isinstance(verdict, Skipped):
                refusals.append(verdict)
            else:
                waits.append(verdict)
    return Choice(tuple(wanted), tuple(refusals), tuple(waits))


def is_signed(installed: Installed, targets: Collection[Target], key_id: str) -> bool:
    """Whether the signers still want this van to have it, on the same terms."""
    return any(
        key_id in target.custom.vans and (target.path, target.sha256, target.custom) == _terms(installed)
        for target in targets
    )


def _terms(installed: Installed) -> tuple[object, ...]:
    return installed.path, installed.sha256, installed.custom


def _newest_first(targets: Collection[Target], van: Van, kind: Kind) -> list[Target]:
    own = [target for target in targets if target.kind == kind and van.key_id in target.custom.vans]
    return sorted(own, key=lambda target: (target.custom.counter, target.path), reverse=True)


def _of_kind(newest: list[Target], van: Van, moment: int, records: Records) -> Iterator[Target | Skipped | str]:
    """From the newest on, until there is one that the van has or may have."""
    for target in newest:
        here = records.active(target.kind)
        if here is not None and (target.path, target.sha256, target.custom) == _terms(here):
            return
        if target.kind not in van.kinds:
            yield f"{target.path}: this van takes no {target.kind}"
            return
        if here is not None and here.phase == "trial" and target.kind in NEVER_BEFORE_SETTLED:
            yield f"{target.path}: waits until {here.path} has proved itself or failed"
            return
        verdict = _judge(target, moment, records)
        yield verdict
        if isinstance(verdict, Target):
            return


def _judge(target: Target, moment: int, records: Records) -> Target | Skipped | str:
    custom, floor = target.custom, records.counter_floor(target.kind)
    if records.refused(target.kind, target.sha256):
        words = f"{target.path}: was refused before, and is not tried again"
        return Skipped(target.path, "refused", words)
    if custom.counter <= floor:
        words = f"{target.path}: counter {custom.counter} is not above {floor}, which this van has had"
        return Skipped(target.path, "rollback", words)
    if custom.counter > floor + MAX_STEP:
        words = f"{target.path}: counter {custom.counter} is more than {MAX_STEP} above {floor}"
        return Skipped(target.path, "refused", words)
    if moment >= custom.not_after:
        words = f"{target.path}: its time ended at {custom.not_after}, it is {moment}"
        return Skipped(target.path, "expired", words)
    if moment < custom.not_before:
        return f"{target.path}: its time begins at {custom.not_before}, it is {moment}"
    return target
