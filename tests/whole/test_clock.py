"""A van whose clock is wrong, from the agent's check to what its state says: real agent, real socket, real arming.

The clocks of both sides are the test's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from board.clock import Clock
from firmware.agent.conversation import Bulletin
from firmware.agent.desk import Desk
from firmware.agent.service import hear
from firmware.agent.words import bulletin_of
from firmware.arguments import ReleaseList
from firmware.log import Log
from firmware.match.agent_line import AgentLine
from firmware.match.arming import Arming, Supplies
from firmware.match.intake import Intake
from firmware.match.kept import Kept
from firmware.match.opener import Opener
from firmware.match.orders import StandingOrders
from firmware.match.proofs import Proofs
from firmware.match.release import Fit, Standing
from firmware.match.revocations import Revocations
from firmware.match.voice import Result
from ota.archive import digest
from tests.link.stage import wait_until
from tests.match.lists import USE, VAN_KEY, SealedList, a_list
from tests.models.made_calibration import calibrated
from tests.ota.agency import AgentVan, Fleet
from tests.ota.throwaway import VAN

DAY_S = 86_400
BACK: dict[str, int] = {"30 days back": -30 * DAY_S, "3 years back": -3 * 365 * DAY_S}
AHEAD_S = 400 * DAY_S


class Van:
    """Agent and match as they are put together, but for their processes."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        self.agent_van = AgentVan(folder, fleet).start()
        log, socket = Log("van", StringIO()), folder / "agent.sock"
        self._metadata = self.agent_van.folder / "state/metadata"
        self._desk = Desk(socket, self._bulletin(), time.monotonic, log)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._desk.run, args=(self._over,))
        self._thread.start()
        self._line = AgentLine(socket, log)
        self._opener = Opener(time.monotonic)
        clock = Clock(lambda: self.agent_van.now, 0)
        (folder / "match").mkdir()
        kept = Kept(folder / "match", digest)
        intake = Intake(self._line, Proofs(kept, fleet.repository.trusted_root, VAN_KEY), clock, log)
        standing = Standing(
            clock,
            StandingOrders(folder / "orders.json", log, first_start=True),
            Revocations(folder / "revocations.json", log, clock, first_start=True),
        )
        self.arming = Arming(Supplies(self._line, intake, self._opener, standing, time.monotonic), "secret", log)
        self.arming.fit = Fit(VAN_KEY, USE, 128, 10_000)
        self.arming.calibrate(calibrated(USE))
        self._line.start()

    def look(self) -> None:
        """For updates, now."""
        self.agent_van.agent.ask()
        self._step()

    def until(self, condition: Callable[[], object], what: str) -> None:
        def stepped() -> object:
            self._step()
            return condition()

        wait_until(stepped, f"{what}; {self.arming.updates} {self.arming.alarms}")

    def until_fault(self, fault: str) -> None:
        self.until(lambda: self.arming.updates.fault == fault, f"the fault '{fault}'")

    def until_offered(self, listed: SealedList) -> None:
        self.until(lambda: listed.sha256 in self.phases(), "the offer")

    def phases(self) -> dict[str, str]:
        return {one.sha256: one.phase for one in self.arming.updates.fitted}

    def release(self, listed: SealedList) -> Result:
        return self.arming.release(self.asked(listed))

    def asked(self, listed: SealedList) -> ReleaseList:
        self.until(lambda: self.arming.release_key, "a release key")
        return listed.release(self.arming.release_key)

    def alarm(self, fault: str) -> str:
        return next(alarm for alarm in self.arming.alarms if alarm.startswith(f"updates: {fault}: "))

    def close(self) -> None:
        self.arming.close()
        self._over.set()
        self._thread.join()
        self._desk.close()
        self.agent_van.stop()

    def _bulletin(self) -> Bulletin:
        return bulletin_of(self.agent_van.agent.standing(), self._metadata)

    def _step(self) -> None:
        self.agent_van.agent.step()
        self._desk.post(self._bulletin())
        hear(self.agent_van.agent, self._desk.inbox, 0.01)
        self.arming.tend()


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "server")


@pytest.fixture
def van(tmp_path: Path, fleet: Fleet) -> Iterator[Van]:
    van = Van(tmp_path / "van", fleet)
    yield van
    van.close()


def publish(fleet: Fleet, folder: Path, counter: int) -> SealedList:
    listed = a_list(folder / f"{counter}.age", says={"counter": counter, "vans": (VAN_KEY, VAN)})
    fleet.publish("watchlist", f"l{counter}", listed.data, listed.custom(vans=(VAN_KEY, VAN)))
    return listed


@pytest.mark.parametrize("back_s", BACK.values(), ids=BACK)
def test_a_van_whose_clock_was_set_back_installs_and_arms_nothing_says_why_and_works_when_it_is_right_again(
    fleet: Fleet, van: Van, tmp_path: Path, back_s: int
) -> None:
    first = publish(fleet, tmp_path, 1)
    van.look()
    van.until_offered(first)
    van.agent_van.now += back_s
    second = publish(fleet, tmp_path, 2)
    van.look()
    van.until_fault("clock")
    assert "the clock says" in van.alarm("clock")
    assert second.sha256 not in van.phases()
    assert (van.release(first).why, van.release(second).why) == ("clock", "clock")
    assert van.arming.armed is None
    van.agent_van.now -= back_s
    van.look()
    van.until_offered(second)
    van.until_fault("")
    assert van.release(second) == Result("done")


def test_a_clock_that_jumped_ahead_installs_arms_and_ends_nothing_and_the_list_is_there_when_it_is_right_again(
    fleet: Fleet, van: Van, tmp_path: Path
) -> None:
    first = publish(fleet, tmp_path, 1)
    van.look()
    van.until_offered(first)
    floor = van.arming.updates.floor
    asked = van.asked(first)
    van.agent_van.now += AHEAD_S
    assert van.arming.release(asked).why == "not checked lately", "before the agent has seen that anything is wrong"
    second = publish(fleet, tmp_path, 2)
    van.look()
    van.until_fault("clock")
    assert "jumped ahead by 34560000 s" in van.alarm("clock")
    assert set(van.phases()) == {first.sha256}, "nothing new, and nothing gone"
    assert van.release(first).why == "clock"
    assert van.arming.updates.floor == floor
    van.agent_van.now -= AHEAD_S
    van.look()
    van.until_fault("")
    van.until_offered(second)
    assert van.release(second) == Result("done")
