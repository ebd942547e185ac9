"""The agent killed before each single write, sync, rename and commit: afterwards it is old or new, and then new."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ota.content import Kind
from ota.disk import Disk
from tests.ota.agency import AgentVan, Fleet, custom, packed

MOST_STEPS = 400


class Killed(BaseException):
    """Nobody catches that, as nobody catches a kill."""


class MortalDisk(Disk):
    """Lets ``steps`` operations happen, then kills whoever asks for one more."""

    def __init__(self) -> None:
        self.steps = MOST_STEPS

    def write(self, path: Path, data: bytes) -> None:
        self._live()
        super().write(path, data)

    def append(self, path: Path, data: bytes) -> None:
        self._live()
        super().append(path, data)

    def rename(self, here: Path, there: Path) -> None:
        self._live()
        super().rename(here, there)

    def remove(self, path: Path) -> None:
        self._live()
        super().remove(path)

    def sync(self, path: Path) -> None:
        self._live()
        super().sync(path)

    def commit(self, connection: sqlite3.Connection) -> None:
        self._live()
        super().commit(connection)

    def _live(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise Killed


def content(kind: Kind, number: int, folder: Path) -> bytes:
    words = f"{kind} {number}"
    return words.encode() if kind in ("watchlist", "revocation") else packed(folder / f"{kind}{number}", a=words)


def publish(fleet: Fleet, kind: Kind, number: int, folder: Path) -> None:
    fleet.publish(kind, f"{kind}{number}", content(kind, number, folder), custom(kind, number))


def in_force(van: AgentVan, kind: Kind) -> str:
    """What would be used now."""
    if kind != "software":
        return van.offered(kind)
    slot = van.slots.pointer.slot
    return (van.folder / "slots" / slot / "a").read_text() if slot else "base"


def make_good(van: AgentVan, kind: Kind) -> None:
    """What is on trial proves itself."""
    van.slots.start()
    van.restart()
    van.healthy = True
    van.pass_time(200)
    here = van.records.active(kind)
    assert here is not None
    van.agent.answer(kind, here.sha256, "taken")


def killed_after(steps: int, van: AgentVan) -> bool:
    """Look for updates with so many operations to live; whether that was too few."""
    assert isinstance(van.disk, MortalDisk)
    van.disk.steps = steps
    try:
        van.look()
    except Killed:
        return True
    finally:
        van.disk.steps = MOST_STEPS * 100
        van.restart()
    return False


@pytest.mark.parametrize("kind", ["watchlist", "revocation", "model", "policy", "software"])
def test_killed_at_any_step_it_is_old_or_new_and_then_new(tmp_path: Path, kind: Kind) -> None:
    fleet = Fleet(tmp_path / "server")
    van = AgentVan(tmp_path / "van", fleet)
    van.disk = MortalDisk()
    van.disk.steps = MOST_STEPS * 100
    van.start()
    publish(fleet, kind, 1, tmp_path)
    van.look()
    make_good(van, kind)
    before, steps, number = f"{kind} 1", 0, 2
    seen: set[str] = set()
    publish(fleet, kind, number, tmp_path)
    while killed_after(steps, van):
        steps += 1
        now = in_force(van, kind)
        allowed = {before, f"{kind} {number}"} | ({""} if kind == "watchlist" else set())
        assert now in allowed, f"after {steps} steps"
        seen.add("old" if now == before else "new or none")
        van.look()
        assert in_force(van, kind) == f"{kind} {number}", f"after {steps} steps"
        make_good(van, kind)
        before, number = f"{kind} {number}", number + 1
        publish(fleet, kind, number, tmp_path)
    assert steps > 20
    assert seen == {"old", "new or none"}
