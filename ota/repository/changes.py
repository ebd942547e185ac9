"""What a draft would change, in words that a signer can judge. Knows targets' fields and seats; refuses to judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import msgspec
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from ota.content import ROLE, Custom, Revocation
from ota.repository import draft as drafts
from ota.repository.draft import Draft
from ota.repository.folder import Published
from ota.repository.people import FleetError, Seats, not_delegated, seats_of

Mark = Literal["+", "-", "~", "="]
_LAST = 253_402_300_799
"""The last second that a calendar of four-digit years knows."""


@dataclass(frozen=True)
class Change:
    """One line: added, removed, changed or as it was; what; and its fields in words."""

    role: str
    mark: Mark
    what: str
    facts: tuple[tuple[str, str], ...] = ()


def moment(seconds: int) -> str:
    """A time for people, UTC."""
    if seconds > _LAST:
        return "for ever"
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def changes(
    draft: Draft, published: Published | None, vans: Mapping[str, str], revoked: Revocation | None = None
) -> list[Change]:
    """Every difference from what is published, and the targets that stay: a signature is given for those as well.

    Args:
        draft: what is to be signed.
        published: what is in force.
        vans: ids of registered vans by key id; a van that is not among them is shown by its key.
        revoked: what is taken back already.

    Raises:
        FleetError: a target is not in the format.
    """
    found = list(_seat_changes(draft.metadata, published))
    for role, metadata in draft.metadata.items():
        if role in {"root", "targets"}:
            continue
        old: Mapping[str, TargetFile] = published.targets[role].signed.targets if published else {}
        found += _target_changes(role, old, metadata.signed.targets, (draft, revoked), vans)
    return found


def _target_changes(
    role: str,
    old: Mapping[str, TargetFile],
    new: Mapping[str, TargetFile],
    at_hand: tuple[Draft, Revocation | None],
    vans: Mapping[str, str],
) -> Iterator[Change]:
    draft, revoked = at_hand
    for path in sorted({*old} | {*new}):
        if path not in new:
            yield Change(role, "-", path)
            continue
        mark: Mark = "+" if path not in old else ("=" if old[path] == new[path] else "~")
        facts = _facts(new[path], draft, vans, fresh=mark != "=")
        if mark != "=" and role == ROLE["revocation"]:
            facts += _revokes(draft.content(new[path]), revoked)
        yield Change(role, mark, path, facts)


def _facts(target: TargetFile, draft: Draft, vans: Mapping[str, str], *, fresh: bool) -> tuple[tuple[str, str], ...]:
    custom = drafts.custom_of(target)
    here = drafts.check_content(draft, target.path, target)
    content = f"{target.length} bytes, sha256 {target.hashes['sha256']}"
    facts = {
        "vans": _vans(custom, vans),
        "window": f"{moment(custom.not_before)} to {moment(custom.not_after)}",
        "deployment": custom.deployment,
        "entries": f"at most {custom.max_faces}" if custom.max_faces else "",
        "version": custom.version,
        "counter": str(custom.counter),
        "content": content if here or not fresh else f"{content}: NOT HERE, not looked at",
    }
    if custom.not_after > _LAST:
        facts["window"] = f"from {moment(custom.not_before)}" if custom.not_before else "at any time"
    return tuple((label, text) for label, text in facts.items() if text)


def _revokes(content: Path, before: Revocation | None) -> tuple[tuple[str, str], ...]:
    """What a revocation takes back, and how much of it is new."""
    try:
        found = msgspec.json.decode(content.read_bytes(), type=Revocation)
    except OSError:
        return ()  # `content` says already that it is not here
    except msgspec.MsgspecError as error:
        raise FleetError(f"{content}: {error}") from error
    known = {one.list: set(one.entries) for one in (before.revoked if before is not None else ())}
    return tuple((f"list {one.list[:16]}", _taken(set(one.entries), known.get(one.list))) for one in found.revoked)


def _taken(entries: set[str], known: set[str] | None) -> str:
    if not entries:
        return "whole list" if known == set() else "whole list, new"
    more = len(entries - (known or set()))
    return f"{len(entries)} entries, {more} more than published"


def _vans(custom: Custom, vans: Mapping[str, str]) -> str:
    # The register is not signed: whoever signs compares the key, not the name.
    names = [f"{vans.get(keyid, 'NOT REGISTERED')} (key {keyid[:16]})" for keyid in custom.vans]
    return f"{len(names)}: {', '.join(sorted(names))}"


def _seat_changes(metadata: Mapping[str, Metadata[Any]], published: Published | None) -> Iterator[Change]:
    root, targets = _tops(metadata, published)
    new = seats_of(root, targets)
    old = seats_of(published.root, published.targets["targets"].signed) if published else {}
    for role, seats in new.items():
        before = old.get(role, Seats(role, 0, {}))
        in_draft = "root" if role in root.roles else "targets"
        if in_draft not in metadata:
            continue
        for keyid in sorted({*before.keys} - {*seats.keys}):
            yield Change(in_draft, "-", f"{before.holders()[keyid]} signs {role}", (("key", keyid[:16]),))
        for keyid in sorted({*seats.keys} - {*before.keys}, key=lambda one: seats.holders()[one]):
            yield Change(in_draft, "+", f"{seats.holders()[keyid]} signs {role}", (("key", keyid[:16]),))
        if seats.threshold != before.threshold:
            was = f", was {before.threshold}" if before.threshold else ""
            yield Change(in_draft, "~", f"{role} needs {seats.threshold} of {len(seats.keys)}{was}")
    if "targets" in metadata and published is not None:
        yield from _more_delegated(published.targets["targets"].signed, targets)


def _more_delegated(old: Targets, new: Targets) -> Iterator[Change]:
    before, after = not_delegated(old), not_delegated(new)
    for role, paths in before.items():
        for path in (one for one in paths if one not in after.get(role, ())):
            yield Change("targets", "+", f"{role} may name {path}")


def _tops(metadata: Mapping[str, Metadata[Any]], published: Published | None) -> tuple[Root, Targets]:
    root = metadata["root"] if "root" in metadata else (published.roots[-1] if published else None)
    targets = metadata["targets"] if "targets" in metadata else (published.targets["targets"] if published else None)
    return (root.signed if root else Root()), (targets.signed if targets else Targets())
