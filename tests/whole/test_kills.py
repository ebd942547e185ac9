"""Kill -9, at random moments, of anything: what a van has said arrives, once, and goes from the van only then."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.broker.mosquitto import Mosquitto, needs_mosquitto
from tests.whole.stage import Child, Deployment

PAUSE_MAX_S = 0.7
"""Between two kills; the van needs about half a second to start."""


@needs_mosquitto
@pytest.mark.parametrize("kills", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_whatever_is_killed_whenever_everything_arrives_once_and_nothing_goes_without_a_receipt(
    tmp_path: Path, kills: int
) -> None:
    chance = random.Random(kills)
    with Deployment(tmp_path, say=(150, 0.01)) as deployment:
        deployment.wait_for_receipts()
        victims: list[Child | Mosquitto] = [*deployment.children, deployment.broker, deployment.match]
        for _ in range(kills):
            time.sleep(chance.uniform(0, PAUSE_MAX_S))
            victim = chance.choice(victims)
            victim.kill()
            victim.start()
        deployment.wait_for_receipts()
        for child in deployment.children:
            child.kill()
    said, received = deployment.said, deployment.in_control_room()
    assert len(said) > 5 * kills
    assert set(said) <= set(received)
    assert deployment.in_outbox() == set()


@needs_mosquitto
def test_at_every_kill_what_was_said_is_in_the_van_or_in_the_control_room(tmp_path: Path) -> None:
    chance = random.Random(4)
    with Deployment(tmp_path, say=(10_000, 0.002)) as deployment:
        for _ in range(10):
            time.sleep(chance.uniform(0.7, 1.2))
            deployment.match.kill()
            deployment.room.kill()
            held = deployment.in_outbox() | set(deployment.in_control_room())
            assert set(deployment.said) <= held
            assert deployment.said
            deployment.room.start()
            deployment.match.start()
