"""What is told of comparisons, searches and groups, in words, tables, plots. Knows an evaluation; computes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

from models.calibration import FmrPoint
from models.evaluation.axes import decades, linear, probit
from models.evaluation.report import Identification, Reading, SearchPoint, Verification
from models.evaluation.rounding import counted, in_words, share, wanted
from models.evaluation.section import Plot, Section, Table
from models.evaluation.svg import Point, Series, bare
from models.intervals import Rate

DET_SHARES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.4)
MISSED_SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_PLOTTED_LISTS = 6
Readings = tuple[tuple[str, Reading], ...]
"""What the labels of each reading are called, and its figures."""


def verification(readings: Readings) -> Section:
    """Single comparisons."""
    return Section(
        "Comparisons of two photographs",
        "Every photograph with every other. FMR: comparisons of two labels that reach the threshold. FNMR: "
        "comparisons of one label that do not.",
        (
            Table(
                ("labels", "FMR wanted", "threshold", "FMR", "events", "FNMR", "events", "note"),
                tuple(row for name, one in readings for row in _points(name, one)),
            ),
            Table(
                ("labels", "photographs", "people", "mated", "non-mated", "least FMR that can be shown"),
                tuple(
                    (
                        name,
                        f"{one.images:,}",
                        f"{one.people:,}",
                        f"{one.verification.mated:,}",
                        f"{one.verification.non_mated:,}",
                        f"{one.verification.smallest_fmr:.1e}",
                    )
                    for name, one in readings
                ),
            ),
        ),
        (
            Plot(
                "Detection error trade-off: FNMR over FMR",
                probit("FMR", DET_SHARES),
                probit("FNMR", MISSED_SHARES),
                tuple(Series(name, det_of(one.verification), dots=False) for name, one in readings),
            ),
        ),
    )


def det_of(one: Verification) -> tuple[Point, ...]:
    """The curve by rising FMR."""
    return bare([(point.fmr, point.fnmr) for point in reversed(one.det)])


def thresholds(judged: Reading) -> Section:
    """False matches over the threshold, of the set and of each group."""
    curves = [("whole set", judged.curve), *((group.name, group.points) for group in judged.groups if group.points)]
    rows = tuple(
        (name, f"{point.threshold:.2f}", share(point.fmr), counted(point.fmr))
        for name, points in curves
        for point in points
        if round(100 * point.threshold) % 5 == 0
    )
    steps = [round(0.2 + 0.1 * step, 1) for step in range(7)]
    plot = Plot(
        "FMR over the threshold, with 95 % intervals",
        linear("threshold (cosine)", steps),
        decades("FMR", -7, 0),
        tuple(Series(name, _curve(points), dots=False) for name, points in curves),
    )
    return Section("False matches over the threshold", "", (Table(("", "threshold", "FMR", "events"), rows),), (plot,))


def searches(judged: Reading) -> Section:
    """Open-set searches."""
    lists = judged.identification
    head = ("entries", "portraits", "FPIR wanted", "TPIR", "of draws", "draws", "rank 1", "note")
    plotted = [one for one in lists if one.portraits == 1 and any(point.draws for point in one.points)]
    least = min((point.low for one in plotted for point in _found(one)), default=0.0)
    floor = math.floor(10 * least) / 10
    plot = Plot(
        "TPIR over FPIR, one portrait an entry, with 95 % intervals",
        decades("FPIR", -4, -1),
        linear("TPIR", [floor + (1 - floor) * step / 5 for step in range(6)], "%"),
        tuple(Series(_called(one), _found(one)) for one in plotted[-_PLOTTED_LISTS:]),
    )
    return Section(
        "Searches in a list, one photograph a search",
        "TPIR: mated searches with their own entry on top and at or above the threshold. FPIR: searches of people "
        "who are not on the list that reach it. The interval is the draws' own; draws share their people, so more "
        "of them make it no narrower. Of a track several photographs are searched: see the calibration.",
        (Table(head, tuple(row for one in lists for row in _search_rows(one))),),
        (plot,) if plotted else (),
    )


def groups(judged: Reading) -> Section:
    """Groups, at the thresholds of the whole set."""
    if not judged.groups:
        return Section(
            "Groups",
            "The set does not say who belongs to which group, so nothing is known of the worst-served one. "
            "A calibration from it shrinks its limits by a stated factor.",
        )
    rows = tuple(
        row
        for group in judged.groups
        for row in (
            [
                (group.name, f"{group.people:,}", f"{point.threshold:.2f}", share(point.fmr), counted(point.fmr), fnmr)
                for point, fnmr in zip(group.points, _missed(group.fnmr, len(group.points)), strict=True)
                if round(100 * point.threshold) % 5 == 0
            ]
            or [(group.name, f"{group.people:,}", "", "too few people", "", "")]
        )
    )
    return Section("Groups", "", (Table(("group", "people", "threshold", "FMR within", "events", "FNMR"), rows),))


def _missed(rates: tuple[Rate, ...], count: int) -> list[str]:
    return [f"{share(rate)}, {counted(rate)}" for rate in rates] or [""] * count


def _points(name: str, one: Reading) -> Iterator[tuple[str, ...]]:
    for point in one.verification.points:
        limit = "" if point.threshold is None else f"{point.threshold:.4f}"
        rates = (share(point.fmr), counted(point.fmr), share(point.fnmr), counted(point.fnmr))
        yield name, wanted(point.wanted), limit, *rates, point.mark
    if (pairs := one.verification.pairs) is not None:
        folds = f"{pairs.without_face} without a face, {pairs.absent} absent"
        yield name, "given pairs", "of the other folds", share(pairs.correct), counted(pairs.correct), "", "", folds


def _search_rows(one: Identification) -> Iterator[tuple[str, ...]]:
    for point in one.points:
        tpir = in_words(point.tpir, point.low, point.high) if point.draws else ""
        spread = f"{100 * point.least:.1f} to {100 * point.most:.1f} %" if point.draws else ""
        counts = (wanted(point.wanted), tpir, spread, f"{len(point.draws)}")
        yield _called(one), f"{one.portraits}", *counts, f"{100 * one.rank1:.1f} %", point.mark


def _called(one: Identification) -> str:
    return f"{one.entries:,}, all" if one.left_out else f"{one.entries:,}"


def _found(one: Identification) -> tuple[Point, ...]:
    shown: list[SearchPoint] = sorted((point for point in one.points if point.draws), key=lambda point: point.wanted)
    return tuple(Point(point.wanted, point.tpir, point.low, point.high) for point in shown)


def _curve(points: tuple[FmrPoint, ...]) -> tuple[Point, ...]:
    return tuple(Point(point.threshold, point.fmr.rate, point.fmr.low, point.fmr.high) for point in points)
