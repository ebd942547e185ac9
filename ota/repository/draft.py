"""Drafts: the next version of one or more roles, unsigned, with the content that it names. A folder that can be copied.

Knows what a new version takes over from the published one; refuses to know keys. Whatever is proposed here binds nobody
until enough people have signed these very bytes.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
from tuf.api.metadata import Metadata, Root, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

from ota.content import FOLDER, MAX_BYTES, MAX_STEP, ROLE, Custom, Kind
from ota.repository.folder import METADATA, TARGETS, Folder, Published, read
from ota.repository.people import FleetError, refuse_undelegated
from ota.repository.roles import DELEGATED, OFFLINE, RULES

_PIECE = 2**20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Draft:
    """A draft as it lies in its folder; ``metadata`` by role, without signatures, delegators first."""

    path: Path
    metadata: Mapping[str, Metadata[Any]]

    def content(self, target: TargetFile) -> Path:
        """Where the draft holds a target's bytes, if it does."""
        return self.path / TARGETS / hashed_path(target)


def hashed_path(target: TargetFile) -> str:
    """Where a consistent snapshot holds a target: FOLDER/SHA256.NAME."""
    folder, _, name = target.path.partition("/")
    return f"{folder}/{target.hashes['sha256']}.{name}"


def expiry(role: str, now: int) -> datetime:
    """When what is signed now stops to hold."""
    return datetime.fromtimestamp(now + RULES[role].lifetime_s, timezone.utc)


def custom_of(target: TargetFile) -> Custom:
    """What the signers say of a target.

    Raises:
        FleetError: it is not in the format, breaks a limit, or is of another kind than its path.
    """
    try:
        custom = msgspec.convert(target.custom, Custom)
    except msgspec.ValidationError as error:
        raise FleetError(f"{target.path}: {error}") from error
    folder, _, name = target.path.partition("/")
    if folder != FOLDER[custom.kind] or not _NAME.fullmatch(name):  # both become a path on the machine that publishes
        raise FleetError(f"{target.path}: its kind is {custom.kind}, which lies in {FOLDER[custom.kind]}/NAME")
    if target.length > MAX_BYTES[custom.kind] or not _SHA256.fullmatch(target.hashes.get("sha256", "")):
        raise FleetError(f"{target.path}: {target.length} bytes, at most {MAX_BYTES[custom.kind]}, with a sha256")
    return custom


def propose(fleet: Path, kind: Kind, name: str, content: Path, custom: Custom, *, now: int) -> Path:
    """Draft the next version of ``kind``'s role, with one more target; the published one stays in force.

    A target replaces the one of its name; a list also replaces its deployment's older one, and ended lists go.

    Args:
        fleet: the fleet's folder.
        kind: what it is.
        name: opaque; the target is FOLDER/NAME.
        content: the file; it is copied.
        custom: what the signers will vouch for.
        now: seconds since the epoch.

    Returns:
        The draft's folder.

    Raises:
        FleetError: a rule forbids it; the text names the figure and the limit.
        MetadataError: what is published is damaged.
        OSError: a file cannot be read or written.
    """
    if custom.kind != kind or not _NAME.fullmatch(name):
        raise FleetError(
            f"'{name}': a {kind} needs a name of 1 to 64 letters, digits, '.', '_', '-', not {custom.kind}"
        )
    least = next_counter(fleet, kind)
    if custom.counter < least:
        raise FleetError(f"{name}: counter {custom.counter}, vans may have seen {least - 1}; the least is {least}")
    if custom.counter >= least + MAX_STEP:
        raise FleetError(f"{name}: counter {custom.counter} is more than {MAX_STEP} above {least - 1}")
    if custom.not_after <= now:
        raise FleetError(f"{name}: may be used until {_day(custom.not_after)}, which is over")
    folder = Folder(fleet)
    published = folder.need_published()
    refuse_undelegated(published.targets["targets"].signed, kind)
    signed = _next(published, ROLE[kind], now)
    target = _target(f"{FOLDER[kind]}/{name}", content, custom)
    signed.targets = {path: old for path, old in signed.targets.items() if not _superseded(old, custom, now)}
    signed.targets[target.path] = target
    return write(folder, {ROLE[kind]: Metadata(signed)}, {hashed_path(target): content})


def renew(fleet: Path, roles: Iterable[str], *, now: int, without: Iterable[str] = ()) -> Path:
    """Draft the next version of roles as they are, with a new expiry, less the target paths in ``without``.

    Raises:
        FleetError: no such role or target.
        MetadataError: what is published is damaged.
    """
    folder = Folder(fleet)
    published = folder.need_published()
    gone = set(without)
    drafted: dict[str, Metadata[Any]] = {}
    for role in roles:
        if role not in OFFLINE:
            raise FleetError(f"{role}: people sign {', '.join(OFFLINE)}")
        if role == "root":
            root = copy.deepcopy(published.root)
            root.version, root.expires = root.version + 1, expiry("root", now)
            drafted[role] = Metadata(root)
            continue
        signed = _next(published, role, now)
        gone -= set(signed.targets)
        signed.targets = {path: target for path, target in signed.targets.items() if path not in set(without)}
        drafted[role] = Metadata(signed)
    if gone or not drafted:
        raise FleetError(f"{', '.join(sorted(gone)) or 'no role'}: nothing of that name is published")
    return write(folder, drafted, {})


def next_counter(fleet: Path, kind: Kind) -> int:
    """The least counter that a new target of ``kind`` may have: above all that were ever published or drafted.

    Raises:
        MetadataError: a file of this role cannot be read.
    """
    role = ROLE[kind]
    files = (*(fleet / METADATA).glob(f"*.{role}.json"), *Folder(fleet).drafts.glob(f"*/{role}.json"))
    found = [read(path.read_bytes(), Targets, str(path)).signed.targets.values() for path in files]
    return 1 + _highest((target for targets in found for target in targets), kind)


def load(path: Path) -> Draft:
    """The draft in a folder.

    Raises:
        FleetError: it is none.
        MetadataError: a file of it is damaged.
    """
    found: dict[str, Metadata[Any]] = {}
    for role in OFFLINE:
        file = path / f"{role}.json"
        if file.exists():
            found[role] = read(file.read_bytes(), Root if role == "root" else Targets, str(file))
            found[role].signatures.clear()
    if not found:
        raise FleetError(f"{path}: not a draft")
    return Draft(path, found)


def stale_role(draft: Draft, published: Published | None) -> str | None:
    """A role whose next version this is not, since another was published meanwhile."""
    versions = {role: published.version(role) if published else 0 for role in draft.metadata}
    return next((role for role, base in versions.items() if draft.metadata[role].signed.version != base + 1), None)


def check(draft: Draft, published: Published | None, now: int) -> None:
    """That a draft can be the next version.

    Raises:
        FleetError: stale, expired, longer than its role may hold, or with a target that no van would take.
    """
    stale = stale_role(draft, published)
    if stale is not None:
        base = published.version(stale) if published else 0
        version = draft.metadata[stale].signed.version
        raise FleetError(f"{draft.path.name}: stale: it is {stale} {version}, and {base} is published")
    top = draft.metadata.get("targets") or (published.targets["targets"] if published else None)
    for role, metadata in draft.metadata.items():
        signed = metadata.signed
        left_s = int(signed.expires.timestamp()) - now
        if not 0 < left_s <= RULES[role].lifetime_s:
            raise FleetError(f"{draft.path.name}: {role} expires in {left_s} s, of 1 to {RULES[role].lifetime_s}")
        if role not in DELEGATED and role != "root" and signed.targets:
            raise FleetError(f"{draft.path.name}: {role} names a target itself; only delegated roles do")
        for target in signed.targets.values() if role in DELEGATED else ():
            if custom_of(target).kind not in RULES[role].kinds:
                raise FleetError(f"{target.path}: {role} does not answer for it")
            if top is not None:
                refuse_undelegated(top.signed, custom_of(target).kind)
        if published and role in DELEGATED:
            _check_steps(published.targets[role].signed, signed)


def _check_steps(old: Targets, new: Targets) -> None:
    """No counter is further above the published ones than a van takes."""
    for target in new.targets.values():
        custom = custom_of(target)
        counter, top = custom.counter, _highest(old.targets.values(), custom.kind)
        if counter > top + MAX_STEP and target.path not in old.targets:
            raise FleetError(f"{target.path}: counter {counter} is more than {MAX_STEP} above {top}")


def _highest(targets: Iterable[TargetFile], kind: Kind) -> int:
    """The highest counter of a kind: a van counts each kind by itself, whoever signs it."""
    described = (custom_of(target) for target in targets)
    return max((custom.counter for custom in described if custom.kind == kind), default=0)


def check_content(draft: Draft, path: str, target: TargetFile) -> bool:
    """Whether the draft holds a target's bytes.

    Raises:
        FleetError: it holds others than the metadata says, or a link.
    """
    file = draft.content(target)
    if not file.exists():
        return False
    if file.resolve() != draft.path.resolve() / TARGETS / hashed_path(target):
        raise FleetError(f"{path}: the draft's file is a link to somewhere else")
    length, digest = _measure(file)
    if (length, digest) != (target.length, target.hashes["sha256"]):
        raise FleetError(f"{path}: the draft's file has {length} bytes and sha256 {digest[:12]}, not what it says")
    return True


def write(folder: Folder, metadata: Mapping[str, Metadata[Any]], contents: Mapping[str, Path]) -> Path:
    """Make a draft's folder, whole or not at all; ``contents`` by hashed path."""
    ordered = {role: metadata[role] for role in OFFLINE if role in metadata}
    mark = hashlib.sha256(b"".join(one.signed_bytes for one in ordered.values())).hexdigest()[:8]
    role, first = next(iter(ordered.items()))
    path = folder.drafts / f"{role}-{first.signed.version}-{mark}"
    making = folder.drafts / f".{path.name}"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for name, one in ordered.items():
        (making / f"{name}.json").write_bytes(one.to_bytes(JSONSerializer(compact=False)))
    for name, content in contents.items():
        copy_to = making / TARGETS / name
        copy_to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(content, copy_to)
    if path.exists():
        raise FleetError(f"{path}: there is this draft already")
    making.rename(path)
    return path


def _next(published: Published, role: str, now: int) -> Targets:
    signed = copy.deepcopy(published.targets[role].signed)
    signed.version, signed.expires = signed.version + 1, expiry(role, now)
    return signed


def _superseded(old: TargetFile, new: Custom, now: int) -> bool:
    if new.kind != "watchlist":
        return False
    custom = custom_of(old)
    return custom.deployment == new.deployment or custom.not_after <= now


def _target(path: str, content: Path, custom: Custom) -> TargetFile:
    try:
        length = content.stat().st_size
    except OSError as error:
        raise FleetError(f"{content}: {error.strerror}") from error
    if not 0 < length <= MAX_BYTES[custom.kind]:
        raise FleetError(f"{content}: {length} bytes, a {custom.kind} has 1 to {MAX_BYTES[custom.kind]}")
    length, digest = _measure(content)
    # as JSON has it: that is what is signed
    fields = msgspec.json.decode(msgspec.json.encode(custom))
    target = TargetFile(length, {"sha256": digest}, path, {"custom": fields})
    custom_of(target)  # what the type's constructor does not check, its reader does
    return target


def _measure(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
        return os.fstat(file.fileno()).st_size, digest.hexdigest()


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
