"""Entries of one list that a van could take for each other. Knows templates and rows; refuses to know refs.

A van asks that the next entry be clearly further away. Two entries that are too alike silence each other: neither is
ever reported. Copies of one picture are refused; look-alikes (siblings, twins, one face under two references) are shown
side by side to whoever reviews the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.faces import F32
from models.portrait import DUPLICATE_SIMILARITY

_BLOCK = 256


@dataclass(frozen=True)
class Pair:
    """Two rows, the earlier first, and their similarity."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True)
class Conflicts:
    """What stands in each other's way.

    Attributes:
        copies: each row that repeats an earlier one that stays.
        look_alikes: pairs of rows that both stay, most alike first.
    """

    copies: tuple[Pair, ...]
    look_alikes: tuple[Pair, ...]


def conflicts(templates: F32, threshold: float) -> Conflicts:
    """Of templates (n, d) f32 of unit length, in the list's order; ``threshold`` is the van's for this list."""
    stays = np.ones(len(templates), bool)
    copies: list[Pair] = []
    alike: list[Pair] = []
    for row, earlier in _earlier(templates):
        candidates = np.flatnonzero((earlier >= threshold) & stays[:row])
        if not len(candidates):
            continue
        nearest = int(candidates[np.argmax(earlier[candidates])])
        if earlier[nearest] >= DUPLICATE_SIMILARITY:
            stays[row] = False
            copies.append(Pair(nearest, row, float(earlier[nearest])))
            continue
        alike += [Pair(int(other), row, float(earlier[other])) for other in candidates]
    return Conflicts(tuple(copies), tuple(sorted(alike, key=lambda pair: -pair.similarity)))


def _earlier(templates: F32) -> Iterator[tuple[int, F32]]:
    """Each row with its similarities to the rows before it."""
    for start in range(0, len(templates), _BLOCK):
        stop = min(start + _BLOCK, len(templates))
        similarities = templates[start:stop] @ templates[:stop].T
        for row in range(start, stop):
            yield row, similarities[row - start, :row]
