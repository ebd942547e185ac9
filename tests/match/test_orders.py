"""The standing orders: they narrow, they are kept, and what cannot be read locks the van."""

from __future__ import annotations

import itertools
import json
from io import StringIO
from pathlib import Path

import pytest

from firmware.log import Log
from firmware.match.orders import NARROWER, OrdersError, StandingOrders


def orders(path: Path, log: StringIO | None = None, *, first_start: bool = True) -> StandingOrders:
    return StandingOrders(path, Log("match", log or StringIO()), first_start=first_start)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "orders.json"


def test_a_new_van_was_ordered_nothing(path: Path) -> None:
    kept = orders(path)
    assert (kept.mode, kept.threshold, kept.wiped, kept.fault) == ("seeing", 0.0, False, "")


@pytest.mark.parametrize(("now", "ordered"), list(itertools.product(NARROWER, NARROWER)))
def test_an_order_to_narrow_never_widens_and_outlives_a_restart(path: Path, now: str, ordered: str) -> None:
    kept = orders(path)
    kept.narrow(now)  # type: ignore[arg-type]  # it is one of the table's
    kept.narrow(ordered)  # type: ignore[arg-type]
    narrower = NARROWER[max(NARROWER.index(now), NARROWER.index(ordered))]
    assert kept.mode == narrower
    assert orders(path).mode == narrower
    assert orders(path).wiped == (narrower in {"stopped", "purged", "locked"})


def test_a_threshold_only_rises_and_outlives_a_restart_and_a_new_mode(path: Path) -> None:
    kept = orders(path)
    kept.raise_threshold(0.6)
    kept.raise_threshold(0.5)
    kept.narrow("paused")
    kept.widen()
    assert (kept.threshold, orders(path).threshold, orders(path).mode) == (0.6, 0.6, "seeing")


@pytest.mark.parametrize("mode", ["stopped", "purged", "locked"])
def test_with_a_new_list_comes_the_threshold_that_belongs_to_it(path: Path, mode: str) -> None:
    kept = orders(path)
    kept.raise_threshold(1.0)
    kept.narrow(mode)  # type: ignore[arg-type]
    kept.widen()
    assert (kept.threshold, orders(path).threshold) == (0.0, 0.0)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b'{"v":1}', b'{"v":1,"mode":"open","threshold":0}', b'{"v":1,"mode":"seeing","threshold":2}', b"\xff"],
)
def test_orders_that_cannot_be_read_lock_the_van(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    log = StringIO()
    kept = orders(path, log)
    assert kept.mode == "locked"
    assert "unreadable" in kept.fault
    assert json.loads(log.getvalue())["kind"] == "alarm"


def test_orders_that_are_gone_lock_a_van_that_has_been_here_before(path: Path) -> None:
    orders(path).narrow("purged")
    path.unlink()
    log = StringIO()
    kept = orders(path, log, first_start=False)
    assert (kept.mode, kept.wiped) == ("locked", True)
    assert "unreadable" in kept.fault
    assert json.loads(log.getvalue())["kind"] == "alarm"


def test_a_first_start_writes_them_down(path: Path) -> None:
    orders(path)
    assert orders(path, first_start=False).mode == "seeing"


def test_an_order_that_could_not_be_kept_is_kept_as_soon_as_it_can(path: Path) -> None:
    kept = orders(path)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"in the way")
    with pytest.raises(OrdersError):
        kept.narrow("locked")
    assert not kept.kept
    kept.tend()
    assert not kept.kept
    path.parent.unlink()
    kept.tend()
    assert (kept.kept, kept.fault) == (True, "")
    assert orders(path, first_start=False).mode == "locked"


def test_on_a_full_disk_room_is_made_for_an_order(path: Path) -> None:
    asked: list[str] = []

    def make_room(reason: str) -> bool:
        asked.append(reason)
        path.parent.unlink()
        return True

    path.parent.write_bytes(b"in the way")
    kept = StandingOrders(path, Log("match", StringIO()), first_start=False, make_room=make_room)
    kept.narrow("locked")
    assert len(asked) == 1
    assert orders(path, first_start=False).mode == "locked"


def test_an_order_that_cannot_be_kept_is_in_force_and_said(path: Path) -> None:
    kept = orders(path)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(OrdersError, match="not kept"):
        kept.narrow("purged")
    assert (kept.mode, kept.wiped) == ("purged", True)
    assert "not kept" in kept.fault


def test_but_nothing_is_widened_that_cannot_be_kept(path: Path) -> None:
    kept = orders(path)
    kept.narrow("paused")
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"")
    with pytest.raises(OrdersError):
        kept.widen()
    assert kept.mode == "paused"
