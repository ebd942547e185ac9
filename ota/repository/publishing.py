"""From signed drafts to a state that vans can read. Knows thresholds, online keys and the order in which files appear.

Refuses to know what the targets hold. The fleet's folder is published to first, by the same steps as any other place; a
publishing that broke off is finished by doing it again. The rule of the order: at every moment a van that asks sees the
old state or the new one, whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from ota.repository import draft as drafts
from ota.repository import signing
from ota.repository.draft import Draft
from ota.repository.edition import edition, send
from ota.repository.folder import FILE, TARGETS, TIMESTAMP, Folder, MetadataError, Published, read, verify
from ota.repository.keys import KeyFileError
from ota.repository.people import FleetError, FleetFile, read_file
from ota.repository.roles import DELEGATED, REFRESH_SNAPSHOT_S
from ota.repository.signing import Tally
from ota.repository.stores import DirectoryStore, Store

OpenSigner = Callable[[str, Iterable[Key]], Signer]
"""From a private key's URI and the keys that it may be to its signer; raises KeyFileError."""


class NotEnough(Exception):
    """Signatures are missing; ``tallies`` says whose could still come."""

    def __init__(self, tallies: Sequence[Tally]) -> None:
        self.tallies = tuple(tally for tally in tallies if not tally.enough)
        super().__init__(
            "; ".join(
                f"{tally.seats.role}: {len(tally.signed)} of {tally.seats.threshold} signatures, missing "
                f"{' or '.join(tally.missing)}"
                for tally in self.tallies
            )
        )


@dataclass(frozen=True)
class Seen:
    """What a place holds already: versions that a new state has to exceed."""

    timestamp: int = 0
    snapshot: int = 0


def look(there: Store, published: Published | None) -> Seen:
    """What ``there`` holds, believed only if this fleet signed it.

    Raises:
        FleetError: it is further than this folder, or another fleet's.
        MetadataError: it is damaged.
        StoreError: it cannot be read.
    """
    data = there.read(TIMESTAMP)
    if data is None:
        return Seen()
    timestamp = read(data, Timestamp, TIMESTAMP)
    if published is None or not any(_holds(root.signed, timestamp) for root in published.roots):
        raise FleetError("there is a timestamp already, and the online keys that this folder knows did not sign it")
    version = timestamp.signed.snapshot_meta.version
    snapshot = read(there.read(f"metadata/{version}.snapshot.json") or b"", Snapshot, f"{version}.snapshot.json")
    for name, meta in snapshot.signed.meta.items():
        role = name.removesuffix(".json")
        if role in published.targets and meta.version > published.version(role):
            ours = published.version(role)
            raise FleetError(f"there is {role} {meta.version}, this folder has {ours}: get the newer folder first")
    return Seen(timestamp.signed.version, version)


def _holds(root: Root, timestamp: Metadata[Timestamp]) -> bool:
    try:
        verify(root, "timestamp", timestamp)
    except MetadataError:
        return False
    return True


class Press:
    """Makes the next published state of a fleet's folder."""

    def __init__(self, folder: Folder, open_signer: OpenSigner) -> None:
        self._folder = folder
        self._file: FleetFile = read_file(folder.path / FILE)
        self._open = open_signer

    def publish(self, paths: Sequence[Path], files: Sequence[Path], seen: Seen, now: int) -> Published:
        """Take in signed drafts; those in the fleet's own folder are gone then, and their content is among the targets.

        Args:
            paths: drafts' folders.
            files: signature files that do not lie beside them.
            seen: what the place that it will go to holds.
            now: seconds since the epoch.

        Raises:
            NotEnough: signatures are missing.
            FleetError: a draft is stale, expired, changed, or does not fit the rest.
            MetadataError: what is published is damaged.
            KeyFileError: no online key of a role can be used.
        """
        published = self._folder.published()
        waiting = [one for one in map(drafts.load, paths) if not _taken_in(one, published)]
        if waiting:
            together = self._together(waiting, files, published, now)
            root = together.get("root") or (published.roots[-1] if published else None)
            if root is None:
                raise FleetError("nothing is published, and a first draft holds root and targets")
            targets = (published.targets if published else {}) | {k: v for k, v in together.items() if k != "root"}
            self._check(root.signed, targets)
            self._out(self._sign(published, root, targets, _above(seen, published), now), waiting)
        for path in (one for one in paths if one.resolve().parent == self._folder.drafts.resolve()):
            shutil.rmtree(path)
            for file in signing.beside(path):
                file.unlink()
        return self._folder.need_published()

    def refresh(self, seen: Seen, now: int) -> Published:
        """Sign the timestamp anew, and the snapshot when it nears its expiry. People's signatures stay as they are.

        Raises:
            FleetError: nothing is published.
            MetadataError: what is published is damaged.
            KeyFileError: no online key of a role can be used.
        """
        published = self._folder.need_published()
        left_s = int(published.snapshot.signed.expires.timestamp()) - now
        above = _above(seen, published)
        if left_s > REFRESH_SNAPSHOT_S:
            snapshot = published.snapshot
        else:
            snapshot = self._snapshot(published.targets, above, now)
            self._by_machine(snapshot, "snapshot", [published.root])
        timestamp = self._timestamp(snapshot.signed.version, above, now)
        self._by_machine(timestamp, "timestamp", [published.root])
        self._out(Published(published.roots, timestamp, snapshot, published.targets), [])
        return self._folder.need_published()

    def _together(
        self, waiting: Sequence[Draft], files: Sequence[Path], published: Published | None, now: int
    ) -> dict[str, Metadata[Any]]:
        """The drafts' metadata with its signatures, enough of each."""
        together: dict[str, Metadata[Any]] = {}
        for one in waiting:
            drafts.check(one, published, now)
            twice = sorted({*together} & {*one.metadata})
            if twice:
                raise FleetError(f"two drafts of {', '.join(twice)}: publish one, then propose the other again")
            together.update(one.metadata)
        seats = signing.seats_for(together, published)
        tallies: list[Tally] = []
        for one in waiting:
            own = {role: seats[role] for role in one.metadata}
            signatures = signing.collect(one, own, [*signing.beside(one.path), *_meant_for(one, waiting, files)])
            tallies += signing.tally(own, signatures)
            for role, found in signatures.items():
                one.metadata[role].signatures.update(found)
        if not all(tally.enough for tally in tallies):
            raise NotEnough(tallies)
        return together

    def _check(self, root: Root, targets: Mapping[str, Metadata[Targets]]) -> None:
        for role in ("targets", *DELEGATED):
            if role not in targets:
                raise FleetError(f"a first draft holds every role, {role} is missing")
            verify(root if role == "targets" else targets["targets"].signed, role, targets[role])

    def _sign(
        self,
        published: Published | None,
        root: Metadata[Root],
        targets: dict[str, Metadata[Targets]],
        above: Seen,
        now: int,
    ) -> Published:
        roots = published.roots if published else ()
        if not roots or root.signed.version > roots[-1].signed.version:
            roots = (*roots, root)
        snapshot = self._snapshot(targets, above, now)
        timestamp = self._timestamp(snapshot.signed.version, above, now)
        # a van that has not seen the new root yet knows only the old online keys
        known = [one.signed for one in roots[-2:]]
        self._by_machine(snapshot, "snapshot", known)
        self._by_machine(timestamp, "timestamp", known)
        return Published(roots, timestamp, snapshot, targets)

    def _snapshot(self, targets: Mapping[str, Metadata[Targets]], above: Seen, now: int) -> Metadata[Snapshot]:
        meta = {f"{role}.json": MetaFile(one.signed.version) for role, one in targets.items()}
        return Metadata(Snapshot(above.snapshot + 1, expires=drafts.expiry("snapshot", now), meta=meta))

    def _timestamp(self, snapshot: int, above: Seen, now: int) -> Metadata[Timestamp]:
        expires = drafts.expiry("timestamp", now)
        return Metadata(Timestamp(above.timestamp + 1, expires=expires, snapshot_meta=MetaFile(snapshot)))

    def _by_machine(self, metadata: Metadata[Any], role: str, roots: Sequence[Root]) -> None:
        """Sign with every online key of the role that is within reach; the newest root must be satisfied."""
        keys = {keyid: root.keys[keyid] for root in roots for keyid in root.roles[role].keyids}
        faults = []
        for uri in (one.uri for one in self._file.online if one.role == role):
            try:
                metadata.sign(self._open(uri, keys.values()), append=True)
            except KeyFileError as error:
                faults.append(str(error))
        try:
            verify(roots[-1], role, metadata)
        except MetadataError as error:
            raise KeyFileError(f"{error}: {'; '.join(faults) or f'{FILE} names no key of it'}") from error

    def _out(self, state: Published, waiting: Sequence[Draft]) -> None:
        contents = {}
        for one in waiting:
            for role in (name for name in one.metadata if name in DELEGATED):
                for path, target in one.metadata[role].signed.targets.items():
                    if drafts.check_content(one, path, target):
                        contents[f"{TARGETS}/{drafts.hashed_path(target)}"] = one.content(target)
        send(edition(state, self._folder.path, contents), DirectoryStore(self._folder.path), lambda done, total: None)


def _above(seen: Seen, published: Published | None) -> Seen:
    if published is None:
        return seen
    return Seen(
        max(seen.timestamp, published.timestamp.signed.version), max(seen.snapshot, published.snapshot.signed.version)
    )


def _taken_in(draft: Draft, published: Published | None) -> bool:
    """Whether a publishing that broke off has taken it in already."""
    if published is None:
        return False
    now: dict[str, Metadata[Any]] = {"root": published.roots[-1], **published.targets}
    return all(now[role].signed_bytes == one.signed_bytes for role, one in draft.metadata.items())


def _meant_for(draft: Draft, waiting: Sequence[Draft], files: Iterable[Path]) -> list[Path]:
    """Of loose signature files those that name this draft's bytes; with one draft, all: a misfit is then an error."""
    if len(waiting) == 1:
        return list(files)
    return [path for path in files if any(over.role in draft.metadata for over in signing.read_file(path).signatures)]
