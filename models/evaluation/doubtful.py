"""Comparisons between labels that are so similar that a label may be wrong. Knows similarities; refuses to decide.

Twins and doubles are among them, so it takes somebody who looks: what they find becomes errata.
"""

from __future__ import annotations

import msgspec
import numpy as np

from models.evaluation.labelled import Labelled, mated, non_mated_above, step_of, threshold_of
from models.portrait import DUPLICATE_SIMILARITY


class Doubtful(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two photographs, by name, under two labels; for the eyes of whoever keeps the set."""

    one: str
    other: str
    similarity: float


def doubtful(one: Labelled) -> tuple[Doubtful, ...]:
    """The most similar first: those at or above the median of comparisons within labels."""
    within, _ = mated(one)
    limit = int(np.median(within)) if len(within) else step_of(DUPLICATE_SIMILARITY)
    found = non_mated_above(one, limit)
    order = np.lexsort((found.other, found.one, -found.steps.astype(np.int64)))
    return tuple(
        Doubtful(
            one.photos[found.one[place]].name,
            one.photos[found.other[place]].name,
            threshold_of(int(found.steps[place])),
        )
        for place in order
    )
