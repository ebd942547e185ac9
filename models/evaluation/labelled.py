"""Templates with their labels, and all their comparisons. Knows vectors and numbers of labels; no picture, no file.

A similarity is counted in steps of 1/10,000: histograms of millions of comparisons stay small, and a threshold is the
lower end of a step. Comparisons are made in blocks, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.photos import Photo
from models.faces import F32
from models.intervals import Counts, Rate, clustered

FINE = 10_000
"""Steps of a cosine's unit."""
_ROWS = 512
"""Of a block of comparisons."""
Steps = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Labelled:
    """Templates of n photographs.

    Attributes:
        vectors: (n, d) f32, each of unit length.
        labels: (n) numbers, rising from 0 without a gap.
        names: of the labels.
        photos: n.
    """

    vectors: F32
    labels: Counts
    names: tuple[str, ...]
    photos: tuple[Photo, ...]

    @property
    def people(self) -> int:
        """Labels."""
        return len(self.names)

    @property
    def sizes(self) -> Counts:
        """(labels) photographs of each."""
        return np.bincount(self.labels, minlength=self.people).astype(np.int64)

    def only(self, kept: npt.NDArray[np.bool_]) -> Labelled:
        """The photographs of a mask (n)."""
        left, labels = np.unique(self.labels[kept], return_inverse=True)
        photos = tuple(photo for photo, keep in zip(self.photos, kept, strict=True) if keep)
        return Labelled(self.vectors[kept], labels.astype(np.int64), tuple(self.names[one] for one in left), photos)


@dataclass(frozen=True)
class Comparisons:
    """Some comparisons of photographs with each other.

    Attributes:
        one, other: (m) rows of the photographs.
        steps: (m) their similarity.
    """

    one: npt.NDArray[np.intp]
    other: npt.NDArray[np.intp]
    steps: Steps

    def __len__(self) -> int:
        """How many."""
        return len(self.steps)


def labelled(photos: Iterable[tuple[Photo, str]], vectors: F32) -> Labelled:
    """Photographs under their labels.

    Args:
        photos: n, each with its label.
        vectors: (n, d) in the same order.
    """
    pairs = list(photos)
    order = sorted(range(len(pairs)), key=lambda place: (pairs[place][1], pairs[place][0].name))
    names, labels = np.unique([pairs[place][1] for place in order], return_inverse=True)
    return Labelled(
        np.ascontiguousarray(vectors[order]),
        labels.astype(np.int64),
        tuple(str(name) for name in names),
        tuple(pairs[place][0] for place in order),
    )


def step_of(threshold: float) -> int:
    """The step that begins at a threshold."""
    return round(threshold * FINE) + FINE


def threshold_of(step: int) -> float:
    """Where a step begins."""
    return (step - FINE) / FINE


def in_steps(similarities: F32) -> Steps:
    """Cosines as steps, each rounded down."""
    steps = similarities.astype(np.float64)
    steps += 1
    steps *= FINE
    np.clip(steps, 0, 2 * FINE, out=steps)
    return steps.astype(np.int16)


def mated(one: Labelled) -> tuple[Steps, Counts]:
    """All comparisons within labels: (m) steps, and (m) numbers of the labels."""
    ends = np.cumsum(one.sizes)
    several = np.flatnonzero(one.sizes > 1)
    steps, labels = [np.zeros(0, np.int16)], [np.zeros(0, np.int64)]
    for label in several:
        own = one.vectors[ends[label] - one.sizes[label] : ends[label]]
        steps.append(in_steps((own @ own.T)[np.triu_indices(len(own), 1)]))
        labels.append(np.full(len(steps[-1]), label, np.int64))
    return np.concatenate(steps), np.concatenate(labels)


def rate_by_label(labels: Counts, events: npt.NDArray[np.bool_]) -> Rate:
    """Of (m) trials, at least one, that come in labels."""
    several, clusters = np.unique(labels, return_inverse=True)
    counts = np.bincount(clusters, events, len(several)).astype(np.int64)
    return clustered(counts, np.bincount(clusters, minlength=len(several)).astype(np.int64))


def non_mated_histogram(one: Labelled) -> Counts:
    """(20,001) comparisons between labels in each step."""
    counts = np.zeros(2 * FINE + 2, np.int64)
    for _, steps in _blocks(one):
        counts += np.bincount(steps.ravel() + np.int16(1), minlength=len(counts))
    return counts[1:]


def non_mated_by_label(one: Labelled, wanted: Counts) -> Counts:
    """(labels, len(wanted)) comparisons with other labels at or above each of the steps ``wanted``, which rise."""
    counts = np.zeros(one.people * len(wanted), np.int64)
    for first, steps in _blocks(one):
        rows, columns = np.nonzero(steps >= wanted[0])
        places = np.searchsorted(wanted, steps[rows, columns], side="right") - 1
        for side in (rows + first, columns + first):
            counts += np.bincount(one.labels[side] * len(wanted) + places, minlength=len(counts))
    return np.cumsum(counts.reshape(one.people, -1)[:, ::-1], axis=1)[:, ::-1]


def pairs_above(one: Labelled, wanted: Counts) -> Counts:
    """(len(wanted)) pairs of labels with a comparison at or above each of the steps ``wanted``, which rise."""
    counts = np.zeros(len(wanted), np.int64)
    for most in _highest(one):
        over = most[most >= wanted[0]]
        counts += np.bincount(np.searchsorted(wanted, over, side="right") - 1, minlength=len(wanted))
    return np.cumsum(counts[::-1])[::-1]


def _highest(one: Labelled) -> Iterator[Steps]:
    """The highest step between each label and every later one: rows of labels, each pair once, -1 between no two."""
    begun: Steps | None = None
    for first, steps in _blocks(one):
        end = first + len(steps)
        most = np.maximum.reduceat(steps, _starts(one.labels[first:end]), axis=0)
        most = np.maximum.reduceat(most, _starts(one.labels[first:]), axis=1)
        if begun is not None:
            most[0] = np.maximum(most[0], begun[-most.shape[1] :])
        goes_on = end < len(one.labels) and one.labels[end] == one.labels[end - 1]
        begun = most[-1] if goes_on else None
        yield most[:-1] if goes_on else most


def _starts(labels: Counts) -> npt.NDArray[np.intp]:
    """Where in a rising row of labels each begins."""
    return np.flatnonzero(np.diff(labels, prepend=-1))


def non_mated_above(one: Labelled, least: int) -> Comparisons:
    """The comparisons between labels at or above a step."""
    rows, columns, found = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)], [np.zeros(0, np.int16)]
    for first, steps in _blocks(one):
        row, column = np.nonzero(steps >= least)
        rows.append(row + first)
        columns.append(column + first)
        found.append(steps[row, column])
    return Comparisons(np.concatenate(rows), np.concatenate(columns), np.concatenate(found))


def _blocks(one: Labelled) -> Iterator[tuple[int, Steps]]:
    """Rows from a place on against all from there on; -1 where both are of one label, or are compared elsewhere."""
    for first in range(0, len(one.labels), _ROWS):
        rows = one.vectors[first : first + _ROWS]
        steps = in_steps(rows @ one.vectors[first:].T)
        steps[one.labels[first:] <= one.labels[first : first + _ROWS, None]] = -1
        yield first, steps
