"""What a van remembers of updates, also after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota.content import MAX_STEP, Kind
from ota.disk import Disk
from ota.records import Floor, Installed, Records
from ota.target import Target, UpdateError
from tests.ota.throwaway import NOW, custom

LIST_KINDS: tuple[Kind, ...] = ("watchlist", "revocation")
KEPT_KINDS: tuple[Kind, ...] = ("model", "policy", "software", "os")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def records(path: Path) -> Iterator[Records]:
    records = Records(path, Disk())
    yield records
    records.close()


def target(kind: Kind, counter: int) -> Target:
    return Target(f"x/{kind}-{counter}", kind, custom(kind, counter), f"{counter:064x}", 10)


def installed(kind: Kind, counter: int, phase: str) -> Installed:
    made = target(kind, counter)
    return Installed(kind, made.sha256, made.path, made.custom, phase)  # type: ignore[arg-type]


def take(records: Records, kind: Kind, counter: int) -> None:
    records.begin(target(kind, counter))
    records.settle(kind)


def fault(records: Records, offered: Target) -> str:
    with pytest.raises(UpdateError) as caught:
        records.begin(offered)
    return caught.value.fault


def test_floors_only_rise_and_count_for_a_role_and_its_keys(records: Records) -> None:
    records.raise_floors([Floor("models", ("a", "b"), 5)], 100, 90)
    records.raise_floors([Floor("models", ("a", "b"), 3), Floor("models", ("c",), 1)], 50, 40)
    assert records.floor("models", ("a", "b")) == 5
    assert records.floor("models", ("c",)) == 1
    assert records.floor("models", ("a",)) == 0
    assert (records.time_floor, records.checked) == (100, 90)
    assert (records.seen("models"), records.seen("os")) == (True, False)


def test_all_is_there_again_after_a_restart(records: Records, path: Path) -> None:
    records.raise_floors([Floor("models", ("a",), 5)], NOW, NOW)
    records.begin(target("model", 3))
    records.close()
    again = Records(path, Disk())
    assert again.floor("models", ("a",)) == 5
    assert again.time_floor == again.checked == NOW
    assert again.active("model") == installed("model", 3, "trial")
    assert again.counter_floor("model") == 3
    again.close()


def test_a_commit_is_made_to_last_by_sqlite_itself(records: Records) -> None:
    assert records._row("PRAGMA synchronous") == (3,)
    assert records._row("PRAGMA journal_mode") == ("delete",)


def test_a_counter_that_is_far_above_all_before_it_is_refused_and_burns_nothing(records: Records) -> None:
    take(records, "model", 3)
    assert fault(records, target("model", 3 + MAX_STEP + 1)) == "refused"
    assert records.counter_floor("model") == 3
    take(records, "model", 3 + MAX_STEP)


@pytest.mark.parametrize("counter", [3, 2])
def test_a_counter_that_is_not_above_all_before_it_is_refused(records: Records, counter: int) -> None:
    take(records, "model", 3)
    assert fault(records, target("model", counter)) == "rollback"
    assert records.active("model") == installed("model", 3, "active")


@pytest.mark.parametrize("kind", KEPT_KINDS)
def test_after_a_revert_the_previous_one_is_in_force_and_the_counter_stays_burned(records: Records, kind: Kind) -> None:
    take(records, kind, 1)
    records.begin(target(kind, 2))
    assert records.previous(kind) == installed(kind, 1, "active")
    assert records.revert(kind, "golden vectors") == installed(kind, 1, "active")
    assert records.active(kind) == installed(kind, 1, "active")
    assert records.previous(kind) is None
    assert records.refused(kind, target(kind, 2).sha256)
    assert records.counter_floor(kind) == 2
    assert fault(records, target(kind, 2)) == "rollback"


@pytest.mark.parametrize("kind", LIST_KINDS)
def test_a_list_or_a_revocation_is_never_previous(records: Records, kind: Kind) -> None:
    take(records, kind, 1)
    take(records, kind, 2)
    assert records.previous(kind) is None
    assert records.revert(kind, "cannot be opened") is None
    assert records.active(kind) is None


def test_content_that_was_refused_once_is_refused_under_a_new_counter(records: Records) -> None:
    records.begin(target("model", 1))
    records.revert("model", "golden vectors")
    again = Target("model/again", "model", custom("model", 2), target("model", 1).sha256, 10)
    assert fault(records, again) == "refused"


def test_one_that_never_proved_itself_is_nothing_to_return_to(records: Records) -> None:
    take(records, "model", 1)
    records.begin(target("model", 2))
    records.begin(target("model", 3))
    assert records.revert("model", "it hangs") == installed("model", 1, "active")


def test_a_first_one_that_fails_leaves_none(records: Records) -> None:
    records.begin(target("model", 1))
    assert records.revert("model", "it hangs") is None


def test_a_revert_of_nothing_changes_nothing(records: Records) -> None:
    assert records.revert("model", "why") is None


def test_a_withdrawn_list_is_forgotten_and_its_counter_is_not(records: Records) -> None:
    take(records, "watchlist", 4)
    records.forget("watchlist")
    assert records.active("watchlist") is None
    assert records.counter_floor("watchlist") == 4


def test_kinds_do_not_touch_each_other(records: Records) -> None:
    for kind in (*LIST_KINDS, *KEPT_KINDS):
        take(records, kind, 7)
    records.revert("model", "why")
    records.forget("watchlist")
    assert [records.active(kind) is None for kind in (*LIST_KINDS, *KEPT_KINDS)] == [True, False, True, *[False] * 3]


class Full(Disk):
    def commit(self, connection: sqlite3.Connection) -> None:
        raise OSError(28, "No space left on device")


def test_a_disk_that_takes_no_commit_leaves_everything_as_it_was(path: Path) -> None:
    records = Records(path, Disk())
    take(records, "model", 1)
    records.close()
    full = Records(path, Full())
    assert fault(full, target("model", 2)) == "disk"
    assert full.active("model") == installed("model", 1, "active")
    assert full.counter_floor("model") == 1
    full.close()


def test_a_folder_that_cannot_be_made_is_a_clean_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UpdateError, match="file"):
        Records(tmp_path / "file" / "records.db", Disk())
