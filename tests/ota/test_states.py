"""The table of an installation: every row, and that it leads somewhere."""

from __future__ import annotations

from typing import get_args

import pytest

from ota.states import TRANSITIONS, Action, Event, State, Step, step

ROWS: dict[tuple[State, Event], tuple[str, str]] = {
    ("idle", "restarted"): ("idle", "rest"),
    ("trial", "restarted"): ("trial", "start"),
    ("active", "restarted"): ("active", "start"),
    ("idle", "found"): ("fetching", "fetch"),
    ("trial", "found"): ("fetching", "fetch"),
    ("active", "found"): ("fetching", "fetch"),
    ("fetching", "interrupted"): ("recorded", "rest"),
    ("fetching", "broken"): ("recorded", "note"),
    ("fetching", "fetched"): ("stored", "prepare"),
    ("stored", "broken"): ("recorded", "note"),
    ("stored", "unfit"): ("reverting", "condemn"),
    ("stored", "ready"): ("trial", "commit"),
    ("trial", "committed"): ("trial", "start"),
    ("trial", "broken"): ("trial", "note"),
    ("active", "broken"): ("active", "note"),
    ("idle", "broken"): ("idle", "note"),
    ("reverting", "broken"): ("recorded", "note"),
    ("trial", "taken"): ("active", "settle"),
    ("active", "taken"): ("active", "rest"),
    ("trial", "later"): ("trial", "rest"),
    ("active", "later"): ("active", "rest"),
    ("trial", "refused"): ("reverting", "revert"),
    ("active", "refused"): ("reverting", "revert"),
    ("reverting", "reverted"): ("active", "start"),
    ("reverting", "emptied"): ("idle", "rest"),
    ("trial", "gone"): ("idle", "withdraw"),
    ("active", "gone"): ("idle", "withdraw"),
}
"""Written a second time, so that a change of the table is a decision."""


@pytest.mark.parametrize(("state", "event"), ROWS)
def test_each_row_is_as_it_was_decided(state: State, event: Event) -> None:
    assert step(state, event) == ROWS[state, event]


def test_there_are_no_other_rows_and_what_is_not_there_is_an_error() -> None:
    assert set(TRANSITIONS) == set(ROWS)
    with pytest.raises(LookupError, match="no row for taken in idle"):
        step("idle", "taken")


def test_every_state_can_be_left_and_every_event_and_action_is_used() -> None:
    assert {state for state, _ in TRANSITIONS} == set(get_args(State))
    assert {event for _, event in TRANSITIONS} == set(get_args(Event))
    assert {row.action for row in TRANSITIONS.values()} == set(get_args(Action))


@pytest.mark.parametrize("state", ["idle", "trial", "active"])
def test_each_recorded_state_can_be_restarted(state: State) -> None:
    assert step(state, "restarted").state == state


def test_whatever_can_fail_has_a_way_to_go_on() -> None:
    """Fetching, preparing, committing, starting, settling, going back and withdrawing meet disks."""
    after = {row.state for row in TRANSITIONS.values() if row.action not in ("rest", "note")} - {"recorded"}
    assert {state for state in after if (state, "broken") not in TRANSITIONS} == set()
    assert isinstance(TRANSITIONS["idle", "found"], Step)
