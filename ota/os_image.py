"""The OS image, through RAUC's command line. Knows RAUC's words; refuses to know bootloaders and what an image holds.

RAUC writes the slot group that is not booted and makes it the one to boot next; the bootloader falls back by itself
when it does not come up, until it is marked good (RAUC: "Integration", "Using RAUC"). What RAUC does not tell is which
bundle a slot came from, so a file beside remembers that, and the kernel's boot id tells a restart of the agent from one
of the machine.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec

from ota.disk import Disk
from ota.installer import MAX_STARTS, InstallError, NotNow, Stage

INSTALL_S, ASK_S = 3600.0, 60.0
MAX_TRIES = 3
"""So often an installation may fail for reasons that are not known to be the bundle's."""
_MAX_WORDS = 160
CONDEMNS = re.compile(
    r"signature|certificate|compatible mismatch|bundle rejected|refusing to install|invalid (bundle )?"
    r"(identifier|format)|dm-verity|failed to (verify|load|parse) (bundle|manifest)|checksum|bundle is too small",
    re.IGNORECASE,
)
"""Words of a RAUC that found the bundle itself wanting (its src/bundle.c, signature.c, manifest.c, install.c). Its exit
code is 1 for everything."""
PASSES = re.compile(
    r"already processing|busy|no space left|d-?bus|cannot connect|failed to connect|timed? ?out|timeout was reached"
    r"|not activatable|serviceunknown|not provided by any",
    re.IGNORECASE,
)
"""Words of a RAUC that is busy, has no room or is not running (its src/service.c; GIO)."""


class _Slot(msgspec.Struct, frozen=True):
    """Of ``rauc status --output-format=json``; ``booted``, ``active`` or ``inactive``."""

    state: str


class _Status(msgspec.Struct, frozen=True):
    # The top-level "booted" is a bootname or, without rauc.slot= on the kernel's command line, a device: not a slot.
    slots: tuple[dict[str, _Slot], ...]
    boot_primary: str | None = None

    @property
    def booted(self) -> str:
        return next((name for group in self.slots for name, slot in group.items() if slot.state == "booted"), "")


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is on trial, and what was settled and what failed last.

    ``came_from``, ``to``: slots; ``to`` is empty until RAUC was done. ``boot``: in it was installed; ``boots``: in
    which it was seen running. ``tries``: how often its installation failed, and nobody knows why.
    """

    sha256: str = ""
    came_from: str = ""
    to: str = ""
    boot: str = ""
    boots: tuple[str, ...] = ()
    tries: int = 0
    settled: str = ""
    failed: str = ""


class Rauc:
    """An installer of OS images; see :class:`ota.installer.Installer`.

    Args:
        rauc: the executable.
        memory: a file of its own; its folder is there.
        boot: the kernel's id of this boot.
        disk: writes.
    """

    def __init__(self, rauc: Path, memory: Path, boot: str, disk: Disk) -> None:
        self._rauc = rauc
        self._path = memory
        self._boot = boot
        self._disk = disk
        self._booted = ""

    def install(self, content: Path, sha256: str) -> None:
        """``rauc install``; what it wrote boots next."""
        booted = self._where()
        past = self._memory
        tries = past.tries if past.sha256 == sha256 else 0
        trial = Memory(sha256=sha256, came_from=booted, boot=self._boot, settled=past.settled, failed=past.failed)
        self._remember(msgspec.structs.replace(trial, tries=tries))
        try:
            self._ask(INSTALL_S, "install", str(content))
        except NotNow as error:
            self._weigh(str(error))
            raise
        primary = self._status().boot_primary or ""
        if primary in ("", booted):
            words = f"rauc: {sha256[:12]} was written, but '{primary or 'nothing'}' boots next"
            self._weigh(words)
            raise NotNow(words)
        self._remember(msgspec.structs.replace(self._memory, to=primary))

    def stage(self, sha256: str) -> Stage:
        """From the booted slot and from what was remembered; counts this boot if it is one of the trial."""
        memory = self._memory
        if sha256 != memory.sha256:
            return "failed" if sha256 == memory.failed else "good" if sha256 == memory.settled else "absent"
        if self._where() == memory.came_from:
            return self._not_booted(memory)
        if self._boot not in memory.boots:
            memory = msgspec.structs.replace(memory, boots=(*memory.boots, self._boot))
            self._remember(memory)
        if len(memory.boots) > MAX_STARTS:
            self.go_back(sha256)
            return "failed"
        return "trial"

    def settle(self, sha256: str) -> None:
        """``rauc status mark-good``: the bootloader stops counting."""
        if self.stage(sha256) == "trial":
            self._ask(ASK_S, "status", "mark-good")
            self._remember(Memory(settled=sha256, failed=self._memory.failed))

    def go_back(self, sha256: str) -> None:
        """``rauc status mark-bad`` if it runs, ``mark-active booted`` if it was to be next."""
        memory = self._memory
        if memory.sha256 != sha256:
            return
        waits = self._where() == memory.came_from
        self._ask(ASK_S, "status", *(("mark-active", "booted") if waits else ("mark-bad", "booted")))
        self._remember(Memory(settled=memory.settled, failed=sha256))

    def _weigh(self, words: str) -> None:
        """An installation failed: is it the bundle?

        Raises:
            InstallError: it is, or it failed too often for it not to be.
        """
        if CONDEMNS.search(words):
            raise InstallError(words)
        if PASSES.search(words):
            return
        memory = self._memory
        if memory.tries + 1 >= MAX_TRIES:
            raise InstallError(f"{words} (for the {MAX_TRIES}rd time)")
        self._remember(msgspec.structs.replace(memory, tries=memory.tries + 1))

    def _not_booted(self, memory: Memory) -> Stage:
        """The old system runs: the new one is not written, not booted yet, or the bootloader fell back from it."""
        if not memory.to:
            return "absent"
        return "waiting" if self._boot == memory.boot else "failed"

    @property
    def _memory(self) -> Memory:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Memory)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return Memory()

    def _remember(self, memory: Memory) -> None:
        self._disk.replace(self._path, msgspec.json.encode(memory))

    def _where(self) -> str:
        """The booted slot; it stays so for as long as this process can live."""
        self._booted = self._booted or self._status().booted
        if not self._booted:
            raise NotNow("rauc: no slot is booted")
        return self._booted

    def _status(self) -> _Status:
        said = self._ask(ASK_S, "status", "--output-format=json")
        try:
            return msgspec.json.decode(said, type=_Status)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NotNow(f"rauc status: {error}") from error

    def _ask(self, within_s: float, *arguments: str) -> bytes:
        """Run it; what it printed.

        Raises:
            NotNow: it cannot be run, failed, or took too long.
        """
        command = [str(self._rauc), *arguments]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=within_s)
        except OSError as error:
            raise NotNow(f"rauc {arguments[0]}: busy or not there: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise NotNow(f"rauc {arguments[0]}: {error}") from error
        if done.returncode != 0:
            words = _reason(done.stdout, done.stderr)
            raise NotNow(f"rauc {arguments[0]}: exit {done.returncode}: {words[:_MAX_WORDS]}")
        return done.stdout


def _reason(out: bytes, err: bytes) -> str:
    """``LastError`` goes to standard output, and that the installation failed, or a missing service, to the other."""
    said = [line.strip() for text in (out, err) for line in text.decode("utf-8", "replace").splitlines()]
    return next((line for line in said if line.startswith("LastError:")), said[-1] if said else "no word")
