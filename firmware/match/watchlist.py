"""The list of this deployment, in memory only, and the search through it. Knows entries and cosines; no tracks' faces.

Search is exact: one matrix product. An index would add misses and save nothing (50,000 x 512: 2 ms).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.faces import F32, Embeddings


class WatchlistError(Exception):
    """The list cannot be used; match nothing."""


@dataclass(frozen=True)
class Entry:
    """One entry of the list: an opaque reference and its category. Names and offences are never here.

    ``minor``: more care is due, and the officer is told.
    """

    ref: str
    category: str
    minor: bool = False


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


@dataclass(frozen=True)
class Keeping:
    """Whoever keeps the memory that a list's templates and portraits lie in.

    Attributes:
        portrait: of a row, JPEG or PNG; b"" where there is none.
        erase: overwrites the portrait of a row.
        wipe: overwrites all of it and lets it go.
    """

    portrait: Callable[[int], bytes] = lambda row: b""
    erase: Callable[[int], None] = lambda row: None
    wipe: Callable[[], None] = lambda: None


class Watchlist:
    """Entries and their templates.

    Args:
        entries: with references that differ.
        templates: one row of unit length an entry; used where it lies.
        digest: says which list it is, and gives none of it away; made of the list when absent.
        keeping: whoever keeps the memory of templates and portraits.

    Raises:
        WatchlistError: empty, rows and entries that do not fit each other, a reference twice.
    """

    def __init__(
        self,
        entries: tuple[Entry, ...],
        templates: Embeddings,
        digest: str = "",
        keeping: Keeping = Keeping(),
    ) -> None:
        if not entries:
            raise WatchlistError("watchlist: no entries")
        if len(entries) != len(templates):
            raise WatchlistError(f"watchlist: {len(entries)} entries, {len(templates)} templates")
        if len({entry.ref for entry in entries}) != len(entries):
            raise WatchlistError("watchlist: an entry's reference appears twice")
        matrix = np.ascontiguousarray(templates.vectors)
        squares = np.einsum("ij,ij->i", matrix, matrix)  # np.linalg.norm would leave a copy of them all behind
        if not np.allclose(squares, 1, atol=2e-3):
            raise WatchlistError("watchlist: a template is not of unit length")
        self.entries = entries
        self.space = templates.space
        self.digest = digest or _digest(entries, templates)
        self._matrix = matrix
        self._keeping = keeping
        self._gone: set[int] = set()

    def __len__(self) -> int:
        """Number of entries that can be found."""
        return len(self.entries) - len(self._gone)

    def search(self, probes: Embeddings) -> list[Candidate]:
        """The nearest entry of each probe, in order.

        Raises:
            WatchlistError: the probes come from another model or preprocessing than the list.
        """
        if probes.space != self.space:
            raise WatchlistError("watchlist: made by another model or preprocessing than the camera's templates")
        # One by one: a product with several probes at once would be no faster, and would pack the list into buffers of
        # the BLAS, outside the memory that is wiped (OpenBLAS: interface/gemm.c; gemv reads the matrix where it lies).
        return [self._nearest(self._matrix @ probe) for probe in probes.vectors]

    def portrait(self, row: int) -> bytes:
        """The portrait of a row, JPEG or PNG, for the officer's comparison; b"" where there is none."""
        return self._keeping.portrait(row)

    def revoke(self, row: int) -> None:
        """Overwrite this entry; it is found no more."""
        self._matrix[row] = 0.0
        self._keeping.erase(row)
        self._gone.add(row)

    def wipe(self) -> None:
        """Overwrite all templates; the list finds nobody any more."""
        self._matrix.fill(0.0)
        self._matrix = np.zeros(self._matrix.shape, np.float32)  # no view is left, so the memory can be unmapped
        self._keeping.wipe()
        self._keeping = Keeping()
        self._gone = set(range(len(self.entries)))

    def _nearest(self, similarities: F32) -> Candidate:
        if len(similarities) == 1:
            return Candidate(0, self.entries[0], float(similarities[0]), 2.0)
        first = int(similarities.argmax())
        best = float(similarities[first])
        similarities[first] = -np.inf  # two passes for a maximum are a tenth of one partition
        return Candidate(first, self.entries[first], best, best - float(similarities.max()))


def _digest(entries: tuple[Entry, ...], templates: Embeddings) -> str:
    """SHA-256 over references, categories and templates: says which list was used, and gives none of it away."""
    digest = hashlib.sha256(templates.space.encode())
    for entry in entries:
        digest.update(f"{len(entry.ref)}:{entry.ref}{len(entry.category)}:{entry.category}".encode())
    half = templates.vectors.astype("<f2")
    digest.update(half.data)
    half.fill(0)
    return digest.hexdigest()
