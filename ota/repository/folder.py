"""A fleet's folder: what is published, as verified metadata. Knows where files lie; refuses to know how they got there.

    fleet.toml   people, thresholds, online keys' URIs          vans/VAN.json   the vans
    metadata/    N.ROLE.json of every version, timestamp.json   targets/        FOLDER/SHA256.NAME
    drafts/      NAME/ROLE.json, NAME/targets/, NAME.KEYID.sig.json

Nothing in it is secret. What counts as published is what ``timestamp.json`` leads to; other files are a broken-off
publishing's, and the next one writes over them.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from ota.repository.people import FleetError
from ota.repository.roles import DELEGATED

METADATA, TARGETS, DRAFTS, VANS, FILE = "metadata", "targets", "drafts", "vans", "fleet.toml"
TIMESTAMP = f"{METADATA}/timestamp.json"
_S = TypeVar("_S", Root, Timestamp, Snapshot, Targets)


class MetadataError(Exception):
    """Metadata that is not what its signers signed, or does not fit the rest; names the file."""


@dataclass(frozen=True)
class Published:
    """One whole verified state. ``roots``: 1 to N; ``targets``: targets and every delegated role, by name."""

    roots: tuple[Metadata[Root], ...]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: dict[str, Metadata[Targets]]

    @property
    def root(self) -> Root:
        """The one in force."""
        return self.roots[-1].signed

    def version(self, role: str) -> int:
        """Of a role that people sign."""
        return self.root.version if role == "root" else self.targets[role].signed.version


def read(data: bytes, kind: type[_S], name: str) -> Metadata[_S]:
    """Metadata of one type, its signatures not looked at.

    Raises:
        MetadataError: it is none.
    """
    try:
        found = Metadata[_S].from_bytes(data)
    except DeserializationError as error:
        raise MetadataError(f"{name}: not TUF metadata") from error
    if not isinstance(found.signed, kind):
        raise MetadataError(f"{name}: is {found.signed.type}, expected {kind.type}")
    return found


def verify(delegator: Root | Targets, role: str, found: Metadata[_S]) -> None:
    """That enough of ``role``'s keys signed it.

    Raises:
        MetadataError: they did not.
    """
    try:
        delegator.verify_delegate(role, found.signed_bytes, found.signatures)
    except (RepositoryError, ValueError) as error:
        raise MetadataError(f"{role} {found.signed.version}: {error}") from error


def check_versions(snapshot: Snapshot, targets: dict[str, Metadata[Targets]]) -> None:
    """That a snapshot names exactly these roles in these versions.

    Raises:
        MetadataError: it does not.
    """
    named = {name.removesuffix(".json"): meta.version for name, meta in snapshot.meta.items()}
    found = {name: one.signed.version for name, one in targets.items()}
    if named != found:
        raise MetadataError(f"snapshot {snapshot.version}: names {named}, found {found}")


class Folder:
    """A fleet's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def drafts(self) -> Path:
        """Where what is not yet signed lies."""
        return self.path / DRAFTS

    def published(self) -> Published | None:
        """What is published, with every signature verified, expired or not; None before the first time.

        Raises:
            MetadataError: names the file and what is wrong.
        """
        if not (self.path / TIMESTAMP).exists():
            return None
        roots = self._roots()
        first_fault: MetadataError | None = None
        # A publishing that broke off may have left a root whose keys the rest is not signed with yet.
        for count in range(len(roots), 0, -1):
            try:
                return self._state(roots[:count])
            except MetadataError as error:
                first_fault = first_fault or error
        raise first_fault or MetadataError(f"{METADATA}: no root")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from publishing from this folder: an admin and cron would overwrite each other's versions.

        Raises:
            FleetError: another does it now.
        """
        with (self.path / FILE).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FleetError(f"{self.path}: another publishing is at work") from error
            yield

    def _roots(self) -> list[Metadata[Root]]:
        roots: list[Metadata[Root]] = []
        while (self.path / METADATA / f"{len(roots) + 1}.root.json").exists():
            name = f"{len(roots) + 1}.root.json"
            root = self._read(name, Root)
            for delegator in (*([roots[-1].signed] if roots else []), root.signed):
                verify(delegator, "root", root)
            if root.signed.version != len(roots) + 1:
                raise MetadataError(f"{name}: its version is {root.signed.version}")
            roots.append(root)
        return roots

    def _state(self, roots: Sequence[Metadata[Root]]) -> Published:
        root = roots[-1].signed
        timestamp = self._read("timestamp.json", Timestamp)
        verify(root, "timestamp", timestamp)
        snapshot = self._read(f"{timestamp.signed.snapshot_meta.version}.snapshot.json", Snapshot)
        verify(root, "snapshot", snapshot)
        if snapshot.signed.version != timestamp.signed.snapshot_meta.version:
            raise MetadataError(f"snapshot: is {snapshot.signed.version}, the timestamp says another")
        targets: dict[str, Metadata[Targets]] = {}
        for role in ("targets", *DELEGATED):
            if f"{role}.json" not in snapshot.signed.meta:
                raise MetadataError(f"snapshot {snapshot.signed.version}: names no {role}")
            found = self._read(f"{snapshot.signed.meta[f'{role}.json'].version}.{role}.json", Targets)
            verify(root if role == "targets" else targets["targets"].signed, role, found)
            targets[role] = found
        check_versions(snapshot.signed, targets)
        return Published(tuple(roots), timestamp, snapshot, targets)

    def _read(self, name: str, kind: type[_S]) -> Metadata[_S]:
        path = self.path / METADATA / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise MetadataError(f"{METADATA}/{name}: {error.strerror}") from error
        return read(data, kind, f"{METADATA}/{name}")

    def need_published(self) -> Published:
        """What is published.

        Raises:
            FleetError: nothing is.
            MetadataError: it is damaged.
        """
        found = self.published()
        if found is None:
            raise FleetError(f"{self.path}: nothing is published yet; sign and publish the first draft")
        return found
