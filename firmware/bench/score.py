"""Score events against the truth of a crowd: listed people found, missed, and false events.

Knows entries and frames; refuses to know which system made the events, and how.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from firmware.bench.crowd import Truth, Walk
from firmware.bench.outcome import Event

SLACK_S = 1.0  # an event may be decided this long after its walker left the street


class Score(msgspec.Struct, frozen=True):
    """What the events are worth.

    A walker who is reported as an entry that is in the street at that moment too cannot be told from that entry: with
    500 entries and 2 of them in view, that hides 1 false event in 250.

    ``found`` and ``missed`` are listed entries that walked, sorted; ``false`` is every event whose entry was not in the
    street when it was decided.
    """

    listed: int
    found: tuple[str, ...]
    missed: tuple[str, ...]
    false: tuple[Event, ...]


def score(truth: Truth, events: Sequence[Event]) -> Score:
    """Compare ``events`` with ``truth``. A second event of one walk is neither found twice nor false."""
    slack = round(SLACK_S * truth.fps)
    walks = [walk for walk in truth.walkers if walk.entry is not None]
    right = {e.entry for e in events if any(_fits(e, walk, slack) for walk in walks)}
    false = tuple(e for e in events if not any(_fits(e, walk, slack) for walk in walks))
    listed = {walk.entry for walk in walks if walk.entry is not None}
    return Score(len(listed), tuple(sorted(right)), tuple(sorted(listed - right)), false)


def _fits(event: Event, walk: Walk, slack: int) -> bool:
    return event.entry == walk.entry and walk.first_frame <= event.decided_frame <= walk.last_frame + slack
