"""The list of this deployment, in memory only, and the search through it. Knows entries and cosines; no tracks' faces.

Search is exact: one matrix product. An index would add misses and save nothing (50,000 x 512: 2 ms).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from models.faces import F32, Embeddings


class WatchlistError(Exception):
    """The list cannot be used; match nothing."""


@dataclass(frozen=True)
class Entry:
    """One entry of the list: an opaque reference and its category. Names and offences are never here."""

    ref: str
    category: str


@dataclass(frozen=True)
class Candidate:
    """The nearest entry to one template.

    Attributes:
        row: of the entry in the list.
        entry: the entry.
        similarity: cosine, in [-1, 1].
        margin: distance of the similarity to the next entry's; 2 in a list of one.
    """

    row: int
    entry: Entry
    similarity: float
    margin: float


class Watchlist:
    """Entries and their templates.

    Args:
        entries: with references that differ.
        templates: one row of unit length an entry.

    Raises:
        WatchlistError: empty, rows and entries that do not fit each other, a reference twice.
    """

    def __init__(self, entries: tuple[Entry, ...], templates: Embeddings) -> None:
        if not entries:
            raise WatchlistError("watchlist: no entries")
        if len(entries) != len(templates):
            raise WatchlistError(f"watchlist: {len(entries)} entries, {len(templates)} templates")
        if len({entry.ref for entry in entries}) != len(entries):
            raise WatchlistError("watchlist: an entry's reference appears twice")
        if not np.allclose(np.linalg.norm(templates.vectors, axis=1), 1, atol=1e-3):
            raise WatchlistError("watchlist: a template is not of unit length")
        self.entries = entries
        self.space = templates.space
        self.digest = _digest(entries, templates)
        self._matrix = np.ascontiguousarray(templates.vectors)

    def __len__(self) -> int:
        """Number of entries."""
        return len(self.entries)

    def search(self, probes: Embeddings) -> list[Candidate]:
        """The nearest entry of each probe, in order.

        Raises:
            WatchlistError: the probes come from another model or preprocessing than the list.
        """
        if probes.space != self.space:
            raise WatchlistError("watchlist: made by another model or preprocessing than the camera's templates")
        return [self._nearest(similarities) for similarities in probes.vectors @ self._matrix.T]

    def wipe(self) -> None:
        """Overwrite all templates; the list finds nobody any more."""
        self._matrix.fill(0.0)

    def _nearest(self, similarities: F32) -> Candidate:
        if len(similarities) == 1:
            return Candidate(0, self.entries[0], float(similarities[0]), 2.0)
        second, first = np.argpartition(similarities, -2)[-2:]
        best = float(similarities[first])
        return Candidate(int(first), self.entries[first], best, best - float(similarities[second]))


def _digest(entries: tuple[Entry, ...], templates: Embeddings) -> str:
    """SHA-256 over references, categories and templates: says which list was used, and gives none of it away."""
    digest = hashlib.sha256(templates.space.encode())
    for entry in entries:
        digest.update(f"{len(entry.ref)}:{entry.ref}{len(entry.category)}:{entry.category}".encode())
    half = templates.vectors.astype("<f2")
    digest.update(half.data)
    half.fill(0)
    return digest.hexdigest()
