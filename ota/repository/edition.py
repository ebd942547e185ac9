"""A published state as files, in the order in which they may appear, and the sending of it to a place.

Knows which file leads to which; refuses to know who signed them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import Metadata, Root
from tuf.api.serialization.json import JSONSerializer

from ota.content import FOLDER
from ota.repository.draft import hashed_path
from ota.repository.folder import METADATA, TARGETS, TIMESTAMP, MetadataError, Published, verify
from ota.repository.people import FleetError
from ota.repository.stores import Store

Progress = Callable[[int, int], None]
"""Told the bytes that have gone, and how many there are."""
_LISTS = f"{TARGETS}/{FOLDER['watchlist']}/"


@dataclass(frozen=True)
class Edition:
    """A state's files by name.

    Attributes:
        targets: large files, which nothing leads to before the metadata.
        first: metadata that is only reached through the timestamp, and the roots that vans may see before it.
        timestamp: the one file that is replaced: with it, the state is in force.
        last: the newest root, where vans that hold the one before it can read all the rest too.
    """

    targets: Mapping[str, Path]
    first: Mapping[str, bytes]
    timestamp: bytes
    last: Mapping[str, bytes]


def edition(state: Published, folder: Path, contents: Mapping[str, Path]) -> Edition:
    """The files of a state.

    Args:
        state: what is to be published.
        folder: the fleet's, where the targets of earlier states lie.
        contents: new targets' files, by name.

    Raises:
        FleetError: a target's file is nowhere.
    """
    targets = {}
    for one in state.targets.values():
        for target in one.signed.targets.values():
            name = f"{TARGETS}/{hashed_path(target)}"
            targets[name] = contents.get(name, folder / name)
            if not targets[name].is_file() or targets[name].stat().st_size != target.length:
                raise FleetError(f"{target.path}: its {target.length} bytes are not in {targets[name]}")
    serial = JSONSerializer(compact=False)
    roots = {f"{METADATA}/{root.signed.version}.root.json": root.to_bytes(serial) for root in state.roots}
    last = {}
    if len(state.roots) > 1 and _readable(state, state.roots[-2]):
        name = f"{METADATA}/{state.root.version}.root.json"
        last[name] = roots.pop(name)
    others = {
        f"{METADATA}/{one.signed.version}.{role}.json": one.to_bytes(serial) for role, one in state.targets.items()
    }
    snapshot = {f"{METADATA}/{state.snapshot.signed.version}.snapshot.json": state.snapshot.to_bytes(serial)}
    return Edition(targets, {**others, **snapshot, **roots}, state.timestamp.to_bytes(serial), last)


def _readable(state: Published, root: Metadata[Root]) -> bool:
    """Whether a van with this root could read the state: then the newer root can come after everything else."""
    try:
        verify(root.signed, "snapshot", state.snapshot)
        verify(root.signed, "timestamp", state.timestamp)
        verify(root.signed, "targets", state.targets["targets"])
    except MetadataError:
        return False
    return True


def send(what: Edition, store: Store, progress: Progress) -> int:
    """Bring a place to this state; the bytes of targets that it lacked.

    Lists that nothing names any more are deleted there in the end.

    Raises:
        StoreError: it broke off; what vans can read there is whole, and sending again finishes it.
    """
    lacking = {name: path for name, path in what.targets.items() if store.length(name) != path.stat().st_size}
    total, done = sum(path.stat().st_size for path in lacking.values()), 0

    def sent(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    for name, path in lacking.items():
        store.put_file(name, path, sent)
    for name, data in what.first.items():
        store.put(name, data)
    store.put(TIMESTAMP, what.timestamp)
    for name, data in what.last.items():
        store.put(name, data)
    for name in set(store.names(_LISTS)) - set(what.targets):
        store.remove(name)
    store.finish()
    return total
