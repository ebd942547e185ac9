"""What counts as found, missed and false."""

from __future__ import annotations

import pytest

from firmware.bench.crowd import Truth, Walk
from firmware.bench.outcome import Event
from firmware.bench.score import score

TRUTH = Truth(
    frames=500,
    fps=25,
    list_size=10,
    walkers=(Walk("ada", 100, 200), Walk(None, 0, 400), Walk("bo", 300, 400)),
)


def _event(entry: str, decided_frame: int) -> Event:
    return Event(entry, 0.6, decided_frame, decided_frame)


@pytest.mark.parametrize(
    ("events", "found", "missed", "false"),
    [
        pytest.param([], (), ("ada", "bo"), 0, id="nothing said"),
        pytest.param([("ada", 100), ("bo", 400)], ("ada", "bo"), (), 0, id="first and last frame count"),
        pytest.param([("ada", 225)], ("ada",), ("bo",), 0, id="decided within a second after the walk"),
        pytest.param([("ada", 226)], (), ("ada", "bo"), 1, id="decided too late"),
        pytest.param([("ada", 99)], (), ("ada", "bo"), 1, id="listed, but not there yet"),
        pytest.param([("cy", 150)], (), ("ada", "bo"), 1, id="on the list, never walks"),
        pytest.param([("ada", 120), ("ada", 180)], ("ada",), ("bo",), 0, id="twice in one walk is one"),
        pytest.param([("ada", 150), ("ada", 350)], ("ada",), ("bo",), 1, id="right once, false once"),
        pytest.param([("cy", 10), ("cy", 300)], (), ("ada", "bo"), 2, id="every false event counts"),
    ],
)
def test_score(events: list[tuple[str, int]], found: tuple[str, ...], missed: tuple[str, ...], false: int) -> None:
    result = score(TRUTH, [_event(*e) for e in events])
    assert (result.found, result.missed, len(result.false)) == (found, missed, false)
    assert result.listed == 2


def test_a_crowd_of_strangers_has_no_one_to_miss() -> None:
    result = score(Truth(100, 25, 10, (Walk(None, 0, 99),)), [_event("ada", 50)])
    assert (result.listed, result.missed, len(result.false)) == (0, (), 1)
