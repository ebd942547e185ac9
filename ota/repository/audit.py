"""Looks a fleet's folder over: signatures, thresholds, people, expiry, hashes. Knows the rules, changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuf.api.metadata import Targets

from ota.repository import draft as drafts
from ota.repository.folder import FILE, TARGETS, Folder, MetadataError, Published
from ota.repository.keys import KeyFileError, public_key
from ota.repository.people import FleetError, faults_of, not_delegated, read_file, seats_of, spare
from ota.repository.roles import DELEGATED, ONLINE, RULES
from ota.repository.vans import read_all

_PIECE = 2**20


@dataclass(frozen=True)
class Finding:
    """Something that a person should see. A ``fault`` is wrong, a ``warning`` will be."""

    level: Literal["fault", "warning"]
    what: str
    why: str


@dataclass(frozen=True)
class Expiry:
    """When a role stops to hold. ``due``: it is time to sign it anew."""

    role: str
    version: int
    expires: int
    left_s: int
    due: bool


def audit(folder: Folder, now: int) -> list[Finding]:
    """Every finding about what is published and registered; none means that all is as it was signed."""
    try:
        published = folder.published()
    except MetadataError as error:
        return [Finding("fault", "metadata", str(error))]
    if published is None:
        return [Finding("warning", "metadata", "nothing is published")]
    found = [Finding("fault", "people", why) for why in faults_of(published.root, published.targets["targets"].signed)]
    found += _spares(published)
    for role, paths in not_delegated(published.targets["targets"].signed).items():
        found.append(
            Finding("warning", role, f"may not name {', '.join(paths)} yet: `rotate {role}` drafts that it may")
        )
    found += [_late(one) for one in expiries(published, now) if one.due]
    for role in DELEGATED:
        found += _targets(folder.path, role, published.targets[role].signed)
    found += _registered(folder.path)
    return found


def expiries(published: Published, now: int) -> list[Expiry]:
    """Every role's expiry, the nearest first."""
    signed = {
        "root": published.root,
        **{role: one.signed for role, one in published.targets.items()},
        "snapshot": published.snapshot.signed,
        "timestamp": published.timestamp.signed,
    }
    found = []
    for role, one in signed.items():
        expires = int(one.expires.timestamp())
        left_s = expires - now
        found.append(Expiry(role, one.version, expires, left_s, left_s < RULES[role].warn_s))
    return sorted(found, key=lambda one: one.left_s)


def _late(one: Expiry) -> Finding:
    if one.left_s <= 0:
        return Finding("fault", one.role, f"version {one.version} expired {-one.left_s / 3600:.1f} h ago")
    return Finding("warning", one.role, f"version {one.version} expires in {one.left_s / 3600:.1f} h")


def _spares(published: Published) -> Iterator[Finding]:
    seats = seats_of(published.root, published.targets["targets"].signed)
    for role in (name for name in RULES if name not in ONLINE):
        if spare(seats[role]) < 1:
            words = "all of its holders must sign: one lost key, and it can never be signed again"
            yield Finding("warning", role, words if role == "root" else words.replace("never", "only after a rotation"))


def _targets(fleet: Path, role: str, signed: Targets) -> Iterator[Finding]:
    for path, target in signed.targets.items():
        try:
            kind = drafts.custom_of(target).kind
        except FleetError as error:
            yield Finding("fault", path, str(error))
            continue
        if kind not in RULES[role].kinds:
            yield Finding("fault", path, f"{role} does not answer for it")
        file = fleet / TARGETS / drafts.hashed_path(target)
        if not file.is_file():
            yield Finding("fault", path, "its file is missing")
        elif file.stat().st_size != target.length or _sha256(file) != target.hashes["sha256"]:
            yield Finding("fault", path, "its file is not what was signed")


def _registered(fleet: Path) -> Iterator[Finding]:
    try:
        read_all(fleet)
        for one in read_file(fleet / FILE).online:
            public_key(one.public)
    except (FleetError, KeyFileError) as error:
        yield Finding("fault", "folder", str(error))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
