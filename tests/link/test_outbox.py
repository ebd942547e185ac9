"""The outbox alone: order, idempotence, quota, expiry, and what is left on the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from firmware.link.outbox import Outbox, OutboxError, OutboxFull
from firmware.log import Log

TTL_S = 100


class Clock:
    """Seconds since the epoch that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "outbox.db"


@pytest.fixture
def reopen(path: Path, clock: Clock) -> Iterator[Callable[[], Outbox]]:
    """Open the outbox; what was open before is closed."""
    with contextlib.ExitStack() as opened:

        def run() -> Outbox:
            opened.close()
            return opened.enter_context(
                contextlib.closing(Outbox(path, max_mb=0.5, ttl_s=TTL_S, log=Log("link", StringIO()), now=clock))
            )

        yield run


@pytest.fixture
def outbox(reopen: Callable[[], Outbox]) -> Outbox:
    return reopen()


def ids(outbox: Outbox) -> list[str]:
    return [row.id for row in outbox.pending(100)]


def test_rows_wait_in_order_and_survive(outbox: Outbox, reopen: Callable[[], Outbox]) -> None:
    assert outbox.append("b", b"1")
    assert outbox.append("a", b"2")
    again = reopen()
    assert [(row.id, row.payload, row.expires_in_s) for row in again.pending(100)] == [
        ("b", b"1", TTL_S),
        ("a", b"2", TTL_S),
    ]
    assert again.count() == 2


def test_an_id_is_held_once_and_its_first_payload_counts(outbox: Outbox) -> None:
    assert outbox.append("a", b"first")
    assert not outbox.append("a", b"second")
    assert [row.payload for row in outbox.pending(100)] == [b"first"]


def test_pending_is_limited_and_skips(outbox: Outbox) -> None:
    for name in "abcd":
        outbox.append(name, b"x")
    first, *_ = outbox.pending(1)
    assert [row.id for row in outbox.pending(2, skip={first.seq})] == ["b", "c"]


def test_a_delivered_row_keeps_its_id_until_it_expires(
    outbox: Outbox, reopen: Callable[[], Outbox], clock: Clock
) -> None:
    outbox.append("a", b"x")
    outbox.mark_delivered(outbox.pending(1)[0].seq)
    again = reopen()
    assert ids(again) == []
    assert not again.append("a", b"x")
    clock.now_s += TTL_S
    assert again.expire() == 0
    assert again.append("a", b"x")


def test_expiry_counts_only_what_was_never_delivered(outbox: Outbox, clock: Clock) -> None:
    outbox.append("delivered", b"x")
    outbox.mark_delivered(outbox.pending(1)[0].seq)
    outbox.append("lost", b"x")
    clock.now_s += TTL_S - 1
    outbox.append("young", b"x")
    assert outbox.expire() == 0
    clock.now_s += 1
    assert outbox.expire() == 1
    assert ids(outbox) == ["young"]


def test_a_full_outbox_says_so_keeps_what_it_has_and_takes_more_when_there_is_space(outbox: Outbox) -> None:
    block = bytes(100_000)
    for name in "abcd":
        outbox.append(name, block)
    with pytest.raises(OutboxFull, match=r"has 0\.\d\d MB of at most 0\.50 MB"):
        outbox.append("e", block)
    assert ids(outbox) == ["a", "b", "c", "d"]
    outbox.mark_delivered(outbox.pending(1)[0].seq)
    assert outbox.append("e", block)
    assert ids(outbox) == ["b", "c", "d", "e"]


def test_a_completely_full_outbox_can_still_note_deliveries(outbox: Outbox) -> None:
    for size in (100_000, 3_000, 100, 1):
        fill(outbox, size)
    waiting = outbox.pending(10_000)
    for row in waiting:
        outbox.mark_delivered(row.seq)
    assert outbox.count() == 0


def fill(outbox: Outbox, size: int) -> None:
    with contextlib.suppress(OutboxFull):
        for n in range(100_000):
            outbox.append(f"{size}-{n}", bytes(size))


def test_a_delivered_crop_leaves_no_trace_in_the_files(outbox: Outbox, path: Path) -> None:
    crop = b"the matched face" * 2_000
    outbox.append("a", crop)
    assert b"the matched face" in path.read_bytes()
    outbox.mark_delivered(outbox.pending(1)[0].seq)
    left = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert [name for name, content in left.items() if b"the matched face" in content] == []


def test_a_second_owner_is_refused(outbox: Outbox, path: Path, clock: Clock) -> None:
    with pytest.raises(OutboxError, match="locked"):
        Outbox(path, max_mb=1, ttl_s=TTL_S, log=Log("link", StringIO()), now=clock)
    assert outbox.append("a", b"x")


def test_a_damaged_file_is_moved_aside_each_time_to_a_new_name(
    path: Path, clock: Clock, reopen: Callable[[], Outbox]
) -> None:
    path.parent.mkdir()
    for damage in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(damage)
        reopen().close()
    kept = sorted(file.name for file in path.parent.iterdir() if file.stat().st_size and "unreadable" in file.name)
    assert kept == ["outbox.db.unreadable-1000000", "outbox.db.unreadable-1000001"]


def test_a_path_that_cannot_be_opened_is_an_error_not_a_damage(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(OutboxError, match="directory"):
        Outbox(tmp_path, max_mb=1, ttl_s=TTL_S, log=Log("link", StringIO()), now=clock)
    assert list(tmp_path.iterdir()) == []
