"""What enough people signed for, fresh and never older than before. Knows roles and limits; not what it is used for.

One check is one look at the whole repository. What is wrong with one role or one target leaves that one out, with the
reason; what is wrong with root, timestamp, snapshot or targets, with the clock, the road or the disk ends the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from board.clock import Clock
from ota.content import ROLES
from ota.download import Wanted, download
from ota.durable import DurableUpdater, Memory
from ota.faults import sorted_out
from ota.fetch import Fetcher
from ota.records import Records
from ota.store import Store
from ota.target import Fault, Skipped, Target, UpdateError, read_target

__all__ = ["Skipped", "Source", "Target", "Trusted", "UpdateError"]

TIMESTAMP_VALIDITY_S = 24 * 3600
"""The fleet never signs a timestamp for longer, so one that expires at E was signed at E - 24 h or later."""
SLOW_S = 3600
"""So much may a van's clock be slow. A timestamp that was signed later yet comes from a misused key, or the clock is
set back; which of the two cannot be told here, so it proves nothing."""
ENDS_THE_CHECK: tuple[Fault, ...] = ("unreachable", "clock", "disk")
"""Not a fault of one role: the next one would have it too."""


@dataclass(frozen=True)
class Source:
    """A repository: base URLs of its metadata and its targets, and what fetches from there."""

    metadata_url: str
    targets_url: str
    fetcher: Fetcher


class Trusted:
    """The verifying side, on one van, of one repository.

    Args:
        metadata_dir: cache of verified metadata; nobody else writes to it.
        root: root metadata as it came with the release.
        records: holds the floors.
        store: takes what is fetched; its disk is the one that is written to.
        clock: is raised by what the signed metadata proves.
    """

    def __init__(
        self, metadata_dir: Path, root: bytes, source: Source, records: Records, store: Store, clock: Clock
    ) -> None:
        self._memory = Memory(metadata_dir, records, store.disk)
        self._root = root
        self._source = source
        self._store = store
        self._clock = clock
        self._skipped: tuple[Skipped, ...] = ()

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What the last check left out, and why."""
        return self._skipped

    def check(self) -> tuple[Target, ...]:
        """Look what the repository has now; the floors, the time floor and the moment of the check are recorded.

        Returns:
            Every target of the delegated roles that is as it should be; see :attr:`skipped` for the others.

        Raises:
            UpdateError: nothing of the repository is to be used.
        """
        self._skipped = ()
        checked = 0
        source = self._source
        with sorted_out():
            now = self._clock.claimed()  # what is fresh then may vouch for a clock that jumped ahead
            updater = DurableUpdater(self._memory, source.metadata_url, source.fetcher, self._root, now)
        try:
            targets = tuple(self._found(updater, now))
            checked = now
        except UpdateError as error:
            if error.fault == "expired":
                with sorted_out():
                    self._clock.now()  # it may be the clock's fault
            raise
        finally:
            with sorted_out():
                updater.keep(self._clock.floor, checked)
        return targets

    def fetch(self, target: Target, progress: Callable[[int, int], None] = lambda here, length: None) -> Path:
        """Have a target's content in the store; a download that was interrupted goes on.

        Args:
            target: from :meth:`check`.
            progress: told the bytes that are here, and how many there will be.

        Raises:
            UpdateError: ``unreachable``, ``refused`` for other content than was signed for, or ``disk``.
        """
        store = self._store
        if store.has(target.sha256):
            return store.path(target.sha256)
        folder, name = target.path.split("/")
        url = f"{self._source.targets_url.rstrip('/')}/{folder}/{target.sha256}.{name}"
        wanted = Wanted(url, target.sha256, target.length)
        store.room_for(target.length - store.spooled(target.sha256))
        with sorted_out():
            download(self._source.fetcher, wanted, store.spool(target.sha256), store.disk, progress)
            return store.admit(target.sha256)

    def _found(self, updater: DurableUpdater, now: int) -> Iterator[Target]:
        with sorted_out():
            updater.refresh()
            self._prove_time(updater, now)
        for role in ROLES:
            try:
                yield from self._role(updater, role)
            except UpdateError as error:
                if error.fault in ENDS_THE_CHECK:
                    raise
                self._skip(role, error)

    def _prove_time(self, updater: DurableUpdater, now: int) -> None:
        """Raise the clock's floor to when the timestamp was signed at the earliest, and never beyond the clock.

        The keys that sign timestamps are online. Stolen, they stop this van until they are replaced, and no longer.
        """
        signed_at = int(updater.timestamp.expires.timestamp()) - TIMESTAMP_VALIDITY_S
        if signed_at > now + SLOW_S:
            words = f"timestamp: was not signed before {signed_at}, and the clock says {now}, over {SLOW_S} s less"
            raise UpdateError("clock", f"{words}: it is set back, or the timestamp's key is misused")
        self._clock.raise_floor(min(signed_at, now))
        self._clock.now()

    def _role(self, updater: DurableUpdater, role: str) -> Iterator[Target]:
        delegation = updater.delegation(role)
        if delegation is None or not updater.in_snapshot(role):
            if self._memory.records.seen(role):
                raise UpdateError("refused", f"{role}: was there before, and the repository has it no more")
            return
        with sorted_out():
            signed = updater.delegated(role)
        for path, file in sorted(signed.targets.items()):
            try:
                yield read_target(path, file, delegation)
            except UpdateError as error:
                self._skip(path, error)

    def _skip(self, name: str, error: UpdateError) -> None:
        self._skipped += (Skipped(name, error.fault, str(error)),)
