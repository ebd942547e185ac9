"""Open-set searches in lists of several lengths. Knows labels and lots; no track, so a single look decides.

Who is enrolled, and with which photograph, is drawn by lot. Mated probes are the other photographs of those who are
enrolled. Non-mated probes are all photographs of those who are not. Where all are enrolled, a search of the same probes
that leaves their own entry out is the non-mated one: its list is one entry shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from models.evaluation.labelled import Labelled, in_steps, rate_by_label, threshold_of
from models.evaluation.report import FEWEST_EVENTS, Draw, Identification, SearchPoint
from models.faces import F32
from models.intervals import Counts, smallest_shown

ENTRIES = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000)
"""Lengths of lists, as far as the set bears them; the list of all comes after."""
PORTRAITS = (1, 2, 3)
WANTED_FPIR = (1e-2, 3e-3, 1e-3, 1e-4)
_ROWS = 1024
"""Probes searched at once."""
_NOWHERE = np.float32(-np.inf)
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Lot:
    """A draw.

    Attributes:
        enrolled: labels, in the list's order.
        templates: (entries, d) f32, a row an entry.
        mated: rows of the mated probes.
        non_mated: rows of the non-mated probes.
    """

    enrolled: Counts
    templates: F32
    mated: Rows
    non_mated: Rows


@dataclass(frozen=True)
class _Found:
    """What searches found: the nearest entry's step, and whether it is the probe's own; by probe."""

    labels: Counts
    steps: npt.NDArray[np.int16]
    own: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Searched:
    """A draw's searches."""

    seed: int
    mated: _Found
    non_mated: _Found


def identify(
    one: Labelled, seeds: int, tell: Callable[[int, int], None] = lambda done, of: None
) -> tuple[Identification, ...]:
    """Every list that the set bears; none where no label has two photographs.

    Args:
        one: the set.
        seeds: draws of each list.
        tell: called with (lists done, lists).
    """
    lists = [(entries, portraits) for portraits in PORTRAITS for entries in _lengths(one, portraits)]
    found = list[Identification]()
    for done, (entries, portraits) in enumerate(lists):
        tell(done, len(lists))
        found.append(search_list(one, entries, portraits, seeds))
    tell(len(lists), len(lists))
    return tuple(found)


def _lengths(one: Labelled, portraits: int) -> list[int | None]:
    """Those that leave non-mated people; none stands for all."""
    able = int((one.sizes > portraits).sum())
    lengths: list[int | None] = [entries for entries in ENTRIES if entries <= able and entries < one.people]
    everybody = int((one.sizes >= portraits).sum())
    return [*lengths, None] if able and everybody > 1 else lengths


def search_list(one: Labelled, entries: int | None, portraits: int, seeds: int) -> Identification:
    """One list; none for ``entries`` stands for all."""
    searched = [_search(one, entries, portraits, seed) for seed in range(seeds)]
    mated, non_mated = [one.mated for one in searched], [one.non_mated for one in searched]
    people = round(fmean(len(np.unique(found.labels)) for found in non_mated))
    least = smallest_shown(people)
    return Identification(
        entries=entries or int((one.sizes >= portraits).sum()),
        portraits=portraits,
        left_out=entries is None,
        mated=round(fmean(len(found.labels) for found in mated)),
        mated_people=round(fmean(len(np.unique(found.labels)) for found in mated)),
        non_mated=round(fmean(len(found.labels) for found in non_mated)),
        non_mated_people=people,
        smallest_fpir=least,
        rank1=fmean(float(found.own.mean()) for found in mated),
        points=tuple(
            _point(wanted, searched)
            if wanted >= least
            else SearchPoint(
                wanted, mark=f"not shown: {people} people in non-mated searches can show {least:.4g} at the least"
            )
            for wanted in WANTED_FPIR
        ),
    )


def _search(one: Labelled, entries: int | None, portraits: int, seed: int) -> _Searched:
    lot = _draw(one, entries, portraits, np.random.default_rng(seed))
    places = np.full(one.people, -1, np.int64)
    places[lot.enrolled] = np.arange(len(lot.enrolled))
    return _Searched(
        seed,
        _nearest(one, lot.templates, lot.mated, places, leave_out=False),
        _nearest(one, lot.templates, lot.non_mated, places, leave_out=True),
    )


def _draw(one: Labelled, entries: int | None, portraits: int, rng: np.random.Generator) -> _Lot:
    order = rng.permutation(len(one.labels))
    order = order[np.argsort(one.labels[order], kind="stable")]  # by label again, shuffled within
    rank = np.arange(len(order)) - np.searchsorted(one.labels[order], one.labels[order])
    able = rng.permutation(np.flatnonzero(one.sizes >= portraits if entries is None else one.sizes > portraits))
    enrolled = np.sort(able[:entries])
    on_list = np.isin(one.labels[order], enrolled)
    rows = order[on_list & (rank < portraits)].reshape(len(enrolled), portraits)
    means = one.vectors[rows].mean(axis=1)
    templates: F32 = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.float32(1e-9))
    probes = order[on_list & (rank >= portraits)]
    others = order[~on_list]
    return _Lot(enrolled, templates, probes, np.concatenate([others, probes]) if entries is None else others)


def _nearest(one: Labelled, templates: F32, probes: Rows, places: Counts, *, leave_out: bool) -> _Found:
    """The nearest entry of each probe, its own left out where that is asked."""
    best, own = np.empty(len(probes), np.float32), np.empty(len(probes), np.bool_)
    for first in range(0, len(probes), _ROWS):
        rows = probes[first : first + _ROWS]
        place = places[one.labels[rows]]
        found = one.vectors[rows] @ templates.T
        if leave_out:
            listed = np.flatnonzero(place >= 0)
            found[listed, place[listed]] = _NOWHERE
        nearest = found.argmax(axis=1)
        best[first : first + len(rows)] = found[np.arange(len(rows)), nearest]
        own[first : first + len(rows)] = nearest == place
    return _Found(one.labels[probes], in_steps(best), own)


def _point(wanted: float, searched: list[_Searched]) -> SearchPoint:
    draws = tuple(_decide(wanted, one) for one in searched)
    shares = [draw.tpir.rate for draw in draws]
    events = fmean(draw.fpir.events for draw in draws)
    few = f"few: {events:.1f} events a draw stand behind the threshold" if events < FEWEST_EVENTS else ""
    return SearchPoint(
        wanted=wanted,
        tpir=fmean(shares),
        low=fmean(draw.tpir.low for draw in draws),
        high=fmean(draw.tpir.high for draw in draws),
        least=min(shares),
        most=max(shares),
        draws=draws,
        mark=few,
    )


def _decide(wanted: float, one: _Searched) -> Draw:
    falling = np.sort(one.non_mated.steps)[::-1]
    step = int(falling[int(wanted * len(falling) * (1 + 1e-12))]) + 1
    return Draw(
        seed=one.seed,
        threshold=min(1.0, threshold_of(step)),
        fpir=rate_by_label(one.non_mated.labels, one.non_mated.steps >= step),
        tpir=rate_by_label(one.mated.labels, one.mated.own & (one.mated.steps >= step)),
    )
