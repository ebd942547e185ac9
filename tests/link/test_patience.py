"""How long to wait after a failure, by chances of the test's own."""

from __future__ import annotations

import random

from firmware.link.patience import Backoff


def test_the_longest_wait_doubles_up_to_ten_seconds() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.grow() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_the_shortest_wait_stays() -> None:
    backoff = Backoff(lambda: 0.0)
    assert [backoff.grow() for _ in range(7)] == [0.5] * 7


def test_vans_that_lost_one_broker_come_back_apart() -> None:
    chance = random.Random(1)
    vans = [Backoff(chance.random) for _ in range(1_000)]
    fifth = [[van.grow() for _ in range(5)][-1] for van in vans]
    busiest = max(sum(second <= wait_s < second + 1 for wait_s in fifth) for second in range(11))
    assert busiest < 150


def test_what_worked_makes_the_next_wait_short() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.grow(), backoff.grow()] == [1.0, 2.0]
    backoff.reset()
    assert backoff.grow() == 1.0
