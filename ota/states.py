"""How an installation goes, as one table: state and event to the next state and action. Knows no file and no network.

What is on disk is what the records say: nothing (idle), on trial, or active. The states before the commit are not
written down and need not be: a cut there leaves bytes in the store and spool, and the next check goes on with them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["idle", "fetching", "stored", "trial", "active", "reverting"]
"""Of one kind. In ``fetching`` and ``stored`` what was in force before still is."""
Next = State | Literal["recorded"]
"""``recorded``: whatever the records say, so idle, trial or active."""
Event = Literal[
    "restarted",  # the agent starts: the state is the recorded one
    "found",  # verified metadata names something newer that this van may have
    "interrupted",  # something more urgent came up during the fetch
    "broken",  # it could not be had now: network, disk
    "fetched",  # it lies in the store, verified
    "ready",  # it can be committed
    "unfit",  # its content is not what its kind must be
    "committed",  # the records say trial
    "taken",  # whoever uses it does
    "later",  # nothing wrong with it, but not now
    "refused",  # whoever uses it will not
    "reverted",  # the records name what was before
    "emptied",  # there was nothing before
    "gone",  # it is no longer signed for this van, or its time is over
]
Action = Literal["rest", "fetch", "prepare", "commit", "condemn", "start", "settle", "note", "revert", "withdraw"]


class Step(NamedTuple):
    """What follows: first the state is taken, then the action is done."""

    state: Next
    action: Action


TRANSITIONS: dict[tuple[State, Event], Step] = {
    ("idle", "restarted"): Step("idle", "rest"),
    ("trial", "restarted"): Step("trial", "start"),
    ("active", "restarted"): Step("active", "start"),
    ("idle", "found"): Step("fetching", "fetch"),
    ("trial", "found"): Step("fetching", "fetch"),
    ("active", "found"): Step("fetching", "fetch"),
    ("fetching", "interrupted"): Step("recorded", "rest"),
    ("fetching", "broken"): Step("recorded", "note"),
    ("fetching", "fetched"): Step("stored", "prepare"),
    ("stored", "broken"): Step("recorded", "note"),
    ("stored", "unfit"): Step("reverting", "condemn"),
    ("stored", "ready"): Step("trial", "commit"),
    ("trial", "committed"): Step("trial", "start"),
    ("trial", "broken"): Step("trial", "note"),
    ("active", "broken"): Step("active", "note"),
    ("idle", "broken"): Step("idle", "note"),
    ("reverting", "broken"): Step("recorded", "note"),
    ("trial", "taken"): Step("active", "settle"),
    ("active", "taken"): Step("active", "rest"),
    ("trial", "later"): Step("trial", "rest"),
    ("active", "later"): Step("active", "rest"),
    ("trial", "refused"): Step("reverting", "revert"),
    ("active", "refused"): Step("reverting", "revert"),
    ("reverting", "reverted"): Step("active", "start"),
    ("reverting", "emptied"): Step("idle", "rest"),
    ("trial", "gone"): Step("idle", "withdraw"),
    ("active", "gone"): Step("idle", "withdraw"),
}
"""What is not here cannot happen; :func:`step` says so."""


def step(state: State, event: Event) -> Step:
    """The row of the table.

    Raises:
        LookupError: there is none; the caller has lost its way.
    """
    row = TRANSITIONS.get((state, event))
    if row is None:
        raise LookupError(f"no row for {event} in {state}")
    return row
