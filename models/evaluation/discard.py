"""Which figure of quality foretells errors: error-versus-discard characteristics. Knows figures; sees no picture.

ISO/IEC 29794-1: of comparisons of two pictures of one face, those are discarded first whose worse picture is worst; the
better a figure foretells errors, the faster the false non-match rate of the rest falls. Where figures are equal, a
seeded draw decides the rates, and the area is the mean of all draws. The area under the curve is set against that of a
figure which knew the errors: 0 is as good as that, 1 is no better than discarding at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from models.faces import F32
from models.intervals import Rate, clustered

DISCARDED = (0.0, 0.05, 0.1, 0.2, 0.3)
"""Shares of the comparisons that are discarded."""
MOST_A_LABEL = 15
"""Comparisons of one label at most, so that no label outweighs the others: all that six pictures have."""
_RESAMPLES = 200
_STEPS = 60
"""Points of a curve that its area is summed over."""
Labels = npt.NDArray[np.int64]


class Discarded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left when the worst are gone.

    Attributes:
        share: of the comparisons that were discarded.
        fnmr: false non-match rate of the rest.
    """

    share: float
    fnmr: Rate


class Characteristic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one figure of quality.

    Attributes:
        measure: what it is called.
        points: by rising share.
        area: from 0, as if it knew the errors, to 1, no better than chance; more is worse than chance.
        low, high: 95 % interval of the area, labels drawn anew.
    """

    measure: str
    points: tuple[Discarded, ...]
    area: float
    low: float
    high: float


class QualityReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of all figures, the one that foretells errors best first.

    Attributes:
        threshold: of similarity, below which a comparison is a false non-match.
        comparisons, labels: how many.
        errors: comparisons below the threshold.
        characteristics: by rising area.
    """

    threshold: float
    comparisons: int
    labels: int
    errors: int
    characteristics: tuple[Characteristic, ...]


@dataclass(frozen=True)
class Mated:
    """Comparisons of two pictures under one label.

    Attributes:
        first, second: (n) images.
        cluster: (n) number of the label, from 0, none left out.
    """

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]
    cluster: Labels

    def __len__(self) -> int:
        """Number of comparisons."""
        return len(self.first)


def mated(labels: Labels, rng: np.random.Generator, most_a_label: int = MOST_A_LABEL) -> Mated:
    """Comparisons of every label with two pictures or more; where there are too many, some of them by chance.

    Args:
        labels: (images) of each image.
        rng: draws.
        most_a_label: comparisons.
    """
    pairs, clusters = list[npt.NDArray[np.intp]](), list[int]()
    order = np.argsort(labels, kind="stable")
    for images in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        every = np.stack([images[side] for side in np.triu_indices(len(images), 1)], axis=1)
        if not len(every):
            continue
        chosen = np.sort(rng.permutation(len(every))[:most_a_label])
        clusters += [len(pairs)] * len(chosen)
        pairs.append(every[chosen])
    both = np.concatenate(pairs) if pairs else np.zeros((0, 2), np.intp)
    return Mated(both[:, 0], both[:, 1], np.array(clusters, np.int64))


def discard(
    vectors: F32, pairs: Mated, measures: Mapping[str, F32], threshold: float, rng: np.random.Generator
) -> QualityReport:
    """Measure what discarding by each figure does.

    Args:
        vectors: (images, d) templates of unit length.
        pairs: comparisons.
        measures: (images) of each figure of quality, more is better.
        threshold: of similarity.
        rng: breaks ties, and draws labels anew.

    Raises:
        ValueError: there is no comparison.
    """
    if not len(pairs):
        raise ValueError("no label has two pictures, so nothing can be discarded")
    similarities = np.einsum("nd,nd->n", vectors[pairs.first], vectors[pairs.second])
    wrong = similarities < threshold
    found = (
        _characteristic(name, np.minimum(figure[pairs.first], figure[pairs.second]), wrong, pairs.cluster, rng)
        for name, figure in measures.items()
    )
    return QualityReport(
        threshold=threshold,
        comparisons=len(pairs),
        labels=int(pairs.cluster.max()) + 1,
        errors=int(wrong.sum()),
        characteristics=tuple(sorted(found, key=lambda one: one.area)),
    )


def _characteristic(
    name: str, figure: F32, wrong: npt.NDArray[np.bool_], cluster: Labels, rng: np.random.Generator
) -> Characteristic:
    worst_first = np.lexsort((rng.permutation(len(figure)), figure))
    falling, errors = figure[worst_first], wrong[worst_first]
    areas = [_area(falling[rows], errors[rows]) for rows in _resampled(cluster[worst_first], rng)]
    low, high = np.percentile(areas, [2.5, 97.5])
    points = tuple(
        Discarded(share, _rest(wrong, cluster, worst_first[int(share * len(figure)) :])) for share in DISCARDED
    )
    area = _area(falling, errors)
    return Characteristic(name, points, area, min(float(low), area), max(float(high), area))


def _rest(wrong: npt.NDArray[np.bool_], cluster: Labels, kept: npt.NDArray[np.intp]) -> Rate:
    count = int(cluster.max()) + 1
    events = np.bincount(cluster[kept], wrong[kept], count).astype(np.int64)
    return clustered(events, np.bincount(cluster[kept], minlength=count).astype(np.int64))


def _resampled(cluster: Labels, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Comparisons, in the order that they came in, of labels that were drawn with replacement: the bootstrap."""
    count = int(cluster.max()) + 1
    drawn = (np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(_RESAMPLES))
    return [np.repeat(np.arange(len(cluster)), times[cluster]) for times in drawn]


def _area(figure: F32, wrong: npt.NDArray[np.bool_]) -> float:
    """Of errors in the order that they are discarded in, up to the last share; 1 where there is no error.

    Where the figure is equal any order will do: the mean of all of them is taken.
    """
    equal = np.concatenate([[0], np.cumsum(np.diff(figure) != 0)])
    expected = (np.bincount(equal, wrong) / np.bincount(equal))[equal]
    total, count = int(wrong.sum()), len(wrong)
    if not total:
        return 1.0
    gone = (np.linspace(0, DISCARDED[-1], _STEPS + 1) * count).astype(int)
    errors = total - np.concatenate([[0], np.cumsum(expected)])[gone]
    left = count - gone
    curve, best = errors / left, np.maximum(0, total - gone) / left
    chance = total / count
    span = chance * len(gone) - float(best.sum())
    return (float(curve.sum()) - float(best.sum())) / span if span > 0 else 1.0
