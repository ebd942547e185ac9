"""A calibration whose figures are made up, for a bench of made-up entries. Knows the form, and measures nothing."""

from __future__ import annotations

from collections.abc import Mapping

from models.calibrated import Use
from models.calibration import (
    ALLOWED_PER_1000,
    NO_GROUPS_FACTOR,
    Calibration,
    FmrPoint,
    TrackPoint,
    TrackRates,
    limits_of,
)
from models.intervals import Rate, exact

_TRIALS, _WALKERS, _ENTRIES = 10**12, 10**9, 500
_PEOPLE = 10**7
"""So many would bear the figures, with one picture each."""
_BELOW = 0.9
"""The made-up rate is that much of its upper end: further below than so many trials would have it."""


def made_up(use: Use, bears: Mapping[float, int]) -> Calibration:
    """One for this use; ``bears`` has the longest list at each threshold, both rising."""
    curve = tuple(FmrPoint(threshold, _bearing(entries)) for threshold, entries in bears.items())
    point = TrackPoint(min(bears), exact(90, 100), exact(0, _WALKERS - 100), 3.0)
    return Calibration(
        model=use.model,
        space=use.space,
        runner="made up for tests",
        evaluation="0" * 64,
        images=_PEOPLE,
        people=_PEOPLE,
        merged=0,
        dropped=0,
        curve=curve,
        groups=(),
        tracks=TrackRates(use.model, use.rule, _ENTRIES, _WALKERS, (point,)),
        fusion=1.0,
        shrink=NO_GROUPS_FACTOR,
        allowed_per_1000=ALLOWED_PER_1000,
        limits=limits_of(curve, (), NO_GROUPS_FACTOR, ALLOWED_PER_1000),
    )


def _bearing(entries: int) -> Rate:
    """A false match rate whose upper end allows just so many."""
    high = ALLOWED_PER_1000 / (1_000 * entries * NO_GROUPS_FACTOR)
    return Rate(int(_TRIALS * high * _BELOW), _TRIALS, 0.0, high)
