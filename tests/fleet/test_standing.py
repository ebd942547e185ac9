"""A van that is shown an old repository, or none, stands out; so does one that has what nobody published."""

from __future__ import annotations

import json
from typing import Any

import pytest

from firmware.control.fleet import Sight
from firmware.fleet.vans.standing import Published, Standing, standing
from firmware.fleet.vans.table import standings_json
from firmware.messages import Fitted, Phase, Updates
from ota.content import Kind
from tests.control.van import a_state

KEY_ID, NOW = "ab" * 32, 1_800_000_000
DIGEST = "3f" * 32


def fitted(kind: Kind = "watchlist", counter: int = 4, phase: Phase = "armed", sha256: str = DIGEST) -> Fitted:
    return Fitted(kind=kind, sha256=sha256, counter=counter, phase=phase)


def seen(*has: Fitted, checked: int = NOW - 60, **changes: Any) -> Standing:
    updates = Updates(floor=NOW - 3600, checked=checked, fault=changes.pop("fault", ""), fitted=has)
    state = a_state(1, **{"updates": updates, "memory": "secret", "clock_trusted": False, **changes})
    published = [Published("watchlist", DIGEST, 4, frozenset({KEY_ID})), Published("model", DIGEST, 9, frozenset())]
    return standing("van-07", KEY_ID, Sight(state, heard_s=0.0), published, (1.0, float(NOW)))


def test_a_van_that_has_what_it_should_have_is_not_remarked_upon() -> None:
    assert seen(fitted()).remarks == ()
    assert seen(fitted()).fitted["watchlist"].counter == 4


@pytest.mark.parametrize(
    ("found", "remark"),
    [
        (seen(fitted(), checked=0), "FROZEN? has never verified anything"),
        (seen(fitted(), checked=NOW - 49 * 3600), "FROZEN? verified nothing fresh for 49 h"),
        (seen(fitted(), fault="clock"), "updates: clock"),
        (seen(fitted(), updates=None), "takes no updates: no agent"),
        (seen(fitted(), memory="open"), "its memory cannot be locked"),
        (seen(), "watchlist 4 not there yet"),
        (seen(fitted(counter=3)), "watchlist 4 not there yet, has 3"),
        (seen(fitted(counter=5)), "watchlist 5 is NEWER than the published 4"),
        (seen(fitted(sha256="4e" * 32)), "watchlist 4 is NOT the published one"),
        (seen(fitted(phase="refused")), "watchlist 4 refused"),
        (seen(fitted(phase="trial")), "watchlist 4 on trial"),
    ],
)
def test_what_a_person_should_look_at_is_said(found: Standing, remark: str) -> None:
    assert any(text.startswith(remark) for text in found.remarks), found.remarks


def test_a_list_that_is_not_published_any_more_is_said_to_be_so() -> None:
    state = a_state(1, updates=Updates(floor=1, checked=NOW, fault="", fitted=(fitted(),)), memory="secret")
    found = standing("van-07", KEY_ID, Sight(state, heard_s=0.0), [], (1.0, float(NOW)))
    assert "watchlist 4 is not published any more" in found.remarks


def test_a_van_that_nobody_heard_says_so_too() -> None:
    found = standing("van-07", KEY_ID, Sight(), [], (1.0, float(NOW)))
    assert json.loads(standings_json([found])) == {"van-07": {"mode": "", "fitted": {}, "look_at": ["nothing heard"]}}
