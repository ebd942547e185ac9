"""Who signed what is offered, verified again from files, without a network. Knows TUF metadata; not how it came here.

The update agent verified it before; whoever reads this does not believe the agent. Here the chain is walked anew: from
a root that came with the release over each later one to the top-level targets, to the role that signs for a kind, to
the target whose digest is asked for. The agent may write the files meanwhile: what does not verify now may do so soon.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Metadata, Root, Targets
from tuf.api.serialization import DeserializationError

from ota.content import ROLE, Custom, Kind
from ota.target import UpdateError, read_target

HISTORY = "root_history"
MAX_ROOTS = 256
"""As many as the public client follows at once."""
MAX_ROOT_BYTES = 512_000
MAX_TARGETS_BYTES = 5_000_000
"""As much as the public client takes."""
ENDS: tuple[Kind, ...] = ("model", "calibration", "policy", "software", "os")
"""Their signatures end with the role's time. A list has a window of its own, and a revocation only takes away."""
_R = TypeVar("_R", Root, Targets)
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class EvidenceError(Exception):
    """It cannot be told that enough people signed it; the text names the file or role and the fault."""


@dataclass(frozen=True)
class Asked:
    """What is to be proved: this content of this kind, now.

    Attributes:
        kind: of the content.
        sha256: of the content.
        now: seconds since the epoch; None where it does not matter any more whether the signatures have ended.
    """

    kind: Kind
    sha256: str
    now: int | None


@dataclass(frozen=True)
class Evidence:
    """What enough people signed.

    Attributes:
        custom: what they say of it.
        root_version, targets_version, role_version: of the metadata that says so.
    """

    custom: Custom
    root_version: int
    targets_version: int
    role_version: int


def proved(asked: Asked, trusted_root: bytes, folder: Path) -> Evidence:
    """Walk the chain.

    Args:
        asked: what is to be proved.
        trusted_root: root metadata that came with the release.
        folder: metadata as :mod:`ota.durable` writes it; nothing in it is believed.

    Raises:
        EvidenceError: it is not proved.
    """
    role = ROLE[asked.kind]
    try:
        root = _newest_root(trusted_root, folder / HISTORY)
        targets = _targets(folder / "targets.json", root, "targets")
        delegation = _delegation(targets, role)
        signed = _targets(folder / f"{role}.json", targets, role)
        custom = _found(asked, signed, delegation)
    except (RepositoryError, DeserializationError, UpdateError, ValueError, RecursionError) as error:
        raise EvidenceError(str(error)) from error
    if asked.kind in ENDS and asked.now is not None:
        for name, one in (("root", root), ("targets", targets), (role, signed)):
            _refuse_expired(name, one, asked.now)
    return Evidence(custom, root.version, targets.version, signed.version)


def _newest_root(trusted: bytes, history: Path) -> Root:
    """Each root is signed by enough of the one before it and of its own."""
    before = _parsed(trusted, Root, "root")
    before.signed.verify_delegate("root", before.signed_bytes, before.signatures)
    for _ in range(MAX_ROOTS):
        version = before.signed.version + 1
        path = history / f"{version}.root.json"
        try:
            data = _read(path, MAX_ROOT_BYTES)
        except FileNotFoundError:
            _refuse_twins(before.signed, tuple(before.signed.roles))
            return before.signed
        except OSError as error:
            raise EvidenceError(f"{path}: {error.strerror}") from error
        after = _parsed(data, Root, path.name)
        before.signed.verify_delegate("root", after.signed_bytes, after.signatures)
        after.signed.verify_delegate("root", after.signed_bytes, after.signatures)
        if after.signed.version != version:
            raise EvidenceError(f"{path.name}: is version {after.signed.version}")
        _refuse_twins(after.signed, ("root",))
        before = after
    raise EvidenceError(f"{history}: more than {MAX_ROOTS} roots after the one that came with the release")


def _targets(path: Path, delegator: Root | Targets, role: str) -> Targets:
    try:
        data = _read(path, MAX_TARGETS_BYTES)
    except OSError as error:
        raise EvidenceError(f"{path}: {error.strerror}") from error
    metadata = _parsed(data, Targets, path.name)
    delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    return metadata.signed


def _delegation(targets: Targets, role: str) -> DelegatedRole:
    delegations = targets.delegations
    found = None if delegations is None else (delegations.roles or {}).get(role)
    if found is None:
        raise EvidenceError(f"targets: delegates nothing to {role}")
    _refuse_twins(targets, (role,))
    return found


def _refuse_twins(delegator: Root | Targets, roles: tuple[str, ...]) -> None:
    """A threshold counts people: a key that stands there under two ids would be two of them."""
    for role in roles:
        keyids = delegator.get_delegated_role(role).keyids
        publics = {str(delegator.get_key(keyid).keyval.get("public", keyid)).strip().lower() for keyid in keyids}
        if len(publics) < len(keyids):
            raise EvidenceError(f"{role}: {len(keyids)} key ids, and {len(publics)} keys")


def _found(asked: Asked, signed: Targets, delegation: DelegatedRole) -> Custom:
    """The newest target of this digest and kind: what was signed as one thing proves nothing of another."""
    named = [(path, file) for path, file in signed.targets.items() if file.hashes.get("sha256") == asked.sha256]
    if not named:
        raise EvidenceError(f"{delegation.name} v{signed.version}: signs for no {asked.sha256[:16]}")
    found = [read_target(path, file, delegation) for path, file in named]
    meant = [target.custom for target in found if target.kind == asked.kind]
    if not meant:
        raise EvidenceError(f"{found[0].path}: was signed as a {found[0].kind}, and is offered as a {asked.kind}")
    return max(meant, key=lambda custom: custom.counter)


def _refuse_expired(name: str, signed: Root | Targets, now: int) -> None:
    if signed.is_expired(datetime.fromtimestamp(now, timezone.utc)):
        raise EvidenceError(f"{name} v{signed.version}: expired at {signed.expires:%Y-%m-%dT%H:%M:%SZ}")


def _parsed(data: bytes, kind: type[_R], name: str) -> Metadata[_R]:
    metadata = Metadata[_R].from_bytes(data)
    if not isinstance(metadata.signed, kind):
        raise EvidenceError(f"{name}: is no {kind.type} metadata")
    return metadata


def _read(path: Path, limit: int) -> bytes:
    """A small plain file.

    Raises:
        EvidenceError: another sort of file, or over the limit.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, _OPEN)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise EvidenceError(f"{path}: not a plain file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise EvidenceError(f"{path}: more than {limit} bytes")
    return data
