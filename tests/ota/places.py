"""Both installers on stages of one kind: something runs, something can be started anew."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ota.archive import pack
from ota.delivery import unpack_software
from ota.disk import Disk
from ota.installer import Installer
from ota.os_image import Rauc
from ota.slots import Slots
from tests.ota.rauc_simulator import Machine


class Place(Protocol):
    """A van with one installer."""

    def installer(self) -> Installer:
        """In a new process."""

    def content(self, words: str) -> Path:
        """What can be installed, and says ``words`` when it runs; ``bad`` at its beginning: it is not fit."""

    def start(self) -> None:
        """As after a power cut."""

    @property
    def running(self) -> str:
        """What runs now says this."""


class SoftwarePlace:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = "base"
        folder.mkdir()

    def installer(self) -> Slots:
        return Slots(self._folder / "slots", Disk(), unpack_software)

    def content(self, words: str) -> Path:
        made = self._folder / f"made-{words}"
        made.mkdir()
        (made / "words").write_text(words)
        archive = self._folder / f"{words}.tar.zst"
        archive.write_bytes(b"no archive" if words.startswith("bad") else pack(made))
        return archive

    def start(self) -> None:
        slot = self.installer().start()
        self._running = "base" if slot is None else (slot / "words").read_text()

    @property
    def running(self) -> str:
        return self._running


class OsPlace:
    def __init__(self, folder: Path) -> None:
        self.machine = Machine(folder / "machine")
        self._folder = folder
        self._boots = 1

    def installer(self) -> Rauc:
        return Rauc(self.machine.rauc, self._folder / "memory", f"boot-{self._boots}", Disk())

    def content(self, words: str) -> Path:
        bundle = self._folder / f"{words}.raucb"
        bundle.write_text(words)
        return bundle

    def start(self) -> None:
        self._boots += 1
        self.machine.boot()

    @property
    def running(self) -> str:
        return self.machine.running
