"""The application in two folders, ``a`` and ``b``, and one small file that says which one starts. Knows folders.

Refuses to know what is in them. The file ``current`` is replaced as a whole, so at every moment it names one complete
folder; without it, or when it names none, the software that the van came with starts (the base).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from ota.disk import Disk
from ota.installer import MAX_STARTS, InstallError, Stage

Slot = Literal["", "a", "b"]
"""Empty: the base."""
Unpack = Callable[[Path, Path, Disk], None]


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What starts, and what starts instead if that does not prove itself.

    ``sha256``, ``before_sha256``: of the archives; empty for the base. ``starts``: of the trial so far. ``failed``: the
    archive that did not prove itself last.
    """

    slot: Slot = ""
    sha256: str = ""
    before: Slot = ""
    before_sha256: str = ""
    trial: bool = False
    starts: int = 0
    failed: str = ""


class Slots:
    """The two folders below ``folder``.

    Args:
        folder: made if it is not there.
        disk: writes.
        unpack: archive, new folder and disk: makes it, whole or not at all; raises InstallError.
        running: the folder of the application that asks; only what runs can prove itself. None: the current one.
    """

    def __init__(self, folder: Path, disk: Disk, unpack: Unpack, running: Path | None = None) -> None:
        self._folder = folder
        self._disk = disk
        self._unpack = unpack
        self._running = running
        disk.make(folder)

    @property
    def pointer(self) -> Pointer:
        """As it stands on disk; the base where it cannot be read."""
        return self._read()[0]

    @property
    def fault(self) -> str:
        """Why what stands on disk cannot be read; empty if it can, or if there is nothing."""
        return self._read()[1]

    def _read(self) -> tuple[Pointer, str]:
        path = self._folder / "current"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Pointer), ""
        except FileNotFoundError:
            return Pointer(), ""
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Pointer(), f"{path}: {error}"

    def install(self, content: Path, sha256: str) -> None:
        """Unpack beside what runs, then point at it."""
        now = self.pointer
        if now.trial:  # the other folder is what we would go back to
            raise InstallError(f"software {now.sha256[:12]} is still on trial, so {sha256[:12]} has to wait")
        slot: Slot = "b" if now.slot == "a" else "a"
        self._unpack(content, self._folder / slot, self._disk)
        self._point(
            Pointer(slot=slot, sha256=sha256, before=now.slot, before_sha256=now.sha256, trial=True, failed=now.failed)
        )

    def stage(self, sha256: str) -> Stage:
        """How far it has come."""
        now = self.pointer
        if sha256 == now.failed:
            return "failed"
        if sha256 != now.sha256:
            return "absent"
        if not now.trial:
            return "good"
        # Where a trial could not be counted, what was before it runs, and its health says nothing of the trial.
        runs = self._running is None or self._running == self._folder / now.slot
        return "trial" if now.starts and runs else "waiting"

    def settle(self, sha256: str) -> None:
        """It is healthy: keep it."""
        now = self.pointer
        if self.stage(sha256) == "trial":
            self._point(msgspec.structs.replace(now, trial=False, starts=0))

    def go_back(self, sha256: str) -> None:
        """What was before starts next."""
        now = self.pointer
        if now.sha256 == sha256:
            self._point(Pointer(slot=now.before, sha256=now.before_sha256, failed=sha256))

    def start(self) -> Path | None:
        """What is to run now, and the count of a trial's starts; on disk when this returns. None for the base.

        Raises:
            OSError: the disk refused, so a start could not be counted.
        """
        now = self.pointer
        if now.trial and now.starts >= MAX_STARTS:
            self.go_back(now.sha256)
        elif now.trial:
            self._point(msgspec.structs.replace(now, starts=now.starts + 1))
        return self._place(self.pointer.slot)

    def before(self) -> Path | None:
        """What runs where a trial's start cannot be counted: what was before it. None for the base."""
        now = self.pointer
        return self._place(now.before if now.trial else now.slot)

    def _place(self, slot: Slot) -> Path | None:
        return self._folder / slot if slot else None

    def _point(self, pointer: Pointer) -> None:
        self._disk.replace(self._folder / "current", msgspec.json.encode(pointer))
