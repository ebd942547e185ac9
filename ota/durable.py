"""The public TUF client, made to survive power cuts and set-back clocks. Knows metadata; not what the targets are for.

python-tuf verifies. What is added here: our clock is its clock; a version floor for each role and its keys, in SQLite,
since the client takes a torn cache for an absent one and would then believe old metadata again; and writes that last.
First the floors are committed, then the files are replaced: a power cut between leaves floors whose metadata is not
cached yet, which the next check fetches again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import cast
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.signer import Key
from tuf.api.exceptions import BadVersionNumberError, RepositoryError
from tuf.api.metadata import DelegatedRole, Root, Snapshot, Targets, Timestamp
from tuf.ngclient import Updater

from ota.disk import Disk
from ota.fetch import Fetcher
from ota.records import Floor, Records

HISTORY = "root_history"


@dataclass(frozen=True)
class Memory:
    """Where verified metadata is kept: its folder, the floors, and the disk on which both lie."""

    folder: Path
    records: Records
    disk: Disk


class DurableUpdater(Updater):
    """For one check: its time stands still. Underscored names of the base class are relied on; the lock pins it.

    Args:
        root: root metadata that is trusted because it came with the release.
        now: seconds since the epoch.

    Raises:
        RepositoryError: ``root`` is no valid root metadata.
    """

    def __init__(self, memory: Memory, url: str, fetcher: Fetcher, root: bytes, now: int) -> None:
        self._memory = memory
        self._unwritten: dict[Path, bytes] = {}
        self._passed: dict[str, Floor] = {}
        self._delegators: dict[str, str] = {}
        super().__init__(str(memory.folder), url, fetcher=fetcher, bootstrap=root)
        self._trusted_set.reference_time = datetime.fromtimestamp(now, timezone.utc)

    @property
    def root(self) -> Root:
        """The newest root, verified."""
        return self._trusted_set.root

    @property
    def timestamp(self) -> Timestamp:
        """The newest timestamp, verified; after :meth:`refresh`."""
        return self._trusted_set.timestamp

    def refresh(self) -> None:
        """As the base class; and no role is older than it was.

        Raises:
            RepositoryError, DownloadError, OSError: as the base class; ``BadVersionNumberError`` below a floor.
        """
        super().refresh()
        for role in (Root.type, Timestamp.type, Snapshot.type, Targets.type):
            self._pass(role)

    def delegation(self, role: str) -> DelegatedRole | None:
        """What the top-level targets say of a role: its keys and paths. None: nothing."""
        delegations = self._trusted_set.targets.delegations
        return (delegations.roles or {}).get(role) if delegations else None

    def in_snapshot(self, role: str) -> bool:
        """Whether the snapshot has a role."""
        return f"{role}.json" in self._trusted_set.snapshot.meta

    def delegated(self, role: str) -> Targets:
        """A role as the top-level targets delegate it: never as another role does, whatever its name.

        Raises:
            RepositoryError, DownloadError, OSError: as the base class; ``BadVersionNumberError`` below a floor.
        """
        targets = self._load_targets(role, Targets.type)
        self._pass(role)
        return targets

    def keep(self, time_floor: int = 0, checked: int = 0) -> None:
        """Write down what was verified, also when a later role was not.

        Raises:
            UpdateError: ``disk``; the floors were not raised, and no file was replaced.
            OSError: a file was not replaced.
        """
        self._memory.records.raise_floors(self._passed.values(), time_floor, checked)
        if (history := self._history(self.root.version)) in self._unwritten:
            self._unwritten[self._memory.folder / "root.json"] = self._unwritten[history]
        for path, data in self._unwritten.items():
            self._memory.disk.make(path.parent)
            if not path.is_file() or path.read_bytes() != data:
                self._memory.disk.replace(path, data)
        self._unwritten.clear()

    def _pass(self, role: str) -> None:
        """Let a verified role through unless it is older than one before it."""
        self._refuse_twins(role)
        floor = Floor(role, self._line(role), self._trusted_set[role].version)
        lowest = self._memory.records.floor(role, floor.keys)
        if floor.version < lowest:
            raise BadVersionNumberError(f"{role} v{floor.version} is older than v{lowest}, which was seen before")
        self._passed[role] = floor

    def _line(self, role: str) -> tuple[str, ...]:
        """Ids of the keys whose replacement lets a role's versions count anew.

        A root's never do, since each follows from the one before it. What the snapshot lists also counts anew when the
        snapshot's keys are replaced: this is how TUF recovers from versions that somebody ran up with stolen keys.
        """
        if role == Root.type:
            return ()
        listed = [] if role in (Timestamp.type, Snapshot.type) else self.root.roles[Snapshot.type].keyids
        return tuple(sorted({*self._delegator(role).get_delegated_role(role).keyids, *listed}))

    def _refuse_twins(self, role: str) -> None:
        """A threshold counts people: a key that stands there under two ids would be two of them. TUF counts ids."""
        delegator = self._delegator(role)
        keyids = delegator.get_delegated_role(role).keyids
        publics = {_public(delegator.get_key(keyid)) for keyid in keyids}
        if len(publics) < len(keyids):
            raise RepositoryError(f"{role}: {len(keyids)} key ids, and {len(publics)} keys")

    def _delegator(self, role: str) -> Root | Targets:
        if role in self.root.roles:
            return self.root
        return cast("Targets", self._trusted_set[self._delegators[role]])

    def _history(self, version: int) -> Path:
        return self._memory.folder / HISTORY / f"{version}.root.json"

    def _cached(self, role: str) -> Path:
        return self._memory.folder / f"{quote(role, '')}.json"

    # What the base class does in its own way.

    def _load_targets(self, role: str, parent_role: str) -> Targets:
        self._delegators[role] = parent_role
        return super()._load_targets(role, parent_role)

    def _load_local_metadata(self, rolename: str) -> bytes:
        return self._unwritten.get(self._cached(rolename)) or super()._load_local_metadata(rolename)

    def _persist_metadata(self, rolename: str, data: bytes) -> None:
        self._pass(Root.type)
        self._pass(rolename)
        self._unwritten[self._cached(rolename)] = data

    def _persist_root(self, version: int, data: bytes) -> None:
        self._passed[Root.type] = Floor(Root.type, (), version)
        self._unwritten[self._history(version)] = data

    def _update_root_symlink(self) -> None:
        """root.json is written by :meth:`keep`, as a file, and nobody trusts it."""


def _public(key: Key) -> bytes:
    """A key itself, however it was written down.

    Raises:
        RepositoryError: it cannot be read.
    """
    text = str(key.keyval.get("public", ""))
    try:
        if key.keytype == "ed25519":
            return bytes.fromhex(text)
        return load_pem_public_key(text.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RepositoryError(f"key {key.keyid[:12]}: not readable: {error}") from error
