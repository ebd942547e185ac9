"""The agent, from a signed repository to what match is offered: what comes in, what does not, what is taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.content import MAX_BYTES, ROLE
from tests.ota.agency import EVERY_S, AgentVan, Fleet, custom, packed
from tests.ota.throwaway import DAY_S, NOW


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "server")


@pytest.fixture
def van(tmp_path: Path, fleet: Fleet) -> AgentVan:
    return AgentVan(tmp_path / "van", fleet, tmp_path / "stick").start()


def test_a_list_is_fetched_offered_and_in_force_when_it_is_taken(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    standing = van.look()
    assert (standing.fault, standing.words, standing.refusals) == ("", "", 0)
    assert (van.offered("watchlist"), standing.installed[0].phase) == ("list 1", "trial")
    van.answer("watchlist", "taken")
    assert van.agent.standing().installed[0].phase == "active"


def test_it_is_busy_until_all_that_it_found_is_installed(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    assert van.agent.busy, "it has not looked yet"
    van.agent.step()
    assert (van.agent.busy, van.offered("watchlist")) == (True, "")
    van.agent.step()
    assert (van.agent.busy, van.offered("watchlist")) == (False, "list 1")


def test_nothing_is_offered_where_nothing_is_signed(van: AgentVan) -> None:
    standing = van.look()
    assert (standing.offers, standing.fault) == ((), "")
    assert standing.checked == NOW + 60


def test_a_newer_list_takes_the_older_ones_place_and_the_older_is_taken_back(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist", 1))
    van.look()
    van.answer("watchlist", "taken")
    first = van.agent.standing().installed[0].sha256
    fleet.publish("watchlist", "l2", b"list 2", custom("watchlist", 2))
    standing = van.look()
    assert van.offered("watchlist") == "list 2"
    assert standing.withdrawn == (first,)
    assert not (van.folder / "state/store" / first).exists()


def test_a_refused_list_leaves_none_and_is_not_tried_again(fleet: Fleet, van: AgentVan) -> None:
    for number in (1, 2):
        fleet.publish("watchlist", f"l{number}", b"list %d" % number, custom("watchlist", number))
        van.look()
        van.answer("watchlist", "taken" if number == 1 else "refused", "wrong model")
    assert van.offered("watchlist") == ""
    standing = van.look()
    assert (van.offered("watchlist"), standing.fault) == ("", "refused")
    assert "watchlist/l2: was refused before" in standing.words
    assert van.restart().look().installed == ()


def test_a_list_that_is_not_signed_any_more_is_taken_back(fleet: Fleet, van: AgentVan) -> None:
    path = fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    sha256 = van.look().installed[0].sha256
    van.answer("watchlist", "taken")
    fleet.withdraw("watchlist", path)
    assert van.look().withdrawn == (sha256,)
    assert van.offered("watchlist") == ""
    assert van.restart().agent.standing().withdrawn == (sha256,)


def test_a_list_that_is_signed_for_others_now_is_taken_back(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    van.look()
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist", 2, vans=("b" * 64,)))
    assert len(van.look().withdrawn) == 1
    assert van.offered("watchlist") == ""


def test_a_list_is_kept_while_its_signers_whole_role_is_silent(fleet: Fleet, van: AgentVan) -> None:
    """A list has its own end, signed by two; whoever runs the network could otherwise end a deployment."""
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    van.look()
    fleet.repository.targets("watchlists").version += 1
    fleet.repository.offer("watchlists", signers=fleet.repository.signers["watchlists"][:1])
    fleet.repository.publish()
    fleet.repository.write(fleet.folder)
    standing = van.look()
    assert standing.fault == "not-signed"
    assert van.offered("watchlist") == "list 1"


def test_a_list_ends_with_its_time_without_any_network(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist", not_after=NOW + 100))
    van.look()
    van.online = False
    van.pass_time(39)
    assert van.offered("watchlist") == "list 1"
    assert len(van.pass_time(1).withdrawn) == 1
    assert van.offered("watchlist") == ""


def test_the_same_list_signed_again_for_longer_is_offered_again(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist", not_after=NOW + 100))
    van.look()
    van.now = NOW + 200
    van.settle_down()
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist", 2, not_after=NOW + DAY_S))
    standing = van.look()
    assert (van.offered("watchlist"), standing.withdrawn) == ("list 1", ())


REFUSALS = {
    "another van": ({"vans": ("b" * 64,)}, "", ""),
    "time not begun": ({"not_before": NOW + 61}, "", "its time begins at 1800000061, it is 1800000060"),
    "time over": ({"not_before": NOW - 99, "not_after": NOW + 60}, "expired", "its time ended at 1800000060"),
}


@pytest.mark.parametrize(("said", "fault", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_not_for_this_van_now_is_not_fetched(
    fleet: Fleet, van: AgentVan, said: dict[str, object], fault: str, words: str
) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist", 1, **said))
    standing = van.look()
    assert (van.offered("watchlist"), standing.fault) == ("", fault)
    assert words in standing.words
    assert bool(standing.words) == bool(words)


def test_a_list_comes_when_its_time_begins(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist", not_before=NOW + 120))
    van.look()
    van.pass_time(EVERY_S + 10)
    assert van.offered("watchlist") == "list 1"


def test_a_replayed_counter_is_refused_and_what_is_in_force_stays(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("policy", "p5", packed(van.folder / "p5", a="policy 5"), custom("policy", 5))
    van.look()
    van.answer("policy", "taken")
    fleet.withdraw("policy", "policy/p5")
    fleet.publish("policy", "p4", packed(van.folder / "p4", a="policy 4"), custom("policy", 4))
    standing = van.look()
    assert (standing.fault, van.offered("policy")) == ("rollback", "policy 5")
    assert standing.words == "policy/p4: counter 4 is not above 5, which this van has had"


def test_one_signer_cannot_use_the_counters_up(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("revocation", "r1", b"burns", custom("revocation", 2**53))
    standing = van.look()
    assert (standing.fault, van.offered("revocation")) == ("refused", "")
    assert f"counter {2**53} is more than 1000000 above 0" in standing.words
    fleet.publish("revocation", "r2", b"honest", custom("revocation", 1))
    van.look()
    assert van.offered("revocation") == "honest"


def test_one_of_two_signatures_brings_nothing(fleet: Fleet, van: AgentVan) -> None:
    fleet.repository.add("model", "m1", b"evil", custom("model"))
    fleet.repository.targets("models").version += 1
    fleet.repository.offer("models", signers=fleet.repository.signers["models"][:1])
    fleet.repository.publish()
    fleet.repository.write(fleet.folder)
    assert van.look().fault == "not-signed"
    assert van.offered("model") == ""


def test_a_role_signs_for_its_own_folder_only(fleet: Fleet, van: AgentVan) -> None:
    fleet.repository.put("models", "watchlist/l1", b"evil", custom("watchlist"))
    fleet.publish_all("models")
    standing = van.look()
    assert (standing.fault, standing.offers) == ("refused", ())


def test_another_file_than_was_signed_is_refused_and_the_right_one_still_comes(fleet: Fleet, van: AgentVan) -> None:
    path = fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    fleet.spoil(path, b"list 1", b"list 2")
    assert van.look().fault == "refused"
    assert van.offered("watchlist") == ""
    fleet.spoil(path, b"list 1", b"list 1")
    assert van.look().fault == ""
    assert van.offered("watchlist") == "list 1"


def test_a_cut_file_is_asked_for_again_soon(fleet: Fleet, van: AgentVan) -> None:
    path = fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    fleet.spoil(path, b"list 1", b"lis")
    assert van.look().fault == "unreachable"
    fleet.spoil(path, b"list 1", b"list 1")
    van.pass_time(20)
    assert van.offered("watchlist") == "list 1"


def test_what_does_not_fit_the_disk_leaves_what_is_there(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("model", "m1", packed(van.folder / "m1", a="model 1"), custom("model", 1))
    van.look()
    van.answer("model", "taken")
    van.reserve_bytes = 2**60
    van.restart()
    fleet.publish("model", "m2", packed(van.folder / "m2", a="model 2"), custom("model", 2))
    standing = van.look()
    assert (standing.fault, van.offered("model")) == ("disk", "model 1")
    assert "reserved" in standing.words


def test_a_target_larger_than_its_kind_may_be_is_refused_unfetched(fleet: Fleet, van: AgentVan) -> None:
    path = fleet.repository.add("policy", "p1", b"small", custom("policy"))
    fleet.repository.targets(ROLE["policy"]).targets[path].length = MAX_BYTES["policy"] + 1
    fleet.publish_all(ROLE["policy"])
    assert van.look().fault == "refused"
    assert van.offered("policy") == ""


def test_a_model_that_match_refuses_gives_way_to_the_one_before(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("model", "m1", packed(van.folder / "m1", a="model 1"), custom("model", 1))
    van.look()
    van.answer("model", "taken")
    fleet.publish("model", "m2", packed(van.folder / "m2", a="model 2"), custom("model", 2))
    van.look()
    assert van.offered("model") == "model 2"
    van.answer("model", "refused", "golden vectors: 0.98, at least 0.999")
    assert van.offered("model") == "model 1"
    assert van.agent.standing().words == "model/m2: golden vectors: 0.98, at least 0.999"
    assert van.restart().look().installed[0].path == "model/m1"
    assert van.records.counter_floor("model") == 2


def test_a_model_that_has_to_wait_is_offered_again_after_a_restart(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("model", "m1", packed(van.folder / "m1", a="model 1"), custom("model", 1))
    van.look()
    van.answer("model", "later", "a list is armed")
    van.restart()
    assert (van.offered("model"), van.agent.standing().installed[0].phase) == ("model 1", "trial")


def test_a_word_on_what_is_offered_no_more_says_nothing(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("model", "m1", packed(van.folder / "m1", a="model 1"), custom("model", 1))
    van.look()
    van.agent.answer("model", "0" * 64, "refused")
    van.agent.answer("policy", "0" * 64, "taken")
    assert van.offered("model") == "model 1"


def test_a_withdrawal_that_was_written_holds_after_a_cut(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    sha256 = van.look().installed[0].sha256
    (van.folder / "state/withdrawn").write_text(f'["{sha256}"]')
    van.online = False
    van.restart().agent.step()
    assert van.offered("watchlist") == ""


def test_an_archive_that_is_none_is_refused_before_match_sees_it(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("model", "m1", packed(van.folder / "m1", a="model 1"), custom("model", 1))
    van.look()
    van.answer("model", "taken")
    fleet.publish("model", "m2", b"not an archive", custom("model", 2))
    standing = van.look()
    assert (van.offered("model"), standing.fault) == ("model 1", "refused")
    assert "damaged compression" in standing.words
    assert "was refused before" in van.look().words


def test_the_newest_of_a_kind_comes_and_the_others_are_left(fleet: Fleet, van: AgentVan) -> None:
    for number in (1, 3, 2):
        fleet.publish("model", f"m{number}", packed(van.folder / f"m{number}", a=f"{number}"), custom("model", number))
    van.look()
    assert van.offered("model") == "3"


def test_content_that_nobody_needs_is_removed(fleet: Fleet, van: AgentVan) -> None:
    for number in (1, 2, 3):
        fleet.publish("model", f"m{number}", packed(van.folder / f"m{number}", a=f"{number}"), custom("model", number))
        van.look()
        van.answer("model", "taken")
    van.look()
    kept = {one.name for one in (van.folder / "state/store").iterdir() if one.is_file()}
    assert kept == {one.name for one in (van.folder / "state/unpacked/model").iterdir()}
    active, previous = van.records.active("model"), van.records.previous("model")
    assert active is not None
    assert previous is not None
    assert kept == {active.sha256, previous.sha256}


def test_a_stick_is_looked_at_when_it_is_put_in(fleet: Fleet, van: AgentVan, tmp_path: Path) -> None:
    van.online = False
    van.look()
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    fleet.repository.write(tmp_path / "stick")
    standing = van.pass_time(2)
    assert (van.offered("watchlist"), standing.fault) == ("list 1", "")


def test_an_old_stick_takes_nothing_back(fleet: Fleet, van: AgentVan, tmp_path: Path) -> None:
    fleet.repository.write(tmp_path / "stick")
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    standing = van.look()
    assert (van.offered("watchlist"), standing.fault) == ("list 1", "")
    assert "stick" in "".join(van.said("check failed"))
    van.online = False
    assert van.look().fault == "rollback"
    assert van.offered("watchlist") == "list 1"


def test_a_clock_that_was_set_back_installs_nothing(fleet: Fleet, van: AgentVan) -> None:
    van.look()
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist", not_before=0, not_after=7 * DAY_S))
    van.now -= 30 * DAY_S
    standing = van.look()
    assert (standing.fault, standing.offers, standing.floor) == ("clock", (), NOW)


def test_a_clock_that_jumps_ahead_for_a_moment_takes_no_list_away(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    van.look()
    van.answer("watchlist", "taken")
    van.now += 400 * DAY_S
    standing = van.look()
    assert (standing.fault, standing.withdrawn, van.offered("watchlist")) == ("clock", (), "list 1")
    van.now -= 400 * DAY_S
    assert (van.look().fault, van.offered("watchlist")) == ("", "list 1")


def test_a_clock_that_was_set_right_is_believed_when_fresh_metadata_vouches_for_it(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    van.look()
    van.answer("watchlist", "taken")
    van.now += 10 * DAY_S
    fleet.repository.now = int(van.now) - 3600
    fleet.publish_all("watchlists", "targets")
    standing = van.look()
    assert (standing.fault, len(standing.withdrawn), van.offered("watchlist")) == ("", 1, "")


def test_what_was_planned_waits_while_the_time_cannot_be_told(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    van.agent.ask()
    van.agent.step()
    van.now += 400 * DAY_S
    van.settle_down()
    assert van.offered("watchlist") == ""
    van.now -= 400 * DAY_S
    van.settle_down()
    assert van.offered("watchlist") == "list 1"


def test_a_van_without_any_channel_says_so_and_asks_again_ever_more_rarely(van: AgentVan) -> None:
    van.online = False
    assert van.look().fault == "unreachable"
    van.pass_time(EVERY_S)
    assert van.agent.standing().checked == 0
    van.online = True
    assert van.pass_time(EVERY_S).checked > 0


def test_something_urgent_interrupts_a_fetch_which_then_goes_on(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("model", "m1", packed(van.folder / "m1", a="model 1"), custom("model", 1))
    van.urgent = True
    van.agent.ask()
    van.agent.step()
    van.agent.step()
    assert (van.offered("model"), van.agent.standing().fault) == ("", "")
    van.urgent = False
    van.agent.step()
    assert van.offered("model") == "model 1"


def test_something_urgent_interrupts_a_check_which_then_goes_on(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist"))
    van.interrupts_checks = True
    assert (van.look().fault, van.offered("watchlist")) == ("", "")
    van.interrupts_checks = False
    van.settle_down()
    assert van.offered("watchlist") == "list 1"


def test_what_this_van_cannot_take_is_said_and_left(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("os", "o1", b"image", custom("os"))
    standing = van.look()
    assert (standing.fault, standing.words) == ("", "os/o1: this van takes no os")


def test_a_refusal_is_counted_once_however_often_it_is_seen(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("watchlist", "l1", b"list 1", custom("watchlist", not_before=NOW - 9, not_after=NOW))
    van.look()
    van.look()
    assert van.look().refusals == 1
