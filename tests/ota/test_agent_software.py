"""Software through the whole agent: two folders, a health gate, and starts that the launcher counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.installer import GIVE_UP_S, HEALTHY_S, MAX_STARTS
from tests.ota.agency import AgentVan, Fleet, custom, packed


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "server")


@pytest.fixture
def van(tmp_path: Path, fleet: Fleet) -> AgentVan:
    van = AgentVan(tmp_path / "van", fleet).start()
    power_on(van)
    return van


def publish(fleet: Fleet, van: AgentVan, number: int) -> None:
    fleet.publish(
        "software", f"s{number}", packed(van.folder / f"s{number}", a=f"{number}"), custom("software", number)
    )


def power_on(van: AgentVan) -> str:
    """The launcher starts something, and in it a new agent; what it is."""
    slot = van.slots.start()
    van.restart()
    return "base" if slot is None else (slot / "a").read_text()


def phase(van: AgentVan) -> str:
    here = van.records.active("software")
    return "none" if here is None else f"{here.path} {here.phase}"


def test_new_software_starts_with_the_next_start_and_stays_when_it_is_healthy(fleet: Fleet, van: AgentVan) -> None:
    publish(fleet, van, 1)
    van.look()
    van.healthy = True
    van.pass_time(HEALTHY_S * 2)
    assert phase(van) == "sw/s1 trial"
    assert power_on(van) == "1"
    van.pass_time(HEALTHY_S - 1)
    assert phase(van) == "sw/s1 trial"
    van.pass_time(3)
    assert phase(van) == "sw/s1 active"
    assert [power_on(van) for _ in range(5)] == ["1"] * 5


def test_software_that_never_becomes_healthy_goes_after_three_starts(fleet: Fleet, van: AgentVan) -> None:
    publish(fleet, van, 1)
    van.look()
    for number in range(MAX_STARTS):
        assert power_on(van) == "1"
        van.pass_time(GIVE_UP_S)
        assert len(van.failed_starts) >= number + 1
        van.failed_starts = van.failed_starts[: number + 1]
    assert power_on(van) == "base"
    standing = van.look()
    assert (phase(van), standing.fault) == ("none", "refused")
    assert van.records.counter_floor("software") == 1
    assert power_on(van) == "base"


def test_software_whose_agent_never_runs_goes_after_three_starts(fleet: Fleet, van: AgentVan) -> None:
    publish(fleet, van, 1)
    van.look()
    starts = [van.slots.start() for _ in range(MAX_STARTS + 1)]
    assert starts[-1] is None
    assert power_on(van) == "base"
    van.agent.step()
    assert phase(van) == "none"


def test_the_software_before_comes_back_and_is_no_trial(fleet: Fleet, van: AgentVan) -> None:
    for number in (1, 2):
        publish(fleet, van, number)
        van.look()
        assert power_on(van) == str(number)
        van.healthy = number == 1
        van.pass_time(HEALTHY_S + 2)
    assert [power_on(van) for _ in range(MAX_STARTS)] == ["2", "2", "1"]
    van.agent.step()
    assert phase(van) == "sw/s1 active"
    assert van.look().fault == "refused"
    assert power_on(van) == "1"


def test_a_power_cut_between_the_commit_and_the_switch_is_made_good(fleet: Fleet, van: AgentVan) -> None:
    publish(fleet, van, 1)
    van.look()
    (van.folder / "slots/current").unlink()
    van.restart()
    assert power_on(van) == "1"
    assert phase(van) == "sw/s1 trial"


def test_a_power_cut_between_the_switch_and_the_start_changes_nothing(fleet: Fleet, van: AgentVan) -> None:
    publish(fleet, van, 1)
    van.look()
    van.restart()
    van.restart()
    assert van.slots.pointer.starts == 0
    assert power_on(van) == "1"


def test_match_has_no_say_on_software(fleet: Fleet, van: AgentVan) -> None:
    publish(fleet, van, 1)
    van.look()
    van.answer("software", "taken")
    van.answer("software", "refused")
    assert phase(van) == "sw/s1 trial"


def test_what_is_left_does_not_start_next(fleet: Fleet, van: AgentVan) -> None:
    publish(fleet, van, 1)
    van.look()
    here = van.records.active("software")
    assert here is not None
    van.agent._shelf.deliveries["software"].leave(here)
    assert power_on(van) == "base"
    van.agent.step()
    assert phase(van) == "none"


def test_a_second_one_waits_until_the_first_has_proved_itself(fleet: Fleet, van: AgentVan) -> None:
    publish(fleet, van, 1)
    van.look()
    publish(fleet, van, 2)
    standing = van.look()
    assert (standing.fault, standing.words) == ("", "sw/s2: waits until sw/s1 has proved itself or failed")
    assert power_on(van) == "1"
    van.healthy = True
    van.pass_time(HEALTHY_S + 2)
    van.look()
    assert phase(van) == "sw/s2 trial"


def test_software_that_is_no_archive_is_refused_and_the_running_one_stays(fleet: Fleet, van: AgentVan) -> None:
    fleet.publish("software", "s1", b"no archive", custom("software"))
    assert van.look().fault == "refused"
    assert (phase(van), power_on(van)) == ("none", "base")
