"""A whole repository in memory, with its keys, made by ``tuf.api.metadata``: to publish and to attack with.

Roles, thresholds and expiries are those of a fleet. ``files`` is what a server or a stick offers: paths relative to the
base, such as ``metadata/timestamp.json`` and ``targets/model/DIGEST.NAME``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from ota.content import FOLDER, KINDS, ROLE, Custom, Kind

NOW = 1_800_000_000
"""2027-01-15, when these stories happen."""
DAY_S = 86_400
KEYS: dict[str, tuple[int, int]] = {
    "root": (2, 3),
    "targets": (2, 3),
    "watchlists": (2, 3),
    "revocations": (1, 3),
    "models": (2, 3),
    "policies": (2, 3),
    "software": (2, 3),
    "os": (2, 3),
    "snapshot": (1, 1),
    "timestamp": (1, 1),
}
"""Threshold of a role, and how many keys it has."""
EXPIRES_S: dict[str, int] = {
    "root": 365 * DAY_S,
    "targets": 365 * DAY_S,
    "watchlists": 2 * DAY_S,
    "revocations": 90 * DAY_S,
    "models": 90 * DAY_S,
    "policies": 90 * DAY_S,
    "software": 90 * DAY_S,
    "os": 90 * DAY_S,
    "snapshot": 7 * DAY_S,
    "timestamp": DAY_S,
}
VAN = "a" * 64
S = TypeVar("S", bound=Signed)


def custom(kind: Kind, counter: int = 1, **more: object) -> Custom:
    """What signers may say of a target; complete for its kind."""
    of_a_list = {"not_before": NOW, "not_after": NOW + DAY_S, "deployment": "d-1", "max_faces": 100}
    fields: dict[str, Any] = {"kind": kind, "vans": (VAN,), "counter": counter}
    return Custom(**(fields | (of_a_list if kind == "watchlist" else {}) | more))


class Repository:
    """Version 1 of all roles is published when it is made; ``now`` is when its signers sign, in seconds."""

    def __init__(self, now: int = NOW, kinds: Sequence[Kind] = KINDS) -> None:
        self.now = now
        self.files: dict[str, bytes] = {}
        self.delegated = {ROLE[kind]: tuple(one for one in kinds if ROLE[one] == ROLE[kind]) for kind in kinds}
        self.signers = {role: make_keys(KEYS[role][1]) for role in (*KEYS,) if role not in ROLE.values()}
        self.signers |= {role: make_keys(KEYS[role][1]) for role in self.delegated}
        self.roles: dict[str, Metadata[Any]] = {}
        self._make_root()
        self._make_targets()
        self.roles["snapshot"] = Metadata(Snapshot(version=1, expires=self._expires("snapshot")))
        self.roles["timestamp"] = Metadata(Timestamp(version=1, expires=self._expires("timestamp")))
        self.link()
        for role in self.roles:
            self.offer(role)

    @property
    def root(self) -> Root:
        """The root as it will be published next."""
        signed: Root = self.roles["root"].signed
        return signed

    @property
    def trusted_root(self) -> bytes:
        """Root metadata of version 1, as a release holds it."""
        return self.files["metadata/1.root.json"]

    def targets(self, role: str = "targets") -> Targets:
        """A targets role as it will be published next."""
        signed: Targets = self.roles[role].signed
        return signed

    def delegation(self, role: str) -> DelegatedRole:
        """What the top-level targets say of a role."""
        roles = delegations(self.targets()).roles
        assert roles is not None
        return roles[role]

    def add(self, kind: Kind, name: str, content: bytes, said: Custom | Mapping[str, object] | None = None) -> str:
        """Add a target to its role, not published yet; returns its path. ``said``: any JSON, to lie with."""
        path = f"{FOLDER[kind]}/{name}"
        self.put(ROLE[kind], path, content, custom(kind) if said is None else said)
        return path

    def put(self, role: str, path: str, content: bytes, said: Custom | Mapping[str, object]) -> None:
        """Add any path to any role, and its content to the files."""
        file = TargetFile.from_data(path, content, ["sha256"])
        file.unrecognized_fields["custom"] = json.loads(msgspec.json.encode(said))
        self.targets(role).targets[path] = file
        self.files[content_path(path, content)] = content

    def publish(self, *roles: str, only: Sequence[str] | None = None) -> None:
        """Sign the next version of ``roles``, of snapshot and timestamp, and offer them.

        Args:
            roles: root, targets, or delegated ones.
            only: sign and offer just these, instead of ``roles``, snapshot and timestamp.
        """
        for role in only if only is not None else (*roles, "snapshot", "timestamp"):
            signed = self.roles[role].signed
            signed.version += 1
            signed.expires = self._expires(role)
            self.link()
            self.offer(role)

    def link(self) -> None:
        """Let the snapshot list the roles' versions, and the timestamp the snapshot's."""
        listed = {f"{role}.json": MetaFile(self.roles[role].signed.version) for role in ("targets", *self.delegated)}
        self.roles["snapshot"].signed.meta = listed
        self.roles["timestamp"].signed.snapshot_meta = MetaFile(self.roles["snapshot"].signed.version)

    def offer(self, role: str, signers: Sequence[CryptoSigner] | None = None) -> bytes:
        """Sign a role as it is, by as many as its threshold or by ``signers``, and offer it."""
        by = self.signers[role][: KEYS.get(role, (1, 1))[0]] if signers is None else signers
        metadata = self.roles[role]
        metadata.signatures.clear()
        for signer in by:
            metadata.sign(signer, append=True)
        data: bytes = metadata.to_bytes()
        name = f"{role}.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
        self.files[f"metadata/{name}"] = data
        return data

    def rotate(self, *roles: str) -> None:
        """Give roles new keys; publish the root and, for a delegated role, the targets too."""
        for role in roles:
            self.signers[role] = make_keys(KEYS[role][1])
            keyids = [signer.public_key.keyid for signer in self.signers[role]]
            delegator = delegations(self.targets()) if role in self.delegated else self.root
            assert delegator.roles is not None
            delegator.roles[role].keyids = keyids
            delegator.keys.update({signer.public_key.keyid: signer.public_key for signer in self.signers[role]})

    def delegate(self, role: str, paths: Sequence[str], delegator: str = "targets") -> None:
        """Delegate paths to one more role with keys of its own; not published yet."""
        self.signers.setdefault(role, make_keys(1))
        self.roles.setdefault(role, Metadata(Targets(version=1, expires=self._expires("models"))))
        self.delegated.setdefault(role, ("model",))
        of = self.targets(delegator)
        of.delegations = of.delegations or Delegations({}, {})
        assert of.delegations.roles is not None
        key = self.signers[role][0].public_key
        of.delegations.keys[key.keyid] = key
        of.delegations.roles[role] = DelegatedRole(role, [key.keyid], 1, terminating=False, paths=list(paths))

    def undelegate(self, role: str) -> None:
        """Let the top-level targets know nothing of a role; not published yet."""
        roles = delegations(self.targets()).roles
        assert roles is not None
        del roles[role]

    def write(self, folder: Path) -> Path:
        """All files as a folder, such as a USB stick has."""
        for path, data in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder

    def _make_root(self) -> None:
        root = Root(version=1, expires=self._expires("root"), consistent_snapshot=True)
        for role in ("root", "targets", "snapshot", "timestamp"):
            for signer in self.signers[role]:
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = KEYS[role][0]
        self.roles["root"] = Metadata(root)

    def _make_targets(self) -> None:
        made = Delegations({}, {})
        assert made.roles is not None
        for role, named in self.delegated.items():
            keys = [signer.public_key for signer in self.signers[role]]
            made.keys.update({key.keyid: key for key in keys})
            paths = [f"{FOLDER[kind]}/*" for kind in named]
            made.roles[role] = DelegatedRole(
                role, [key.keyid for key in keys], KEYS[role][0], terminating=True, paths=paths
            )
            self.roles[role] = Metadata(Targets(version=1, expires=self._expires(role)))
        self.roles["targets"] = Metadata(Targets(version=1, expires=self._expires("targets"), delegations=made))

    def _expires(self, role: str) -> datetime:
        after = timedelta(seconds=EXPIRES_S.get(role, DAY_S))
        return datetime.fromtimestamp(self.now, timezone.utc) + after


def make_keys(count: int) -> list[CryptoSigner]:
    """New Ed25519 keys."""
    return [CryptoSigner.generate_ed25519() for _ in range(count)]


def replace_id(key: SSlibKey, keyid: str) -> SSlibKey:
    """The same key under another id."""
    return SSlibKey(keyid, key.keytype, key.scheme, dict(key.keyval))


def delegations(targets: Targets) -> Delegations:
    """Those that there are."""
    assert targets.delegations is not None
    return targets.delegations


def content_path(path: str, content: bytes) -> str:
    """Where a repository with consistent snapshots offers a target."""
    folder, _, name = path.rpartition("/")
    return f"targets/{folder}/{hashlib.sha256(content).hexdigest()}.{name}"
