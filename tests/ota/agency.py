"""The stage of the agent's stories: a fleet that publishes into a folder, and a van whose agent can be restarted.

All clocks are virtual. What survives a restart is what is on disk; everything in memory is made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from board.clock import Clock
from ota.agent import Agent, Channel, Standing, Surroundings
from ota.archive import LIMITS, pack, unpack
from ota.content import ROLE, Custom, Kind
from ota.delivery import Delivery, Placed, Plain, Unpacked, unpack_software
from ota.disk import Disk
from ota.fetch import Fetcher, Road, Stick, Stream
from ota.installer import HealthGate
from ota.records import Records
from ota.slots import Slots
from ota.store import Store
from ota.target import Interrupted
from ota.timer import Timer
from ota.transaction import Shelf
from ota.trusted import Source, Trusted
from ota.withdrawn import Withdrawn
from tests.ota.throwaway import NOW, VAN, Repository, content_path, custom

EVERY_S = 300.0


class Fleet:
    """Publishes; ``folder`` is what a server or a stick offers."""

    def __init__(self, folder: Path, repository: Repository | None = None) -> None:
        self.folder = folder
        self.repository = repository or Repository()
        self.repository.write(folder)

    def publish(self, kind: Kind, name: str, content: bytes, said: Custom) -> str:
        """One target more; returns its path."""
        path = self.repository.add(kind, name, content, said)
        self.publish_all(ROLE[kind])
        return path

    def withdraw(self, kind: Kind, path: str) -> None:
        del self.repository.targets(ROLE[kind]).targets[path]
        self.publish_all(ROLE[kind])

    def publish_all(self, *roles: str) -> None:
        self.repository.publish(*roles)
        self.repository.write(self.folder)

    def spoil(self, path: str, content: bytes, instead: bytes) -> None:
        """The server has something else under a target's name."""
        (self.folder / content_path(path, content)).write_bytes(instead)


class AgentVan:
    """One van.

    Args:
        folder: its disk.
        fleet: where it looks.
        stick: where a USB stick would be.
    """

    def __init__(self, folder: Path, fleet: Fleet, stick: Path | None = None) -> None:
        self.folder = folder
        self.fleet = fleet
        self.stick = stick
        self.now: float = NOW + 60
        self.uptime_s = 0.0
        self.healthy = False
        self.urgent = False
        self.interrupts_checks = False
        self.online = True
        self.reserve_bytes = 0
        self.notes: list[tuple[str, str]] = []
        self.failed_starts: list[str] = []
        self.disk = Disk()
        self.records: Records
        self.slots: Slots
        self.timer: Timer
        self.agent: Agent

    def start(self) -> AgentVan:
        """A new process, and in it a new agent."""
        state = self.folder / "state"
        self.records = Records(state / "records.db", self.disk)
        store = Store(state / "store", self.disk, self.reserve_bytes)
        clock = Clock(lambda: self.now, max(NOW - 86_400, self.records.time_floor), lambda: self.uptime_s)
        self.slots = Slots(self.folder / "slots", self.disk, unpack_software)
        self.timer = Timer(EVERY_S, lambda: 0.5, lambda: self.uptime_s)
        around = Surroundings(clock, self.timer, lambda event, words: self.notes.append((event, words)), self._urgent)
        shelf = Shelf(self.records, store, Withdrawn(state / "withdrawn", self.disk), self._deliveries(store))
        channels = [Channel("network", lambda: self.online, self._trusted(self.fleet.folder, store, clock))]
        if self.stick is not None:
            here = (self.stick / "metadata").is_dir
            channels.append(Channel("stick", here, self._trusted(self.stick, store, clock)))
        self.agent = Agent(VAN, channels, shelf, around)
        return self

    def stop(self) -> None:
        """As a power cut does it: nothing is said to anybody."""
        self.records.close()

    def restart(self) -> AgentVan:
        self.stop()
        return self.start()

    def look(self) -> Standing:
        """Let the agent look for updates now, and do all that follows at this moment."""
        self.agent.ask()
        return self.settle_down()

    def settle_down(self) -> Standing:
        for _ in range(12):
            self.agent.step()
        return self.agent.standing()

    def offered(self, kind: Kind) -> str:
        """The content that match is offered of a kind, empty if none."""
        found = [one.path for one in self.agent.standing().offers if one.installed.kind == kind]
        assert len(found) <= 1, "never two"
        if not found or kind not in ("model", "policy"):
            return "".join(path.read_text() for path in found)
        unpack(found[0], self.folder / "looked-into", LIMITS[kind])
        files = sorted(path for path in (self.folder / "looked-into").rglob("*") if path.is_file())
        return "".join(path.read_text() for path in files)

    def answer(self, kind: Kind, answer: str, why: str = "") -> None:
        """Match's word on what it is offered of a kind."""
        here = self.records.active(kind)
        assert here is not None
        self.agent.answer(kind, here.sha256, answer, why)  # type: ignore[arg-type]

    def pass_time(self, seconds: float) -> Standing:
        """Second by second, as the process does it."""
        for _ in range(int(seconds)):
            self.now += 1
            self.uptime_s += 1
            self.agent.step()
        return self.agent.standing()

    def said(self, event: str) -> list[str]:
        return [words for one, words in self.notes if one == event]

    def _urgent(self) -> bool:
        return self.urgent

    def _trusted(self, offered: Path, store: Store, clock: Clock) -> Trusted:
        source = Source(f"file://{offered}/metadata/", f"file://{offered}/targets/", Fetcher(self._road(offered)))
        root = self.fleet.repository.trusted_root
        return Trusted(self.folder / "state/metadata", root, source, self.records, store, clock)

    def _road(self, offered: Path) -> Road:
        return Interruptible(Stick(offered), lambda: self.interrupts_checks)

    def _deliveries(self, store: Store) -> dict[Kind, Delivery]:
        plain, unpacked = Plain(store), self.folder / "state/unpacked"
        gate = HealthGate(lambda: self.healthy, lambda: self.uptime_s)
        return {
            "watchlist": plain,
            "revocation": plain,
            "model": Unpacked(store, unpacked / "model", LIMITS["model"]),
            "policy": Unpacked(store, unpacked / "policy", LIMITS["policy"]),
            "software": Placed(store, self.slots, gate, self.failed_starts.append),
        }


class Interruptible:
    """A stick that is left in the middle of metadata."""

    def __init__(self, stick: Stick, interrupts: Callable[[], bool]) -> None:
        self._stick = stick
        self._interrupts = interrupts

    def open(self, url: str, start: int) -> Stream:
        if self._interrupts() and "/metadata/" in url:
            raise Interrupted
        return self._stick.open(url, start)

    def cut(self) -> None:
        self._stick.cut()


def packed(folder: Path, **files: str) -> bytes:
    """An archive of text files."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return pack(folder)


__all__ = ["AgentVan", "Fleet", "custom", "packed"]
