"""The first draft of a fleet, and the drafts that change who signs. Knows keys' public halves and seats.

Refuses to know private keys: a ceremony is every holder signing the same draft on their own machine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Role, Root, Targets

from ota.repository import draft
from ota.repository.folder import DRAFTS, FILE, METADATA, TARGETS, VANS, Folder, Published
from ota.repository.keys import holder_of, public_key
from ota.repository.people import FleetError, FleetFile, OfflineRole, check_seats, not_delegated, read_file
from ota.repository.roles import DELEGATED, ONLINE, RULES


def found(path: Path, people: Path, *, now: int) -> Path:
    """Make a fleet's folder and its first draft: every role's version 1, for all holders to sign.

    Raises:
        FleetError: the folder is in use, or ``people`` breaks a rule; the text names the role and the limit.
        KeyFileError: a public key cannot be read.
    """
    if path.exists() and any(path.iterdir()):
        raise FleetError(f"{path}: not empty")
    file = read_file(people)
    metadata = _first(file, now)
    for name in (METADATA, TARGETS, DRAFTS, VANS):
        (path / name).mkdir(parents=True, exist_ok=True)
    (path / FILE).write_bytes(people.read_bytes())
    return draft.write(Folder(path), metadata, {})


def _first(file: FleetFile, now: int) -> dict[str, Metadata[Any]]:
    keys: dict[str, list[Key]] = {role: [] for role in RULES}
    for one in file.holder:
        for seat in one.roles:
            keys[seat].append(public_key(one.public, one.name))
    for machine in file.online:
        keys[machine.role].append(public_key(machine.public))
    needed: Mapping[OfflineRole, int] = file.threshold
    thresholds = {role: rule.least for role, rule in RULES.items()} | dict(needed.items())
    roles = {name: Role([], thresholds[name]) for name in ("root", "timestamp", "snapshot", "targets")}
    root = Root(expires=draft.expiry("root", now), roles=roles)
    delegations = Delegations(
        {},
        {
            name: DelegatedRole(name, [], thresholds[name], RULES[name].terminating, RULES[name].paths)
            for name in DELEGATED
        },
    )
    targets = Targets(expires=draft.expiry("targets", now), delegations=delegations)
    for role, several in keys.items():
        for key in several:
            _seat(root, targets, role, key)
    check_seats(root, targets)
    return {
        "root": Metadata(root),
        "targets": Metadata(targets),
        **{name: Metadata(Targets(expires=draft.expiry(name, now))) for name in DELEGATED},
    }


def rotate(
    fleet: Path, role: str, *, add: Iterable[Key] = (), remove: Iterable[str] = (), threshold: int = 0, now: int
) -> Path:
    """Draft a change of who signs ``role``.

    A change of root is signed by enough holders of the old root and of the new one. A role whose keys change is drafted
    too, so that it holds under the new keys from the first moment. A role that may not name all of its kinds yet may do
    so from then on; that alone is a change too.

    Args:
        fleet: the fleet's folder.
        role: any role.
        add: keys, each with its holder unless the role is a machine's.
        remove: ids of keys, whole or their first 8 digits or more, or holders.
        threshold: a new one; 0 keeps it.
        now: seconds since the epoch.

    Raises:
        FleetError: a rule forbids it; the text names the role and the limit.
        MetadataError: what is published is damaged.
    """
    if role not in RULES:
        raise FleetError(f"{role}: the roles are {', '.join(RULES)}")
    folder = Folder(fleet)
    published = folder.need_published()
    root, targets = copy.deepcopy(published.root), copy.deepcopy(published.targets["targets"].signed)
    delegator: Root | Targets = targets if role in DELEGATED else root
    for which in remove:
        _unseat(root, targets, role, _meant(root, targets, role, which))
    for key in add:
        _seat(root, targets, role, key)
    if threshold:
        _role(root, targets, role).threshold = threshold
    if role in not_delegated(targets) and targets.delegations and targets.delegations.roles:
        targets.delegations.roles[role].paths = RULES[role].paths
    if delegator in (published.root, published.targets["targets"].signed):
        raise FleetError(f"{role}: nothing would change")
    check_seats(root, targets)
    return draft.write(folder, _changed(published, role, (root, targets), now), {})


def _changed(published: Published, role: str, new: tuple[Root, Targets], now: int) -> dict[str, Metadata[Any]]:
    root, targets = new
    drafted: dict[str, Metadata[Any]] = {}
    if role in DELEGATED:
        own = copy.deepcopy(published.targets[role].signed)
        own.version, own.expires = own.version + 1, draft.expiry(role, now)
        drafted[role] = Metadata(own)
    else:
        root.version, root.expires = root.version + 1, draft.expiry("root", now)
        drafted["root"] = Metadata(root)
    if role == "targets" or role in DELEGATED:
        targets.version, targets.expires = targets.version + 1, draft.expiry("targets", now)
        drafted["targets"] = Metadata(targets)
    return drafted


def _role(root: Root, targets: Targets, role: str) -> Role:
    if role not in DELEGATED:
        return root.roles[role]
    return ((targets.delegations.roles if targets.delegations else None) or {})[role]


def _seat(root: Root, targets: Targets, role: str, key: Key) -> None:
    if bool(holder_of(key)) is (role in ONLINE):
        raise FleetError(f"{role}: {'no holder has' if role in ONLINE else 'name the holder of'} key {key.keyid[:12]}")
    delegator: Root | Targets = targets if role in DELEGATED else root
    known = ((targets.delegations.keys if targets.delegations else {}) | root.keys).get(key.keyid, key)
    if holder_of(known) != holder_of(key):
        whose = [holder_of(one) or "a machine" for one in (known, key)]
        raise FleetError(f"key {key.keyid[:12]} is of {whose[0]}, not of {whose[1]}")
    delegator.add_key(key, role)


def _unseat(root: Root, targets: Targets, role: str, keyid: str) -> None:
    delegator: Root | Targets = targets if role in DELEGATED else root
    delegator.revoke_key(keyid, role)


def _meant(root: Root, targets: Targets, role: str, which: str) -> str:
    keys = (targets.delegations.keys if targets.delegations else {}) if role in DELEGATED else root.keys
    ids = [
        keyid
        for keyid in _role(root, targets, role).keyids
        if holder_of(keys[keyid]) == which or (len(which) >= 8 and keyid.startswith(which))
    ]
    if len(ids) != 1:
        raise FleetError(f"{which}: {len(ids)} keys of {role} are meant by it, name one")
    return ids[0]
