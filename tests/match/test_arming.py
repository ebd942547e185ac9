"""How a van comes to its list and loses it: real opening, a real socket to a scripted agent, and a clock that obeys."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import msgspec
import numpy as np
import pytest

from board.clock import BUILD_FLOOR, Clock
from firmware.arguments import RevokeEntry
from firmware.handover import Beat, Offer, Report, Verdict, Withdrawn
from firmware.log import Log
from firmware.match.agent_line import AgentLine
from firmware.match.arming import Arming, Supplies
from firmware.match.intake import Intake
from firmware.match.kept import Kept
from firmware.match.offers import Said
from firmware.match.opened import OpenedList, Wanted
from firmware.match.opener import Opener
from firmware.match.orders import StandingOrders
from firmware.match.proofs import Proofs
from firmware.match.release import Fit, Standing
from firmware.match.revocations import Revocations
from firmware.match.secret_memory import SecretMemory
from firmware.match.voice import Result
from firmware.messages import Fitted, Mode
from models.calibrated import Calibrated
from models.calibration import SHORTEST
from models.faces import Embeddings
from ota.archive import digest
from ota.bundle import pack
from ota.content import ListEntry, Revocation, Revoked
from tests.link.stage import wait_until
from tests.match.agent import Agent
from tests.match.lists import (
    HOUR_S,
    NOW,
    SPACE,
    USE,
    VAN_KEY,
    SealedList,
    a_bundle,
    a_head,
    a_list,
    entries,
    random_portraits,
    random_units,
)
from tests.match.signers import Signers, said
from tests.models.made_calibration import calibrated

FLOOR = NOW - 100
REPORT = Report(floor=FLOOR, checked=NOW - 50, fault="")


class Van:
    """A van's arming with everything behind it, over several boots, and an agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wall_s, self.running_s = float(NOW), 5_000.0
        self.agent = Agent(folder / "agent.sock", REPORT)
        self.signers = Signers(folder)
        self.boot(first_start=True)

    def boot(self, *, first_start: bool = False) -> None:
        log = Log("match", StringIO())
        self.line = AgentLine(self.folder / "agent.sock", log)
        self.orders = StandingOrders(self.folder / "orders.json", log, first_start=first_start)
        clock = Clock(lambda: self.wall_s, 0)
        self.revocations = Revocations(self.folder / "revocations.json", log, clock, first_start=first_start)
        self.opener = Opener(lambda: self.running_s)
        self.kept = Kept(self.folder, digest)
        intake = Intake(self.line, Proofs(self.kept, self.signers.root.read_bytes(), VAN_KEY), clock, log)
        standing = Standing(clock, self.orders, self.revocations)
        supplies = Supplies(self.line, intake, self.opener, standing, lambda: self.running_s)
        self.arming = Arming(supplies, "secret", log)
        self.arming.fit = Fit(VAN_KEY, USE, 128, 10_000)
        self.arming.calibrate(calibrated(USE))
        self.line.start()

    def reboot(self) -> None:
        self.arming.close()
        self.boot()

    def close(self) -> None:
        self.arming.close()
        self.agent.close()

    def until(self, condition: Callable[[], object], what: str) -> None:
        def tended() -> object:
            self.arming.tend()
            return condition()

        wait_until(tended, what)

    def offered(self, listed: SealedList) -> SealedList:
        self.agent.wait_for_connection()
        self.agent.offers.clear()
        self.agent.offer(self.signers.offer_list(listed))
        self.until(lambda: self.offer_is(listed.sha256), "the offer")
        self.arming.tend()
        return listed

    def answer(self, offer: Offer) -> Verdict:
        """What this van says to it."""
        self.agent.wait_for_connection()
        before = len([one for one in self.agent.all(Verdict) if one.sha256 == offer.sha256])
        self.agent.say(offer)
        self.until(lambda: self.verdicts(offer.sha256)[before:], "a verdict")
        return self.verdicts(offer.sha256)[-1]

    def verdicts(self, sha256: str) -> list[Verdict]:
        return [one for one in self.agent.all(Verdict) if one.sha256 == sha256]

    def offer_is(self, sha256: str) -> bool:
        offer = self.line.offer("watchlist")
        return offer is not None and offer.sha256 == sha256 and self.line.report is not None

    def key(self) -> str:
        self.until(lambda: self.arming.release_key, "a release key")
        return self.arming.release_key

    def release(self, listed: SealedList, ttl_s: float = HOUR_S) -> Result:
        return self.arming.release(listed.release(self.key(), ttl_s))

    def least(self) -> float:
        """What the calibration asks for."""
        assert self.arming.armed is not None
        return self.arming.armed.terms.least

    def finds(self) -> list[str]:
        """References of the entries that their own templates find."""
        listed = self.arming.watchlist
        if listed is None:
            return []
        found = listed.search(Embeddings(random_units(12), SPACE))
        return [one.entry.ref for one in found if one.similarity > 0.9]

    def pass_time(self, seconds: float) -> None:
        self.running_s += seconds
        self.wall_s += seconds
        self.arming.tend()


ALL = [f"entry-{number}" for number in range(12)]


@pytest.fixture
def van(tmp_path: Path) -> Iterator[Van]:
    van = Van(tmp_path)
    yield van
    van.close()


@pytest.fixture
def listed(tmp_path: Path) -> SealedList:
    return a_list(tmp_path / "list.age", says={"counter": 5})


@pytest.fixture
def armed(van: Van, listed: SealedList) -> Van:
    van.offered(listed)
    assert van.release(listed) == Result("done")
    return van


def test_a_released_list_finds_its_entries_and_has_their_portraits(armed: Van, listed: SealedList) -> None:
    assert armed.finds() == ALL
    assert armed.arming.watchlist is not None
    assert armed.arming.watchlist.portrait(3) == random_portraits(12)[3]
    assert armed.arming.watchlist.digest == listed.sha256
    assert armed.agent.wait_for_verdict(listed.sha256).answer == "taken"


def test_while_armed_no_key_is_announced_and_the_state_says_armed(armed: Van, listed: SealedList) -> None:
    armed.arming.tend()
    assert armed.arming.release_key == ""
    fitted = Fitted(kind="watchlist", sha256=listed.sha256, counter=5, phase="armed")
    assert armed.arming.updates.fitted == (fitted,)
    assert armed.arming.updates.floor == FLOOR


def test_a_list_ends_with_the_time_that_it_was_released_for_whatever_the_clock_says(armed: Van) -> None:
    armed.pass_time(HOUR_S - 1)
    armed.wall_s -= 3 * 365 * 86_400
    armed.arming.tend()
    assert armed.finds() == ALL
    armed.pass_time(1)
    assert armed.arming.armed is None
    assert armed.finds() == []


def test_a_list_ends_with_its_own_time_where_that_is_sooner(van: Van, listed: SealedList) -> None:
    van.offered(listed)
    van.release(listed, ttl_s=86_400)
    van.pass_time(2 * HOUR_S - 1)
    assert van.arming.armed is not None
    van.pass_time(1)
    assert van.arming.armed is None


def test_after_its_end_a_list_can_be_released_again_with_another_key(armed: Van, listed: SealedList) -> None:
    armed.pass_time(HOUR_S)
    assert armed.release(listed) == Result("done")
    assert armed.finds() == ALL


def test_an_entrys_own_end_takes_it_alone(van: Van, tmp_path: Path) -> None:
    long = entries(tuple(ALL[1:]))
    short = ListEntry(ref="entry-0", category="missing-at-risk", not_after=NOW + 60, minor=True)
    head = a_head((short, *long))
    listed = van.offered(SealedList(tmp_path / "list.age", pack(a_bundle(head)), head=head))
    van.release(listed)
    assert van.arming.watchlist is not None
    assert van.arming.watchlist.entries[0].minor
    van.pass_time(59)
    assert van.finds() == ALL
    van.pass_time(1)
    assert van.finds() == ALL[1:]
    assert van.arming.watchlist.portrait(0) == bytes(3_000)
    assert len(van.arming.watchlist) == 11


def test_a_revoked_entry_is_overwritten_at_once_and_stays_out_of_the_same_list(armed: Van, listed: SealedList) -> None:
    watchlist = armed.arming.watchlist
    assert watchlist is not None
    assert armed.arming.revoke(RevokeEntry(listed.sha256, listed.mark("entry-4"))) == Result("done")
    assert armed.finds() == [ref for ref in ALL if ref != "entry-4"]
    assert not watchlist._matrix[4].any()
    assert watchlist.portrait(4) == bytes(3_000)
    armed.reboot()
    armed.until(lambda: armed.offer_is(listed.sha256), "the offer")
    assert armed.release(listed) == Result("done")
    assert armed.finds() == [ref for ref in ALL if ref != "entry-4"]


def test_a_revoked_list_is_wiped_and_never_armed_again(armed: Van, listed: SealedList) -> None:
    assert armed.arming.revoke(RevokeEntry(listed.sha256)) == Result("done")
    assert armed.arming.armed is None
    assert armed.release(listed).why == "revoked"
    armed.reboot()
    armed.until(lambda: armed.offer_is(listed.sha256), "the offer")
    assert armed.release(listed).why == "revoked"


def a_revocation(path: Path, *revoked: Revoked) -> Path:
    path.write_bytes(msgspec.json.encode(Revocation(revoked=revoked)))
    return path


def test_a_revocation_over_the_air_does_the_same(armed: Van, listed: SealedList, tmp_path: Path) -> None:
    marks = (listed.mark("entry-1"), listed.mark("entry-2"))
    path = a_revocation(tmp_path / "revocation", Revoked(list=listed.sha256, entries=marks))
    offer = armed.signers.offer("revocation", path)
    armed.agent.offer(offer)
    armed.until(lambda: len(armed.finds()) == 10, "the revocation")
    assert armed.agent.wait_for_verdict(offer.sha256).answer == "taken"
    whole = a_revocation(tmp_path / "revocation-2", Revoked(list=listed.sha256))
    armed.agent.offer(armed.signers.offer("revocation", whole, said("revocation", 2)))
    armed.until(lambda: armed.arming.armed is None, "the end of the list")


def test_a_revocation_that_is_not_what_was_offered_is_refused(armed: Van, listed: SealedList, tmp_path: Path) -> None:
    offer = armed.signers.offer("revocation", a_revocation(tmp_path / "revocation", Revoked(list=listed.sha256)))
    a_revocation(tmp_path / "revocation", Revoked(list=listed.sha256, entries=(listed.mark("entry-0"),)))
    armed.agent.offer(offer)
    armed.until(lambda: armed.agent.all(Verdict)[1:], "a verdict")
    assert armed.agent.wait_for_verdict(offer.sha256).answer == "refused"
    assert armed.finds() == ALL


def test_a_withdrawn_list_is_wiped_and_another_ones_withdrawal_is_not_its(armed: Van, listed: SealedList) -> None:
    armed.agent.say(Withdrawn(sha256="ab" * 32))
    armed.agent.say(Withdrawn(sha256=listed.sha256))
    armed.until(lambda: armed.arming.armed is None, "the end of the list")
    assert armed.release(listed).why == "not offered"


def test_an_agent_that_is_gone_takes_no_list_away_and_is_an_alarm(armed: Van) -> None:
    armed.agent.close()
    armed.until(lambda: armed.arming.alarms, "an alarm")
    assert armed.arming.alarms[0].startswith("no update agent: ")
    assert armed.finds() == ALL
    assert armed.arming.check() == Result("failed", "no update agent")


def test_an_order_to_look_for_updates_reaches_the_agent(van: Van) -> None:
    van.agent.wait_for_connection()
    van.until(lambda: van.line.report, "its report")
    assert van.arming.check() == Result("done")
    van.agent.wait_for_ask()


def test_a_wipe_takes_the_list_and_the_key(armed: Van, listed: SealedList) -> None:
    armed.arming.wipe()
    assert armed.arming.armed is None
    before = armed.key()
    armed.arming.wipe()
    assert armed.arming.release_key == ""
    assert armed.arming.release(listed.release(before)).why == "not opened"
    assert armed.key() != before


@pytest.mark.parametrize("mode", ["stopped", "purged", "locked"])
def test_a_wiped_van_takes_no_list_and_makes_no_key(van: Van, listed: SealedList, mode: Mode) -> None:
    van.offered(listed)
    asked = listed.release(van.key())
    van.arming.wipe()
    van.orders.narrow(mode)  # type: ignore[arg-type]  # one of the three
    van.arming.tend()
    assert van.arming.release(asked) == Result("refused", f"the van is {mode}")
    assert van.arming.release_key == ""


def test_a_paused_van_may_be_armed(van: Van, listed: SealedList) -> None:
    van.offered(listed)
    van.orders.narrow("paused")
    assert van.release(listed) == Result("done")


def test_an_armed_van_takes_no_other_list_and_not_the_same_again(
    armed: Van, listed: SealedList, tmp_path: Path
) -> None:
    other = armed.offered(a_list(tmp_path / "other.age", says={"counter": 6}))
    nobody = "age1yven9q3e9v9c072wgm5kdezle9tds44apfhn99d97lhrs79l6v8s5chke0"
    assert armed.arming.release(other.release(nobody)) == Result("refused", "armed with another list")
    assert armed.arming.release(listed.release(nobody)) == Result("refused", "armed already")
    assert armed.finds() == ALL


def test_a_van_whose_networks_are_not_proven_yet_takes_none(van: Van, listed: SealedList) -> None:
    van.offered(listed)
    van.arming.fit = None
    assert van.release(listed).why == "the van is starting"


CLOCKS: dict[str, tuple[float, str]] = {
    "30 days back": (-30 * 86_400.0, "clock"),
    "3 years back": (-3 * 365 * 86_400.0, "clock"),
    "before the floor": (-101.0, "clock"),
    "400 days on": (400 * 86_400.0, "not checked lately"),
    "a day and a second after the last check": (86_400 - 49.0, "not checked lately"),
    "past the list's end": (2 * HOUR_S, "expired"),
}


@pytest.mark.parametrize("what", CLOCKS)
def test_with_a_wrong_clock_nothing_is_armed(van: Van, listed: SealedList, what: str) -> None:
    off_s, why = CLOCKS[what]
    van.offered(listed)
    van.wall_s += off_s
    result = van.release(listed)
    assert (result.outcome, result.why) == ("refused", why)
    assert van.arming.armed is None


def test_before_the_agent_has_said_how_early_it_can_be_nothing_is_armed(tmp_path: Path, listed: SealedList) -> None:
    van = Van(tmp_path)
    van.agent.report = None
    van.reboot()
    van.agent.wait_for_connection(2)
    van.agent.offer(van.signers.offer_list(listed))
    van.until(lambda: van.line.offer("watchlist"), "the offer")
    assert van.line.report is None
    assert van.release(listed).why == "clock"
    assert van.arming.updates.fault == "never-checked"
    van.close()


def test_what_nobody_offers_is_not_armed(van: Van, listed: SealedList, tmp_path: Path) -> None:
    van.offered(a_list(tmp_path / "other.age"))
    assert van.release(listed).why == "not offered"


def test_a_file_that_was_exchanged_or_is_gone_is_not_armed(van: Van, listed: SealedList, tmp_path: Path) -> None:
    van.offered(listed)
    other = a_list(tmp_path / "other.age")
    listed.path.write_bytes(other.data)
    assert van.release(listed).why == "wrong list"
    listed.path.unlink()
    assert van.release(listed).why == "not offered"
    listed.path.symlink_to(other.path)
    assert van.release(listed).why == "not offered"
    assert van.arming.armed is None


def test_a_pipe_in_place_of_a_list_keeps_nobody_waiting_and_is_refused(van: Van, listed: SealedList) -> None:
    offer = van.signers.offer_list(listed)
    listed.path.unlink()
    os.mkfifo(listed.path)
    van.answer(offer)
    assert van.agent.wait_for_verdict(listed.sha256).answer == "refused"
    assert [one.phase for one in van.arming.updates.fitted] == ["refused"]
    assert van.release(listed).why == "not offered"


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "another van's": ({"vans": ("ab" * 32,)}, "wrong van"),
    "another model's": ({"space": "other"}, "wrong model"),
    "tomorrow's": ({"not_before": NOW + 1}, "not yet valid"),
    "yesterday's": ({"not_after": NOW}, "expired"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_list_that_is_not_for_this_van_now_is_refused_and_the_next_is_taken(
    van: Van, listed: SealedList, tmp_path: Path, what: str
) -> None:
    says, why = REFUSED[what]
    wrong = van.offered(a_list(tmp_path / "wrong.age", says={"counter": 4, **says}))
    result = van.release(wrong)
    assert (result.outcome, result.why) == ("refused", why)
    van.offered(listed)
    assert van.release(listed) == Result("done")


def test_a_van_whose_revocations_cannot_be_read_takes_no_list(van: Van, listed: SealedList) -> None:
    (van.folder / "revocations.json").write_bytes(b"torn")
    van.reboot()
    van.until(lambda: van.line.report, "the report")
    van.offered(listed)
    assert van.release(listed).why == "revocations not sound"
    assert any("revocations unreadable" in alarm for alarm in van.arming.alarms)


def test_a_revocation_that_cannot_be_kept_is_in_force_said_and_no_list_is_armed_before_it_is(
    armed: Van, listed: SealedList
) -> None:
    armed.revocations._path = Path("/proc/nowhere/revocations.json")
    result = armed.arming.revoke(RevokeEntry(listed.sha256, listed.mark("entry-0")))
    assert result == Result("done", "in force, but a restart would forget it")
    assert armed.finds() == ALL[1:]
    armed.pass_time(HOUR_S)
    assert armed.release(listed).why == "revocations not sound"
    armed.revocations._path = armed.folder / "revocations.json"
    armed.arming.tend()
    assert armed.release(listed) == Result("done")
    assert armed.finds() == ALL[1:]


def test_models_and_policies_wait_until_somebody_takes_them(van: Van) -> None:
    (van.folder / "model").write_bytes(b"model")
    offer = van.signers.offer("model", van.folder / "model")
    assert van.answer(offer).answer == "later"
    van.arming.handlers["model"] = lambda one: Said("refused", "strays")
    assert van.answer(offer).why == "strays"


def test_the_agents_faults_are_alarms_and_its_report_is_passed_on(van: Van) -> None:
    model = Fitted(kind="model", sha256="ab" * 32, counter=3, phase="active")
    van.agent.report = Report(floor=FLOOR + 9, checked=7, fault="clock", words="it is 1970", fitted=(model,))
    van.agent.wait_for_connection()
    van.agent.say(van.agent.report)
    van.until(lambda: van.arming.updates.fault == "clock", "its report")
    assert van.arming.alarms == ("updates: clock: it is 1970",)
    updates = van.arming.updates
    assert (updates.floor, updates.checked, updates.fitted) == (FLOOR + 9, 7, (model,))


def test_a_wiped_list_is_overwritten_and_not_only_let_go(armed: Van) -> None:
    watchlist = armed.arming.watchlist
    assert watchlist is not None
    shelf = watchlist._keeping.wipe.__self__  # type: ignore[attr-defined]  # it is a method
    other = SecretMemory(os.dup(shelf._opened.memory.descriptor), "secret")
    assert other.view(0, len(other)).any()
    armed.arming.wipe()
    assert not other.view(0, len(other)).any()
    other.let_go()


def test_nothing_of_a_wiped_list_is_mapped(armed: Van) -> None:
    watchlist = armed.arming.watchlist
    assert watchlist is not None
    armed.arming.wipe()
    maps = Path("/proc/self/maps").read_text("ascii")
    assert "secretmem" not in maps
    assert "memfd:list" not in maps
    assert not np.any(watchlist._matrix)
    assert watchlist.portrait(0) == b""


def test_a_list_whose_head_says_more_than_was_signed_is_not_armed(van: Van, tmp_path: Path) -> None:
    listed = a_list(tmp_path / "list.age", says={"counter": 5, "max_faces": 10_000})
    van.agent.wait_for_connection()
    van.answer(van.signers.offer_list(listed, max_faces=2))
    van.until(lambda: van.offer_is(listed.sha256), "the offer")
    assert van.release(listed) == Result("refused", "not as signed", "max_faces: the list says 10000, its signers 2")
    assert van.arming.armed is None


def test_no_list_lasts_longer_than_a_week(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 7 days, not 18250"):
        a_head(entries(("entry-0",)), not_before=NOW, not_after=NOW + 50 * 365 * 86_400).__post_init__()


def test_an_older_list_is_refused_and_the_one_that_was_taken_may_be_offered_again(
    van: Van, listed: SealedList, tmp_path: Path
) -> None:
    older = a_list(tmp_path / "older.age", says={"counter": 4})
    van.offered(listed)
    assert van.answer(van.signers.offer_list(older)).why == "rollback: counter 4 is not above 5, which was taken before"
    van.until(lambda: van.offer_is(older.sha256), "the offer")
    assert van.release(older).why == "not offered"
    van.reboot()
    van.offered(listed)
    assert van.release(listed) == Result("done")


REPORTS: dict[str, tuple[dict[str, object], str]] = {
    "a day and a second ago": ({"checked": NOW - 86_401}, "not checked lately"),
    "never": ({"checked": 0, "fault": "never-checked"}, "clock"),
    "its clock is wrong": ({"fault": "clock"}, "clock"),
    "a floor before this release": ({"floor": BUILD_FLOOR - 1}, "clock"),
}


@pytest.mark.parametrize("what", REPORTS)
def test_a_van_that_is_kept_from_news_or_from_the_time_is_not_armed(van: Van, listed: SealedList, what: str) -> None:
    said_instead, why = REPORTS[what]
    van.offered(listed)
    van.agent.report = msgspec.structs.replace(REPORT, **said_instead)
    van.agent.say(van.agent.report)
    van.until(lambda: van.line.report == van.agent.report, "its report")
    assert van.release(listed).why == why
    van.agent.report = msgspec.structs.replace(REPORT, checked=NOW - 86_400)
    van.agent.say(van.agent.report)
    van.until(lambda: van.line.report == van.agent.report, "its report")
    assert van.release(listed) == Result("done")


def test_revoking_what_is_not_on_the_list_says_so(armed: Van, listed: SealedList) -> None:
    misspelt = RevokeEntry(listed.sha256, listed.mark("Entry-0"))
    assert armed.arming.revoke(misspelt) == Result("done", "not on the list in use")
    right = RevokeEntry(listed.sha256, listed.mark("entry-0"))
    assert armed.arming.revoke(right) == armed.arming.revoke(right) == Result("done")
    assert armed.finds() == ALL[1:]


def test_a_list_is_used_at_the_threshold_for_its_length_and_taking_entries_back_does_not_lower_it(
    van: Van, tmp_path: Path
) -> None:
    listed = a_list(tmp_path / "longer.age", SHORTEST + 1)
    van.arming.calibrate(calibrated(USE, {0.46: SHORTEST, 0.5: 10_000}))
    van.offered(listed)
    assert van.release(listed) == Result("done")
    assert van.least() == 0.5
    van.arming.revoke(RevokeEntry(listed.sha256, listed.mark("entry-0")))
    assert (len(van.finds()), van.least()) == (11, 0.5)


def test_what_the_lists_signers_ask_for_counts(van: Van, tmp_path: Path) -> None:
    listed = van.offered(a_list(tmp_path / "list.age", says={"min_similarity_milli": 610}))
    assert van.release(listed) == Result("done")
    assert van.arming.armed is not None
    assert (van.least(), van.arming.armed.terms.listed) == (0.46, 0.61)


def test_a_list_that_asks_for_less_than_was_signed_is_not_armed(van: Van, tmp_path: Path) -> None:
    listed = a_list(tmp_path / "list.age")
    van.agent.wait_for_connection()
    van.answer(van.signers.offer_list(listed, min_similarity_milli=610))
    van.until(lambda: van.offer_is(listed.sha256), "the offer")
    assert van.release(listed) == Result(
        "refused", "not as signed", "min_similarity_milli: the list says 0, its signers 610"
    )
    assert van.arming.armed is None


OTHERS: dict[str, tuple[Calibrated | None, str]] = {
    "none": (None, "nobody has said yet"),
    "another model's": (calibrated(replace(USE, model="ab" * 32)), "is for model abababababababab"),
    "another preprocessing's": (calibrated(replace(USE, space="ab" * 32)), "is for template space abababababababab"),
    "another rule's": (calibrated(replace(USE, rule="ab" * 32)), "is for rule of decision abababababababab"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_without_a_calibration_for_what_looks_here_no_list_is_armed(van: Van, listed: SealedList, what: str) -> None:
    van.offered(listed)
    asked = listed.release(van.key())
    van.arming.calibrated, words = OTHERS[what]
    result = van.arming.release(asked)
    assert (result.outcome, result.why, words in result.text) == ("refused", "no calibration", True)
    assert van.arming.armed is None
    assert [words in alarm for alarm in van.arming.alarms] == [True]
    van.arming.calibrate(calibrated(USE))
    assert van.arming.release(asked) == Result("done"), "the key was not used up"
    assert van.arming.alarms == ()


def test_a_list_that_may_be_longer_than_its_calibration_bears_is_refused_before_it_is_opened(
    van: Van, listed: SealedList
) -> None:
    van.arming.calibrate(calibrated(USE, {0.46: 500, 0.5: 9_999}))
    van.offered(listed)
    asked = listed.release(van.key())
    words = "10000 entries, the calibration bears 9999 at the most"
    assert van.arming.release(asked) == Result("refused", "list too long for its calibration", words)
    van.arming.calibrate(calibrated(USE, {0.5: 10_000}))
    assert van.arming.release(asked) == Result("done"), "the key was not used up"


def test_whoever_opens_a_list_is_not_believed_that_it_is_short_enough_and_it_is_wiped(van: Van, tmp_path: Path) -> None:
    """Two people signed for 50 entries at most, and 51 come out."""
    van.arming.calibrate(calibrated(USE, {0.46: SHORTEST}))
    lie = "count = portraits = 51; entries = listed(51); ends = list(range(1, 52))"
    van.opener._command = (sys.executable, "-m", "tests.match.lying_opening", lie)
    van.opener.renew()
    listed = van.offered(a_list(tmp_path / "list.age", 2, says={"max_faces": SHORTEST}))
    seen = list[SecretMemory]()
    really = van.opener.open

    def watched(wanted: Wanted, descriptor: int) -> OpenedList:
        opened = really(wanted, descriptor)
        seen.append(SecretMemory(os.dup(opened.memory.descriptor), "secret"))
        assert seen[0].view(0, len(seen[0])).any()
        return opened

    van.opener.open = watched  # type: ignore[method-assign]  # only to keep hold of its memory
    words = "51 entries, the calibration bears 50 at the most"
    assert van.release(listed) == Result("refused", "list too long for its calibration", words)
    assert van.arming.armed is None
    assert not seen[0].view(0, len(seen[0])).any()
    seen[0].let_go()


def test_the_loop_says_every_five_seconds_that_it_goes_round(van: Van) -> None:
    van.agent.wait_for_connection()
    van.pass_time(5)
    wait_until(lambda: van.agent.all(Beat), "a beat")
    before = len(van.agent.all(Beat))
    van.pass_time(4.9)
    van.arming.check()
    van.agent.wait_for_ask()
    assert len(van.agent.all(Beat)) == before
    van.pass_time(0.1)
    wait_until(lambda: len(van.agent.all(Beat)) == before + 1, "the next")


def test_a_list_that_is_not_there_yet_is_for_later(van: Van, listed: SealedList) -> None:
    offer = van.signers.offer_list(listed)
    listed.path.rename(listed.path.with_suffix(".away"))
    assert van.answer(offer).answer == "later"
    listed.path.with_suffix(".away").rename(listed.path)
    assert van.answer(offer).answer == "taken"
