"""Given pairs told apart, ten-fold. Knows similarities and folds; no threshold of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.evaluation.labelled import in_steps
from models.evaluation.pairs import Pair
from models.evaluation.report import PairsRate
from models.faces import F32
from models.intervals import Counts, clustered


def tell_apart(pairs: Sequence[Pair], absent: int, vectors: F32, rows: Mapping[str, int]) -> PairsRate | None:
    """Each fold judged with the threshold that is best on the others; of several such, the least.

    A pair with a photograph in which no face was found is taken for "not the same", as a search would.

    Args:
        pairs: at least two folds, or none at all.
        absent: pairs that were left out because the set lacks a photograph.
        vectors: (n, d) templates of unit length.
        rows: from a photograph's name to its template, where it has one.
    """
    if not pairs:
        return None
    compared = [pair.one in rows and pair.other in rows for pair in pairs]
    one, other = [rows.get(pair.one, 0) for pair in pairs], [rows.get(pair.other, 0) for pair in pairs]
    similarities = np.einsum("nd,nd->n", vectors[one], vectors[other])
    steps = np.where(compared, in_steps(similarities), np.int16(-1))
    same, folds = np.array([pair.same for pair in pairs]), np.array([pair.fold for pair in pairs])
    right, sizes = list[int](), list[int]()
    for fold in np.unique(folds):
        judged = folds == fold
        limit = _best(steps[~judged], same[~judged])
        right.append(int(((steps[judged] >= limit) == same[judged]).sum()))
        sizes.append(int(judged.sum()))
    events, trials = np.array(right, np.int64), np.array(sizes, np.int64)
    return PairsRate(
        correct=clustered(events, trials),
        folds=tuple(float(share) for share in events / trials),
        without_face=compared.count(False),
        absent=absent,
    )


def _best(steps: npt.NDArray[np.int16], same: npt.NDArray[np.bool_]) -> int:
    limits = np.unique(np.append(steps[steps >= 0], 0))
    yes, no = np.sort(steps[same]), np.sort(steps[~same])
    right: Counts = len(yes) - np.searchsorted(yes, limits, side="left") + np.searchsorted(no, limits, side="left")
    return int(limits[np.argmax(right)])
