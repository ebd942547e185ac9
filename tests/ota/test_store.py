"""The store and the disk under it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ota.disk import Disk
from ota.store import Store
from ota.trusted import UpdateError
from tests.ota.throwaway import Repository
from tests.ota.van import Van

MIB = 2**20


class Small(Disk):
    """A disk with so much room left; ``full`` fails each write."""

    def __init__(self, free: int, *, full: bool = False) -> None:
        self.room, self.full = free, full

    def free(self, folder: Path) -> int:
        return self.room

    def write(self, path: Path, data: bytes) -> None:
        self._fail()
        super().write(path, data)

    def append(self, path: Path, data: bytes) -> None:
        self._fail()
        super().append(path, data)

    def _fail(self) -> None:
        if self.full:
            raise OSError(28, "No space left on device")


def test_what_does_not_fit_beside_the_reserve_is_refused_with_all_figures(tmp_path: Path) -> None:
    store = Store(tmp_path, Small(100 * MIB), reserve_bytes=64 * MIB)
    store.room_for(36 * MIB)
    with pytest.raises(UpdateError, match="37748737 bytes needed, 104857600 free, 67108864 of them reserved") as caught:
        store.room_for(36 * MIB + 1)
    assert caught.value.fault == "disk"


def test_content_has_no_name_before_it_is_admitted(tmp_path: Path) -> None:
    store, name = Store(tmp_path / "store", Disk()), hashlib.sha256(b"x").hexdigest()
    store.disk.append(store.spool(name), b"x")
    assert (store.has(name), store.spooled(name)) == (False, 1)
    assert store.admit(name).read_bytes() == b"x"
    assert (store.has(name), store.spooled(name)) == (True, 0)


def test_only_what_is_wanted_stays_in_the_store_and_on_its_way(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", Disk())
    for name in ("a", "b"):
        store.path(name).write_bytes(b"x")
    for name in ("c", "d"):
        store.spool(name).write_bytes(b"x")
    store.keep_only({"a", "c"})
    assert sorted(path.name for path in (tmp_path / "store").rglob("*")) == ["a", "c", "spool"]


def test_a_store_that_cannot_be_made_is_a_clean_error(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(UpdateError, match="store"):
        Store(tmp_path / "store", Disk())


def test_no_room_ends_a_fetch_before_the_first_byte(tmp_path: Path) -> None:
    repository = Repository()
    repository.add("model", "m", bytes(5_000))
    repository.publish("models")
    van = Van(tmp_path, repository)
    with van.started(Small(4_999)) as agent:
        (target,) = agent.trusted.check()
        asked = len(van.shelf.asked)
        with pytest.raises(UpdateError, match="5000 bytes needed, 4999 free") as caught:
            agent.trusted.fetch(target)
        assert (caught.value.fault, len(van.shelf.asked)) == ("disk", asked)


def test_what_came_already_needs_no_room_again(tmp_path: Path) -> None:
    repository = Repository()
    repository.add("model", "m", bytes(5_000))
    repository.publish("models")
    with Van(tmp_path, repository).started(Small(4_999)) as agent:
        (target,) = agent.trusted.check()
        agent.store.spool(target.sha256).write_bytes(bytes(1))
        assert agent.trusted.fetch(target).stat().st_size == 5_000


def test_a_full_disk_is_said_and_leaves_the_cache_as_it_was(tmp_path: Path) -> None:
    repository = Repository()
    van = Van(tmp_path, repository)
    with van.started() as agent:
        agent.trusted.check()
    before = {path: path.read_bytes() for path in van.cache.rglob("*.json")}
    repository.publish("models")
    with van.started(Small(0, full=True)) as agent, pytest.raises(UpdateError, match="No space left") as caught:
        agent.trusted.check()
    assert caught.value.fault == "disk"
    assert {path: path.read_bytes() for path in van.cache.rglob("*") if path.is_file()} == before
    with van.started() as agent:
        assert agent.trusted.check() == ()


def test_metadata_that_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    van = Van(tmp_path, Repository())
    with van.started() as agent:
        agent.trusted.check()
    with van.started(Small(0, full=True)) as agent:
        assert agent.trusted.check() == ()
