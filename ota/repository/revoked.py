"""What was taken back until now, published or still a draft, and which entries of a new list that would bring back.

Knows revocations and their marks; refuses to know who an entry is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from tuf.api.metadata import TargetFile

from ota.content import MAX_REVOKED_LISTS, ROLE, Revocation, Revoked, entry_mark
from ota.repository.draft import hashed_path, load
from ota.repository.folder import TARGETS, Folder, MetadataError
from ota.repository.people import FleetError


def revocation_in(fleet: Path) -> Revocation | None:
    """All that was revoked until now, published or still a draft; ``None`` while nothing was.

    Raises:
        FleetError, MetadataError: nothing is published, or it is damaged.
    """
    revoked: dict[str, set[str]] = {}
    for one in (one for _, revocation in revocations_in(fleet) for one in revocation.revoked):
        before = revoked.pop(one.list, None)
        is_whole = before == set() or not one.entries
        revoked[one.list] = set() if is_whole else {*(before or ()), *one.entries}
    newest = list(revoked.items())[-MAX_REVOKED_LISTS:]
    if not newest:
        return None
    return Revocation(revoked=tuple(Revoked(list=name, entries=tuple(sorted(marks))) for name, marks in newest))


def revocations_in(fleet: Path) -> list[tuple[str, Revocation]]:
    """Each revocation with the name of its draft; "" and first of all what is published.

    Raises:
        FleetError, MetadataError: nothing is published, or it is damaged.
    """
    folder, role = Folder(fleet), ROLE["revocation"]
    places = [("", fleet, folder.need_published().targets[role].signed)]
    paths = sorted(path for path in folder.drafts.glob(f"{role}-*") if path.is_dir())
    places += [(path.name, path, load(path).metadata[role].signed) for path in paths]
    read = [(name, _read(place, target)) for name, place, signed in places for target in signed.targets.values()]
    return [(name, revocation) for name, revocation in read if revocation is not None]


def published_in(fleet: Path) -> Revocation | None:
    """What is revoked in public; ``None`` where nothing is, or where this copy of the folder does not hold it."""
    try:
        return next((found for name, found in revocations_in(fleet) if not name), None)
    except (FleetError, MetadataError):  # it only adds to what a signer is shown
        return None


def _read(place: Path, target: TargetFile) -> Revocation | None:
    """What a target holds; ``None`` for one of a draft that was published and has its content there."""
    path = place / TARGETS / hashed_path(target)
    if (place / f"{ROLE['revocation']}.json").exists() and not path.exists():
        return None
    try:
        data = path.read_bytes()
        found = msgspec.json.decode(data, type=Revocation)
    except (OSError, msgspec.MsgspecError) as error:
        raise MetadataError(f"{path}: {error}") from error
    if hashlib.sha256(data).hexdigest() != target.hashes["sha256"]:
        raise MetadataError(f"{path}: is not what was signed")
    return found


def taken_back(revocations: Iterable[tuple[str, Revocation]], refs: Iterable[str]) -> dict[str, str]:
    """Those references that were revoked as entries of some list, with words for where: the list, and an open draft."""
    lists = [(draft, one.list, set(one.entries)) for draft, found in revocations for one in found.revoked]
    back: dict[str, str] = {}
    for ref in refs:
        for draft, name, marks in lists:
            if entry_mark(name, ref) in marks:
                back.setdefault(ref, f"list {name[:16]}" + (f" (draft {draft}, unpublished)" if draft else ""))
    return back
