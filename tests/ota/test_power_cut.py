"""Power that fails at any step of a check, a download and an install: afterwards it is old or new, and never older."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from ota.disk import Disk
from ota.trusted import UpdateError
from tests.ota.power import FailingDisk, PowerCut
from tests.ota.throwaway import Repository, custom
from tests.ota.van import Started, Van

OLD, NEW = b"old" * 1_500, b"new" * 1_500
RUNS = 1_000
SOAK = 30_000


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def install(agent: Started) -> str | None:
    """What an agent does with what it finds; returns the digest of the model in force."""
    for target in agent.trusted.check():
        if target.custom.counter > agent.records.counter_floor("model"):
            agent.trusted.fetch(target)
            agent.records.begin(target)
        agent.records.settle("model")
    return in_force(agent)


def in_force(agent: Started) -> str | None:
    installed = agent.records.active("model")
    return installed.sha256 if installed else None


@dataclass(frozen=True)
class World:
    """A van with the old model installed, and what the repository offered then, and offers now."""

    van: Van
    before: dict[str, bytes]
    now: dict[str, bytes]

    def offer(self, files: dict[str, bytes]) -> None:
        self.van.shelf.files = files


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    repository = Repository()
    repository.add("model", "old", OLD, custom("model", 1))
    repository.publish("models")
    van = Van(tmp_path_factory.mktemp("installed"), repository)
    with van.started() as agent:
        assert install(agent) == digest(OLD)
    before = dict(repository.files)
    repository.rotate("timestamp")
    repository.targets("models").targets.clear()
    repository.add("model", "new", NEW, custom("model", 2))
    repository.publish("root", "targets", "models")
    return World(van, before, dict(repository.files))


@contextmanager
def copy_of(world: World, folder: Path) -> Iterator[World]:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(world.van.folder, folder)
    van = Van(folder, Repository(kinds=()))
    van.root, van.shelf.files = world.van.root, world.now
    yield World(van, world.before, world.now)


def steps_of_an_update(world: World, folder: Path) -> int:
    """How many steps an undisturbed one has."""
    disk = FailingDisk(Random(0), None)
    with copy_of(world, folder) as copy, copy.van.started(disk) as agent:
        assert install(agent) == digest(NEW)
    return disk.steps


def update_until_the_cut(copy: World, disk: FailingDisk) -> str:
    """Update with a disk that fails; what a person could have read on the screen just before."""
    said = "old"
    try:
        with copy.van.started(disk) as agent:
            install(agent)
            said = "new"
    except PowerCut:
        pass
    disk.cut()
    return said


def whole(copy: World, sha256: str | None) -> bool:
    """Whether what is in force is in the store, byte by byte."""
    assert sha256 is not None
    return digest((copy.van.folder / "store" / sha256).read_bytes()) == sha256


def live_through(world: World, folder: Path, seed: int, steps: int) -> str:
    """One power cut, then an offer of the past, then an undisturbed update; whether it was old or new in between."""
    random = Random(seed)
    with copy_of(world, folder) as copy:
        disk = FailingDisk(random, random.randrange(steps + 1))
        said = update_until_the_cut(copy, disk)
        copy.offer(world.before)
        with copy.van.started() as agent:
            between, floors = in_force(agent), agent.records.floor("root", ())
            seen = {digest(OLD): "old", digest(NEW): "new"}[str(between)]
            assert whole(copy, between), seed
            assert (said, seen) != ("new", "old"), f"seed {seed}: it had said that the new one is in force"
            believed = past_is_believed(agent)
            assert believed == (floors < 2), f"seed {seed}: the past is believed exactly while nothing newer was seen"
        copy.offer(world.now)
        with copy.van.started() as agent:
            assert install(agent) == digest(NEW), seed
            assert whole(copy, digest(NEW)), seed
            assert past_is_believed_after(copy, agent) is False, seed
        return seen


def past_is_believed(agent: Started) -> bool:
    try:
        agent.trusted.check()
    except UpdateError:
        return False
    return True


def past_is_believed_after(copy: World, agent: Started) -> bool:
    copy.offer(copy.before)
    return past_is_believed(agent)


def test_power_may_fail_at_any_step_and_it_is_old_or_new_and_never_older(world: World, tmp_path: Path) -> None:
    steps = steps_of_an_update(world, tmp_path / "van")
    outcomes = [live_through(world, tmp_path / "van", seed, steps) for seed in range(RUNS)]
    assert min(outcomes.count("old"), outcomes.count("new")) > 20, "both sides of the commit point were seen"


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_power_fails_tens_of_thousands_of_times(world: World, tmp_path: Path) -> None:
    steps = steps_of_an_update(world, tmp_path / "van")
    for seed in range(RUNS, RUNS + SOAK):
        live_through(world, tmp_path / "van", seed, steps)


def test_the_failing_disk_loses_what_was_not_synced(tmp_path: Path) -> None:
    """The simulator itself: what would pass on any disk proves nothing."""
    left = set()
    for seed in range(400):
        path = tmp_path / str(seed) / "file"
        Disk().make(path.parent)
        Disk().write(path, b"old")
        disk = FailingDisk(Random(seed), None)
        disk.write(path.with_name("file.new"), b"new")
        disk.rename(path.with_name("file.new"), path)
        disk.cut()
        left.add(path.read_bytes() if path.exists() else None)
    assert {b"old", b"new", b"", b"\0\0\0"} <= left


def test_the_failing_disk_keeps_what_was_synced(tmp_path: Path) -> None:
    for seed in range(50):
        path = tmp_path / str(seed) / "file"
        disk = FailingDisk(Random(seed), None)
        disk.make(path.parent)
        disk.replace(path, b"old")
        disk.replace(path, b"new")
        disk.cut()
        assert path.read_bytes() == b"new"
