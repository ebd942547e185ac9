"""What was revoked stays so, whatever becomes of the file that says it."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from board.clock import Clock
from firmware.log import Log
from firmware.match.revocations import MAX_LISTS, Revocations, RevocationsError
from ota.content import MAX_ENTRIES

NOW, DAY_S = 1_800_000_000, 86_400
LIST, OTHER = "11" * 32, "22" * 32
MARK, MARK_2 = "aa" * 32, "bb" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "revocations.json"


def boot(
    path: Path,
    *,
    first_start: bool = False,
    make_room: Callable[[str], bool] = lambda _: False,
    clock: Clock | None = None,
) -> Revocations:
    return Revocations(
        path, Log("match", StringIO()), clock or Clock(lambda: NOW, NOW), first_start=first_start, make_room=make_room
    )


def test_a_new_van_has_nothing_revoked_and_may_be_started_again(path: Path) -> None:
    boot(path, first_start=True)
    again = boot(path)
    assert (again.fault, again.whole(LIST), set(again.entries(LIST))) == ("", False, set())


def test_what_was_revoked_is_known_after_a_restart(path: Path) -> None:
    before = boot(path, first_start=True)
    before.add(LIST, (MARK,))
    before.add(LIST, (MARK_2,))
    before.add(OTHER)
    again = boot(path)
    assert set(again.entries(LIST)) == {MARK, MARK_2}
    assert (again.whole(LIST), again.whole(OTHER), again.whole("33" * 32)) == (False, True, False)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_revoked_list_is_not_made_usable_by_revoking_an_entry_of_it(path: Path) -> None:
    revocations = boot(path, first_start=True)
    revocations.add(LIST)
    revocations.add(LIST, (MARK,))
    assert revocations.whole(LIST)
    assert boot(path).whole(LIST)


@pytest.mark.parametrize("found", [b"", b"{}", b'{"v":2,"revoked":{"x":{"at":1}}}', b"\xff", b'{"v":1,"revoked":{}}'])
def test_a_file_that_cannot_be_read_revokes_everything_and_is_left_as_it_is(path: Path, found: bytes) -> None:
    boot(path, first_start=True)
    path.write_bytes(found)
    again = boot(path)
    again.add(LIST, (MARK,))
    assert again.whole(LIST)
    assert "nothing can be armed" in again.fault
    assert path.read_bytes() == found


def test_a_file_that_is_gone_revokes_everything(path: Path) -> None:
    boot(path, first_start=True)
    path.unlink()
    again = boot(path)
    assert again.whole(LIST)
    assert again.fault


def test_what_cannot_be_written_down_is_in_force_and_written_as_soon_as_it_can_be(path: Path) -> None:
    revocations = boot(path, first_start=True)
    revocations._path = Path("/proc/nowhere/revocations.json")
    with pytest.raises(RevocationsError, match="not kept"):
        revocations.add(LIST)
    assert revocations.whole(LIST)
    assert revocations.fault
    revocations.tend()
    assert revocations.fault
    revocations._path = path
    revocations.tend()
    assert revocations.fault == ""
    assert boot(path).whole(LIST)


def test_a_full_disk_gives_its_reserve_up_for_it(path: Path) -> None:
    asked: list[str] = []

    def make_room(reason: str) -> bool:
        asked.append(reason)
        revocations._path = path
        return True

    revocations = boot(path, first_start=True, make_room=make_room)
    revocations._path = Path("/proc/nowhere/revocations.json")
    revocations.add(LIST)
    assert len(asked) == 1
    assert boot(path).whole(LIST)


def test_more_marks_than_a_list_can_have_revoke_the_whole_list(path: Path) -> None:
    revocations = boot(path, first_start=True)
    revocations.add(LIST, tuple(f"{number:064x}" for number in range(MAX_ENTRIES)))
    assert not revocations.whole(LIST)
    revocations.add(LIST, (MARK,))
    assert revocations.whole(LIST)


def test_a_revocation_is_let_go_a_month_after_it_certainly_was_made(path: Path) -> None:
    clock = Clock(lambda: NOW, NOW)
    revocations = boot(path, first_start=True, clock=clock)
    revocations.add(LIST)
    clock.raise_floor(NOW + 30 * DAY_S)
    revocations.tend()
    assert boot(path).whole(LIST)
    clock.raise_floor(NOW + 30 * DAY_S + 1)
    revocations.tend()
    assert not boot(path).whole(LIST)


def test_a_floor_that_was_behind_lets_nothing_go_too_early(path: Path) -> None:
    clock = Clock(lambda: NOW, NOW - 90 * DAY_S)
    revocations = boot(path, first_start=True, clock=clock)
    revocations.add(LIST)
    clock.raise_floor(NOW)
    revocations.tend()
    assert revocations.whole(LIST)


def test_many_lists_are_one_write(path: Path) -> None:
    revocations = boot(path, first_start=True)
    writes: list[int] = []
    keep = revocations._keep
    revocations._keep = lambda: (writes.append(1), keep())[1]  # type: ignore[func-returns-value, method-assign]
    revocations.add_all([(f"{number:064x}", ()) for number in range(1_000)])
    assert writes == [1]
    assert boot(path).whole(f"{999:064x}")


def test_more_lists_than_can_be_kept_revoke_everything_for_a_month_and_then_no_longer(path: Path) -> None:
    clock = Clock(lambda: NOW, NOW)
    revocations = boot(path, first_start=True, clock=clock)
    revocations.add_all([(f"{number:064x}", ()) for number in range(MAX_LISTS)])
    assert not revocations.whole(LIST)
    revocations.add(OTHER, (MARK,))
    assert revocations.whole(LIST)
    assert "nothing can be armed" in revocations.fault
    written = path.stat().st_mtime_ns
    revocations.add("33" * 32)
    assert path.stat().st_mtime_ns == written, "it is not written for each"
    again = boot(path, clock=clock)
    assert again.whole(LIST)
    assert "nothing can be armed" in again.fault
    clock.raise_floor(NOW + 31 * DAY_S)
    again.tend()
    assert again.whole(LIST), "the lists are gone; what found no room is not"
    clock.raise_floor(NOW + 31 * DAY_S + 1)
    again.tend()
    assert (again.fault, again.whole(LIST)) == ("", False)
    assert boot(path, clock=clock).fault == ""
