"""What the control room holds: each message once, durably, for its time."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from firmware.control.inbox import IDS_KEPT_S, Inbox, InboxError, Item, read_items
from tests.control.stage import OTHER, VAN

BOOT = "ab" * 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "inbox.db"


@pytest.fixture
def inbox(path: Path) -> Iterator[Inbox]:
    opened = Inbox(path, 100)
    yield opened
    opened.close()


def item(number: int = 1, van: str = VAN, content: bytes = b"sealed") -> Item:
    return Item(van, f"message-{number}", "match", BOOT, number, content)


def test_a_message_is_held_once_and_told_apart_by_its_van(inbox: Inbox, path: Path) -> None:
    assert inbox.hold([item(1), item(2), item(1, OTHER)], 0.0) == ["new", "new", "new"]
    assert inbox.hold([item(1), item(3), item(3)], 0.0) == ["duplicate", "new", "duplicate"]
    assert inbox.count() == 4
    assert item(1, OTHER) in read_items(path)


def test_what_was_held_is_there_after_a_restart_and_for_its_owner_only(inbox: Inbox, path: Path) -> None:
    inbox.hold([item(1)], 0.0)
    inbox.close()
    again = Inbox(path, 100)
    assert read_items(path) == [item(1)], "while somebody holds it"
    assert path.stat().st_mode & 0o777 == 0o600
    again.close()


@pytest.mark.parametrize("changes", [{"sequence": 2}, {"kind": "audit"}, {"boot": "cd" * 16}])
def test_another_message_of_the_same_id_is_not_passed_off_as_held(inbox: Inbox, changes: dict[str, str]) -> None:
    inbox.hold([item(1)], 0.0)
    assert inbox.hold([replace(item(1), **changes)], 0.0) == ["conflict"]  # type: ignore[arg-type]


def test_a_message_is_deleted_in_time_and_a_copy_of_it_is_still_known(inbox: Inbox, path: Path) -> None:
    inbox.hold([item(1, content=b"the sealed bytes of an event")], 100.0)
    assert inbox.expire(before=100.0, now=200.0) == 0
    assert inbox.expire(before=101.0, now=200.0) == 1
    assert inbox.count() == 0
    assert inbox.hold([item(1)], 201.0) == ["duplicate"]
    assert inbox.count() == 0
    assert b"the sealed bytes" not in path.read_bytes()


def test_ids_are_forgotten_too_in_the_end(inbox: Inbox) -> None:
    inbox.hold([item(1)], 0.0)
    inbox.expire(before=1.0, now=float(IDS_KEPT_S) + 1.0)
    assert inbox.hold([item(1)], float(IDS_KEPT_S) + 1.0) == ["new"]


def test_missing_numbers_are_counted_for_each_boot_apart(inbox: Inbox) -> None:
    inbox.hold([item(1), item(2), item(5)], 0.0)
    inbox.hold([replace(item(2), id="of-another-boot", boot="cd" * 16)], 0.0)
    assert inbox.missing(VAN, BOOT) == 2
    assert inbox.missing(VAN, "cd" * 16) == 1
    assert inbox.missing(OTHER, BOOT) == 0
    inbox.hold([item(4), item(3)], 0.0)
    assert inbox.missing(VAN, BOOT) == 0


def test_a_full_store_refuses_the_whole_batch_and_takes_it_when_there_is_room(path: Path) -> None:
    small = Inbox(path, 0.2)
    small.hold([item(1, content=bytes(100_000))], 0.0)
    with pytest.raises(InboxError, match="full"):
        small.hold([item(2), item(3, content=bytes(100_000))], 1.0)
    assert small.count() == 1
    small.expire(before=1.0, now=1.0)
    assert small.hold([item(2), item(3, content=bytes(100_000))], 1.0) == ["new", "new"]
    small.close()


def test_after_a_fault_the_next_batch_is_held(inbox: Inbox) -> None:
    nameless = replace(item(2), id=None)  # type: ignore[arg-type]  # SQLite leaves this transaction open
    with pytest.raises(InboxError, match="NOT NULL"):
        inbox.hold([item(1), nameless], 0.0)
    assert inbox.hold([item(1)], 0.0) == ["new"]


def test_two_daemons_cannot_share_a_store(inbox: Inbox, path: Path) -> None:
    inbox.hold([item(1)], 0.0)
    with pytest.raises(InboxError, match="locked"):
        Inbox(path, 100)


def test_a_damaged_store_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(InboxError, match="not a database"):
        Inbox(path, 100)
    assert path.read_bytes() == b"no database" * 1000


def test_every_commit_is_forced_to_the_disk(inbox: Inbox) -> None:
    assert inbox._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InboxError, match=r"absent\.db"):
        read_items(tmp_path / "absent.db")
    assert not (tmp_path / "absent.db").exists()


def test_what_a_killed_daemon_left_half_done_is_undone_by_whoever_reads(path: Path, tmp_path: Path) -> None:
    """Its pages were on their way to the disk; a reader that may not write would be refused by SQLite."""
    with contextlib.closing(Inbox(path, 100)) as inbox:
        inbox.hold([item(1)], 0.0)
    killed = tmp_path / "killed" / path.name
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as daemon:
        daemon.execute("PRAGMA journal_mode = TRUNCATE")
        daemon.execute("PRAGMA cache_size = 1")
        daemon.execute("BEGIN IMMEDIATE")
        daemon.execute("UPDATE messages SET envelope = zeroblob(100000)")
        shutil.copytree(path.parent, killed.parent)
    assert (killed.parent / f"{path.name}-journal").stat().st_size > 0, "there is something to undo"
    assert read_items(killed) == [item(1)]
