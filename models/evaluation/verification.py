"""Compare all photographs with all: how often others match, how often the same do not. Knows labels; no list, no track.

Where a label has many photographs or a face has a double, comparisons hang together: intervals regard the labels as
clusters, and all comparisons of the same two labels as no surer than one.
"""

from __future__ import annotations

import numpy as np

from models.calibration import FmrPoint
from models.evaluation.labelled import (
    FINE,
    Comparisons,
    Labelled,
    mated,
    non_mated_above,
    non_mated_by_label,
    non_mated_histogram,
    pairs_above,
    rate_by_label,
    step_of,
    threshold_of,
)
from models.evaluation.report import FEWEST_EVENTS, DetPoint, EvaluationError, OperatingPoint, Verification
from models.intervals import Counts, Rate, paired, smallest_shown

GRID = tuple(round(0.20 + 0.01 * place, 2) for place in range(61))
"""Thresholds of every curve."""
WANTED_FMR = (1e-3, 1e-4, 1e-5, 1e-6)
_DET_POINTS = 100
_GRID_STEPS: Counts = np.array([step_of(threshold) for threshold in GRID], np.int64)


def fmr_curve(one: Labelled) -> tuple[FmrPoint, ...]:
    """False match rate on :data:`GRID`.

    Raises:
        EvaluationError: fewer than two labels.
    """
    counted = zip(GRID, non_mated_by_label(one, _GRID_STEPS).T, pairs_above(one, _GRID_STEPS), strict=True)
    return tuple(FmrPoint(threshold, _fmr(one, events, int(pairs))) for threshold, events, pairs in counted)


def fnmr_curve(one: Labelled) -> tuple[Rate, ...]:
    """False non-match rate on :data:`GRID`; empty where no label has two photographs."""
    steps, labels = mated(one)
    return tuple(rate_by_label(labels, steps < step) for step in _GRID_STEPS) if len(steps) else ()


def verify(one: Labelled) -> Verification:
    """All that comparisons of two say; without the given pairs.

    Raises:
        EvaluationError: fewer than two labels.
    """
    histogram = non_mated_histogram(one)
    above = np.cumsum(histogram[::-1])[::-1]
    within, labels = mated(one)
    total = _non_mated(one)
    least = smallest_shown(one.people * (one.people - 1) // 2)
    loosest = _least_step(above, WANTED_FMR[0] * total)
    top = non_mated_above(one, loosest)
    return Verification(
        mated=len(within),
        mated_people=len(np.unique(labels)),
        non_mated=total,
        smallest_fmr=least,
        fnmr=fnmr_curve(one),
        points=tuple(
            _point(one, wanted, top, _least_step(above, wanted * total)) if wanted >= least else _beyond(wanted, least)
            for wanted in WANTED_FMR
        ),
        det=_det(above, np.sort(within)),
    )


def non_mated_total(one: Labelled) -> int:
    """Comparisons between labels."""
    return int(len(one.labels) ** 2 - (one.sizes**2).sum()) // 2


def _non_mated(one: Labelled) -> int:
    if one.people < 2:
        raise EvaluationError(f"{one.people} label with a face found: there is nobody to compare with")
    return non_mated_total(one)


def _least_step(above: Counts, allowed: float) -> int:
    """The least step that no more comparisons than allowed reach."""
    return int(np.argmax(np.append(above, 0) <= allowed * (1 + 1e-12)))


def _fmr(one: Labelled, events_by_label: Counts, pairs: int) -> Rate:
    trials = one.sizes * (len(one.labels) - one.sizes)
    return paired(events_by_label, trials, int(events_by_label.sum()) // 2, _non_mated(one), pairs)


def _point(one: Labelled, wanted: float, top: Comparisons, step: int) -> OperatingPoint:
    if step > 2 * FINE:
        return OperatingPoint(wanted, mark="no threshold is strict enough: different labels have equal templates")
    over = top.steps >= step
    pairs = np.stack([one.labels[top.one[over]], one.labels[top.other[over]]])
    events = np.bincount(pairs.ravel(), minlength=one.people).astype(np.int64)
    steps, labels = mated(one)
    behind = len(np.unique(pairs, axis=1).T)
    few = f"few: {behind} pairs of labels stand behind it" if behind < FEWEST_EVENTS else ""
    return OperatingPoint(
        wanted=wanted,
        threshold=threshold_of(step),
        fmr=_fmr(one, events, behind),
        fnmr=rate_by_label(labels, steps < step) if len(steps) else None,
        mark=few,
    )


def _beyond(wanted: float, least: float) -> OperatingPoint:
    return OperatingPoint(wanted, mark=f"not shown: the set's labels can show {least:.4g} at the least")


def _det(above: Counts, within: np.ndarray[tuple[int], np.dtype[np.int16]]) -> tuple[DetPoint, ...]:
    """From the loosest threshold to the strictest, evenly over the false match rate's logarithm."""
    total = int(above[0])
    if not len(within):
        return ()
    rates = np.geomspace(0.5, 1 / total, _DET_POINTS)
    steps = sorted({min(2 * FINE, _least_step(above, rate * total)) for rate in rates})
    return tuple(
        DetPoint(
            threshold_of(step),
            int(above[step]) / total,
            int(np.searchsorted(within, step, side="left")) / len(within),
        )
        for step in steps
    )
