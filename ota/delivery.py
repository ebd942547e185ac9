"""How content of each kind is brought to whoever uses it. Knows folders, archives and installers; decides nothing.

A list, a revocation, a model, a calibration and a policy are offered to the match process; software and OS image are
put in the place that is not in use, and prove themselves at the next start.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from ota.archive import LIMITS, ArchiveError, Limits, unpack
from ota.disk import Disk
from ota.installer import HealthGate, Installer, InstallError, Judgement
from ota.records import Installed
from ota.states import Event
from ota.store import Store
from ota.target import Target


class Unfit(Exception):
    """Its content is not what its kind must be; the text says why. It is not to be tried again."""


def unpack_software(archive: Path, into: Path, disk: Disk) -> None:
    """For :class:`ota.slots.Slots`.

    Raises:
        InstallError: it is no archive, or breaks a limit.
        OSError: the disk refused.
    """
    try:
        unpack(archive, into, LIMITS["software"], disk)
    except ArchiveError as error:
        raise InstallError(str(error)) from error


class Delivery(Protocol):
    """The way of one kind. Each method may be cut and called again."""

    def prepare(self, target: Target) -> None:
        """Before the commit: what is in force is not touched.

        Raises:
            Unfit: never.
            OSError: not now.
        """

    def start(self, installed: Installed) -> None:
        """After the commit, and after each start of the agent.

        Raises:
            Unfit: never.
            NotNow, OSError: not now.
        """

    def offer(self, installed: Installed) -> Path | None:
        """What the match process is offered; None where it has no say."""

    def judge(self, installed: Installed) -> Event | None:
        """What became of a trial on which the match process has no say.

        Raises:
            NotNow, OSError: it cannot be told now.
        """

    def leave(self, installed: Installed) -> None:
        """It will be refused: see that what was before comes back.

        Raises:
            NotNow, OSError: not now.
        """

    def keep_only(self, wanted: Collection[str]) -> None:
        """Remove what belongs to other digests."""


class Plain:
    """A file is offered as it lies in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def prepare(self, target: Target) -> None:
        """Nothing: match reads it, and trusts none of it."""

    def start(self, installed: Installed) -> None:
        """Nothing: it is offered."""

    def offer(self, installed: Installed) -> Path | None:
        """The file in the store."""
        return self._store.path(installed.sha256)

    def judge(self, installed: Installed) -> Event | None:
        """Match judges."""

    def leave(self, installed: Installed) -> None:
        """Nothing: it is offered no more."""

    def keep_only(self, wanted: Collection[str]) -> None:
        """Nothing: the store does."""


class Unpacked(Plain):
    """An archive that was unpacked once, to know that it can be; match is offered the archive, whose digest was signed.

    Args:
        store: where the archives lie.
        folder: for the unpacked ones; nobody else writes to it.
        limits: of one archive.
    """

    def __init__(self, store: Store, folder: Path, limits: Limits) -> None:
        super().__init__(store)
        self._folder = folder
        self._limits = limits
        store.disk.make(folder)

    def prepare(self, target: Target) -> None:
        """Unpack."""
        self._unpack(target.sha256)

    def start(self, installed: Installed) -> None:
        """Unpack, if the folder is gone."""
        self._unpack(installed.sha256)

    def keep_only(self, wanted: Collection[str]) -> None:
        """Remove the folders of other archives, and what a cut left of one."""
        for folder in sorted(self._folder.iterdir()):
            if folder.name not in wanted:
                shutil.rmtree(folder, ignore_errors=True)

    def _unpack(self, sha256: str) -> None:
        into = self._folder / sha256
        if into.is_dir():  # it got its name when it was whole
            return
        try:
            unpack(self._store.path(sha256), into, self._limits, self._store.disk)
        except ArchiveError as error:
            raise Unfit(str(error)) from error


class Placed:
    """Software or OS image.

    Args:
        store: where it lies.
        installer: writes the place that is not in use.
        gate: judges this start.
        fail_start: what happens when this start has failed; the next one may still do well.
    """

    def __init__(self, store: Store, installer: Installer, gate: HealthGate, fail_start: Callable[[str], None]) -> None:
        self._store = store
        self._installer = installer
        self._gate = gate
        self._fail_start = fail_start

    def prepare(self, target: Target) -> None:
        """Nothing: the place is written after the commit, so that a cut goes on with it."""

    def start(self, installed: Installed) -> None:
        """Write the place, unless it holds it already."""
        if self._installer.stage(installed.sha256) != "absent":
            return
        try:
            self._installer.install(self._store.path(installed.sha256), installed.sha256)
        except InstallError as error:
            raise Unfit(str(error)) from error

    def offer(self, installed: Installed) -> Path | None:
        """Match has no say."""

    def judge(self, installed: Installed) -> Event | None:
        """Whether it was kept, failed, or has now proved itself."""
        if installed.phase != "trial":
            return None
        stage = self._installer.stage(installed.sha256)
        if stage == "failed":
            return "refused"
        if stage == "good":
            return "taken"
        return self._judged(installed.sha256, self._gate.judge()) if stage == "trial" else None

    def leave(self, installed: Installed) -> None:
        """What was before starts next."""
        self._installer.go_back(installed.sha256)

    def keep_only(self, wanted: Collection[str]) -> None:
        """Nothing: the place that is not in use is what we would go back to."""

    def _judged(self, sha256: str, judgement: Judgement) -> Event | None:
        if judgement == "healthy":
            self._installer.settle(sha256)
            return "taken"
        if judgement == "unhealthy":
            self._fail_start(sha256)
        return None
