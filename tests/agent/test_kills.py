"""The real agent, killed with -9 at random moments of its work: match is offered old or new, and never a mixture."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from firmware.handover import Offer, Report
from ota.archive import pack
from tests.agent.stage import DAY_S, Agent, Match, content_of, now, write_config
from tests.ota.agency import Fleet, custom
from tests.ota.throwaway import Repository

SEED = 20
FILES = 40


def model(folder: Path, number: int) -> bytes:
    """Many files that all say the same: a mixed one would be seen."""
    made = folder / f"m{number}"
    made.mkdir()
    for name in range(FILES):
        (made / f"{name}").write_text(f"{number};")
    return pack(made)


@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(1_800)
def test_whenever_it_is_killed_the_next_one_offers_old_or_new(tmp_path: Path, kills: int) -> None:
    chance = random.Random(SEED)
    fleet = Fleet(tmp_path / "server", Repository(now()))
    config = write_config(tmp_path / "van", fleet.folder.as_uri(), fleet.repository.trusted_root, "every_s = 1")
    whole = {f"{number};" * FILES: number for number in range(1, kills + 2)}
    in_force = 0
    for number in range(1, kills + 1):
        fleet.publish("model", f"m{number}", model(tmp_path, number), custom("model", number))
        until = {"not_before": now() - 60, "not_after": now() + DAY_S}
        fleet.publish("watchlist", f"l{number}", b"list %d" % number, custom("watchlist", number, **until))
        agent = Agent(config)
        time.sleep(chance.uniform(0.1, 1.2))  # the moment of the kill, not a wait for something
        agent.send(signal.SIGKILL)
        agent.wait()
        agent.end()
        agent = Agent(config)
        match = Match(agent.socket)
        offer = match.offered(f"{number};" * FILES)
        match.answer(offer, "taken")
        offered = [one for one in match.all(Offer) if one.kind == "model" and content_of(one)]
        assert {whole[content_of(one)] for one in offered} <= {in_force, number}
        match.offered(f"list {number}")
        assert match.all(Report)
        match.die()
        assert agent.stop() == 0
        agent.end()
        in_force = number
