"""Which refused rows wait, and for how long, by a clock of the test's own."""

from __future__ import annotations

import pytest

from firmware.link.patience import Hold


@pytest.fixture
def hold() -> Hold:
    return Hold(longest_s=4.0)


def test_many_refusals_of_one_moment_grow_the_wait_once(hold: Hold) -> None:
    slowly = [hold.refuse(row, sent=10.0, now=10.1 + row) for row in range(16)]  # over a slow line
    assert slowly == [0.5] * 16
    assert hold.refuse(16, sent=30.0, now=30.1) == 1.0


def test_the_wait_is_capped(hold: Hold) -> None:
    assert [hold.refuse(1, sent=100.0 * n, now=100.0 * n) for n in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_each_row_waits_for_its_own_time(hold: Hold) -> None:
    hold.refuse(1, sent=10.0, now=10.0)
    hold.refuse(2, sent=10.0, now=10.25)
    assert [hold.due(at) for at in (10.25, 10.5, 10.75)] == [set(), {1}, {1, 2}]
    assert hold.next_due() == 10.5
    hold.release({1})
    assert hold.next_due() == 10.75


def test_a_refused_retry_postpones_the_rest_of_the_queue(hold: Hold) -> None:
    for row in (1, 2):
        hold.refuse(row, sent=10.0, now=10.0)
    hold.release({1})
    hold.refuse(1, sent=10.5, now=10.5)
    assert [hold.due(at) for at in (11.25, 11.5)] == [set(), {1, 2}]


def test_a_delivery_lets_due_rows_go_and_shortens_the_next_wait(hold: Hold) -> None:
    for moment in (10.0, 20.0, 30.0):
        hold.refuse(1, sent=moment, now=moment)
    hold.reset()
    assert (hold.due(31.5), hold.due(32.0)) == (set(), {1})
    assert hold.refuse(2, sent=31.5, now=31.5) == 0.5


def test_a_new_connection_starts_with_all_rows(hold: Hold) -> None:
    hold.refuse(1, sent=10.0, now=10.0)
    hold.forget()
    assert (hold.rows, hold.due(10.0), hold.next_due()) == (set(), set(), float("inf"))
