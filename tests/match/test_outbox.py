"""The outbox alone: order, quota, reserve, expiry, restarts, and what is left on the disk."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from firmware.log import Log
from firmware.match.database import DiskError
from firmware.match.outbox import MEMORY_MAX, STEP_S, TTL_S, Outbox, Quota
from tests.source import ROOT

Reopen = Callable[..., Outbox]
SMALL = Quota(max_mb=0.5, reserve_mb=0.1)


class Clock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> StringIO:
    return StringIO()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "outbox.db"


@pytest.fixture
def reopen(path: Path, clock: Clock, log: StringIO) -> Iterator[Reopen]:
    """Open the outbox in a boot; what was open before is closed."""
    with contextlib.ExitStack() as opened:

        def run(boot: str = "first", quota: Quota = SMALL) -> Outbox:
            opened.close()
            return opened.enter_context(contextlib.closing(Outbox(path, quota, boot, Log("match", log), clock)))

        yield run


@pytest.fixture
def outbox(reopen: Reopen) -> Outbox:
    return reopen()


def ids(outbox: Outbox) -> list[str]:
    return [row.id for row in outbox.after(0, 10_000)]


def test_rows_wait_in_order_and_survive_a_restart(outbox: Outbox, reopen: Reopen) -> None:
    outbox.append("b", "match", b"1")
    outbox.append("a", "audit", b"2")
    again = reopen("second")
    assert [(row.id, row.channel, row.payload) for row in again.after(0, 100)] == [
        ("b", "match", b"1"),
        ("a", "audit", b"2"),
    ]
    assert again.count() == 2


def test_a_number_is_never_used_twice_even_when_everything_was_deleted(outbox: Outbox, reopen: Reopen) -> None:
    last = [outbox.append(name, "match", b"x") for name in "abc"][-1]
    outbox.delete(["a", "b", "c"])
    assert reopen("second").append("d", "match", b"x") > last


def test_rows_are_read_after_a_number_and_by_number(outbox: Outbox) -> None:
    first, second, third = (outbox.append(name, "match", b"x") for name in "abc")
    assert [row.id for row in outbox.after(first, 1)] == ["b"]
    assert [row.id for row in outbox.rows([third, first, 99])] == ["a", "c"]
    assert [row.seq for row in outbox.after(second, 9)] == [third]


def test_only_the_receipted_rows_go_and_their_numbers_are_told(outbox: Outbox) -> None:
    first, _, third = (outbox.append(name, "match", b"x") for name in "abc")
    assert outbox.delete(["c", "never", "a", "a"]) == [third, first]
    assert ids(outbox) == ["b"]


def test_rows_live_until_the_van_has_run_a_day_after_their_deployment_ended(outbox: Outbox, clock: Clock) -> None:
    outbox.append("a", "match", b"x")
    clock.now_s += 10 * TTL_S
    assert outbox.tend() == 0
    outbox.end_deployment()
    clock.now_s += TTL_S - STEP_S
    outbox.end_deployment()  # the first end counts
    assert outbox.tend() == 0
    clock.now_s += STEP_S
    assert outbox.tend() == 1
    assert ids(outbox) == []
    assert outbox.count() == 0
    clock.now_s += STEP_S
    assert outbox.tend() == 0


def test_a_deployment_whose_end_nobody_saw_has_ended_when_the_next_begins(
    outbox: Outbox, reopen: Reopen, clock: Clock
) -> None:
    outbox.append("killed", "match", b"x")
    second = reopen("second")
    second.append("young", "match", b"x")
    clock.now_s += TTL_S - STEP_S
    assert second.tend() == 0
    clock.now_s += STEP_S
    assert second.tend() == 1
    assert ids(second) == ["young"]


def test_a_clock_that_jumps_between_two_boots_deletes_nothing(outbox: Outbox, reopen: Reopen, clock: Clock) -> None:
    outbox.append("a", "match", b"x")
    outbox.end_deployment()
    clock.now_s += 50 * 365 * 86_400
    second = reopen("second")
    assert second.tend() == 0
    assert ids(second) == ["a"]


def test_running_time_is_counted_over_restarts(outbox: Outbox, reopen: Reopen, clock: Clock) -> None:
    outbox.append("a", "match", b"x")
    outbox.end_deployment()
    for boot in range(23):
        clock.now_s += 3_600
        assert outbox.tend() == 0
        outbox = reopen(f"boot-{boot}")
    clock.now_s += 3_600
    assert outbox.tend() == 1


def test_what_exceeds_the_quota_waits_in_memory_in_order_and_goes_to_disk_when_there_is_space(
    outbox: Outbox, reopen: Reopen, log: StringIO
) -> None:
    for name in "abcdef":
        outbox.append(name, "match", bytes(100_000))
    assert outbox.in_memory_only == 2
    assert "of at most 0.50 MB" in outbox.fault
    assert ids(outbox) == list("abcdef")
    assert [row.id for row in outbox.rows([5, 6])] == ["e", "f"]
    assert outbox.count() == 6
    (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
    assert (line["kind"], line["event"]) == ("alarm", "outbox in memory only")
    outbox.delete(["a", "b", "e"])
    outbox.tend()
    assert (outbox.in_memory_only, outbox.fault) == (0, "")
    assert ids(reopen("second")) == ["c", "d", "f"]


def test_a_small_row_does_not_overtake_what_waits_in_memory(outbox: Outbox) -> None:
    for name in "abcde":
        outbox.append(name, "match", bytes(100_000))
    outbox.delete(["a"])
    outbox.append("small", "match", b"x")
    assert ids(outbox) == ["b", "c", "d", "e", "small"]


def test_memory_is_bounded_too_and_then_the_outbox_is_full(reopen: Reopen) -> None:
    outbox = reopen(quota=Quota(max_mb=0.07, reserve_mb=0))
    while outbox.in_memory_only < MEMORY_MAX:
        assert not outbox.full
        outbox.append(f"row-{outbox.count()}", "match", bytes(10_000))
    assert outbox.full
    outbox.delete(["row-0"])
    assert outbox.full
    outbox.delete([row.id for row in outbox.after(0, MEMORY_MAX)])
    assert not outbox.full


def test_a_completely_full_outbox_can_still_forget(outbox: Outbox) -> None:
    for size in (100_000, 3_000, 100, 1):
        while not outbox.in_memory_only:
            outbox.append(f"{size}-{outbox.count()}", "match", bytes(size))
        outbox.delete([row.id for row in outbox.after(0, 10_000)][-1:])
    outbox.delete(ids(outbox))
    assert outbox.count() == 0


def test_a_deleted_row_leaves_no_trace_in_the_files(outbox: Outbox, path: Path) -> None:
    outbox.append("a", "match", b"the sealed event" * 2_000)
    assert b"the sealed event" in path.read_bytes()
    outbox.delete(["a"])
    left = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert [name for name, content in left.items() if b"the sealed event" in content] == []


def test_a_second_owner_is_refused(outbox: Outbox, path: Path, clock: Clock) -> None:
    with pytest.raises(DiskError, match="locked"):
        Outbox(path, SMALL, "second", Log("match", StringIO()), clock)
    outbox.append("a", "match", b"x")
    assert ids(outbox) == ["a"]


def test_a_damaged_file_is_moved_aside_each_time_to_a_new_name(path: Path, reopen: Reopen, log: StringIO) -> None:
    path.parent.mkdir()
    for damage in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(damage)
        reopen().close()
    kept = sorted(file.name for file in path.parent.glob("*.unreadable-*") if file.stat().st_size)
    assert kept == ["outbox.db.unreadable-1", "outbox.db.unreadable-2"]
    assert log.getvalue().count("outbox_unreadable") == 2


def test_every_commit_is_forced_to_the_disk(outbox: Outbox) -> None:
    assert outbox._db.read("PRAGMA synchronous") == [(2,)]


def test_a_file_that_is_damaged_while_it_is_open_is_a_fault_and_no_end(outbox: Outbox, path: Path) -> None:
    for number in range(50):
        outbox.append(f"row-{number}", "match", bytes(20_000 // 10))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"damage" * 20_000)
    outbox._db._db.execute("PRAGMA shrink_memory")
    outbox._db._db.execute("PRAGMA cache_size = 0")
    outbox.append("afterwards", "match", b"x")
    rows = outbox.after(0, 1_000)
    assert outbox.fault
    assert "afterwards" in [row.id for row in rows]


def test_a_full_outbox_can_be_opened_again(reopen: Reopen) -> None:
    outbox = reopen(quota=Quota(max_mb=0.07, reserve_mb=0))
    while not outbox.in_memory_only:
        outbox.append(f"row-{outbox.count()}", "match", bytes(3_000))
    held = outbox.count() - 1
    for boot in range(20):
        outbox = reopen(f"boot-{boot}", Quota(max_mb=0.07, reserve_mb=0))
    assert outbox.count() == held


CROWDED = """
import os, sys
from io import StringIO
from pathlib import Path
from firmware.log import Log
from firmware.match.outbox import Outbox, Quota
folder = Path(sys.argv[1])
log = StringIO()
outbox = Outbox(folder / "outbox.db", Quota(max_mb=100, reserve_mb=3), "boot", Log("match", log), lambda: 1.0)
outbox.append("before", "match", bytes(10_000))
with (folder / "somebody else's").open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError as error:
        assert error.errno == 28, error
for n in range(20):
    outbox.append(f"during-{n}", "match", bytes(50_000))
print(outbox.in_memory_only, (folder / "outbox.db.reserve").exists(), "lives on its reserve" in log.getvalue())
for n in range(60):
    outbox.append(f"beyond-{n}", "match", bytes(50_000))
print(outbox.in_memory_only > 0, outbox.count(), "in memory only" in log.getvalue())
outbox.close()
again = Outbox(folder / "outbox.db", Quota(max_mb=100, reserve_mb=3), "next boot", Log("match", log), lambda: 1.0)
print(again.count() > 20, bool(again.fault))
again.close()
outbox = Outbox(folder / "outbox.db", Quota(max_mb=100, reserve_mb=3), "boot", Log("match", log), lambda: 1.0)
(folder / "somebody else's").unlink()
outbox.tend()
print(outbox.in_memory_only, outbox.fault == "", (folder / "outbox.db.reserve").exists())
"""


def test_on_a_disk_that_others_have_filled_messages_still_find_room_on_the_reserve(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=16m none '{tmp_path}' && exec '{sys.executable}' -c \"$1\" '{tmp_path}'"
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh", CROWDED]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    if ended.returncode and ended.stderr.startswith(("unshare:", "mount:")):
        pytest.skip(f"a file system of its own is not to be had here: {ended.stderr.strip()}")
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == ["0 False True", "True 81 True", "True False", "0 True True"]
