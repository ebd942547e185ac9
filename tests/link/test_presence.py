"""What the control room can know of a van between two events: whether it is there, and what its match process says."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.link.stage import VAN, Broker, Link, Listener, Match, a_status, an_event, wait_until

STATE = f"lfr/v1/{VAN}/state"


def test_a_van_without_a_match_process_claims_nothing(broker: Broker, link: Link) -> None:
    link.start()
    with Listener(broker.port, STATE) as state:
        wait_until(lambda: state.heard, "state")
        assert state.last() == {"online": True, "match_connected": False}


def test_status_of_match_becomes_the_retained_state(broker: Broker, link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    connect().send(a_status("watching"))
    with Listener(broker.port, STATE) as early:
        wait_until(lambda: early.last().get("mode") == "watching", "the status")
    with Listener(broker.port, STATE) as late:
        state = late.last()
        assert late.heard[0].retain
    assert state["online"]
    assert state["match_connected"]
    assert state["cameras"] == {"front": "ok"}
    assert state["template_life_p99_s"] == 0.4


def test_state_forgets_a_match_process_that_is_gone(broker: Broker, link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    match = connect()
    with Listener(broker.port, STATE) as state:
        match.send(a_status())
        wait_until(lambda: state.last()["match_connected"], "the status")
        match.die()
        wait_until(lambda: not state.last()["match_connected"], "its end")
        assert state.last() == {"online": True, "match_connected": False}


def test_a_killed_link_is_reported_by_its_will(broker: Broker, link: Link) -> None:
    link.start()
    link.wait_for("broker_connected")
    with Listener(broker.port, STATE) as state:
        wait_until(lambda: state.last()["online"], "online")
        link.kill()
        wait_until(lambda: not state.last()["online"], "the will")
        assert state.last() == {"online": False}
    with Listener(broker.port, STATE) as late:
        assert late.last() == {"online": False}


def test_a_stopped_link_says_goodbye_and_ends_well(broker: Broker, link: Link) -> None:
    link.start()
    link.wait_for("broker_connected")
    with Listener(broker.port, STATE) as state:
        wait_until(lambda: state.last()["online"], "online")
        assert link.stop() == 0
        wait_until(lambda: not state.last()["online"], "the goodbye")
        assert [json.loads(message.payload) for message in state.heard].count({"online": False}) == 1
    assert link.said("link_stopped") == [link.lines[-1]]


def test_health_counts(broker: Broker, link: Link, connect: Callable[[], Match]) -> None:
    with Listener(broker.port, f"lfr/v1/{VAN}/evt/health") as health:
        link.start()
        connect().hand_over(an_event("e1"))
        wait_until(lambda: health.last()["counters"]["delivered"] == 1, "a delivery")
        assert health.last()["counters"]["stored"] == 1
        assert health.last()["pending"] == 0
