"""The list of this deployment, in memory only, and the search through it. Knows entries and cosines; no tracks' faces.

Search is exact: one matrix product. An index would add misses and save nothing (50,000 x 512: 2 ms).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.faces import F32, Embeddings

_NEAREST = 10
"""Others that an entry is compared with."""
_MOST_COMPARED = 1_000
"""Others of a long list, evenly chosen: all of 10,000 would take seconds."""
_LEAST_TO_COMPARE = 50
"""In a shorter list ten others are no sample of what is usual."""
_SLACK = 2e-3
"""Of a template's length squared, and between two entries that are one picture."""


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
        crowding: by how much the entry resembles its nearest others more than is usual in the list: more strangers
            resemble such an entry than others (Doddington et al., Sheep, goats, lambs and wolves, ICSLP 1998).
    """

    row: int
    entry: Entry
    similarity: float
    margin: float
    crowding: float = 0.0


@dataclass(frozen=True)
class Examined:
    """An entry in the search for itself.

    Attributes:
        is_sound: its template is of unit length, and no other entry is found in its place.
        nearest: cosine to the nearest other entry; -1 in a list of one.
    """

    is_sound: bool
    nearest: float


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
        if not np.allclose(squares, 1, atol=_SLACK):
            raise WatchlistError("watchlist: a template is not of unit length")
        self.entries = entries
        self.space = templates.space
        self.digest = digest or _digest(entries, templates)
        self._matrix = matrix
        self._keeping = keeping
        self._gone: set[int] = set()
        self._crowding = _crowding(matrix)

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

    def examine(self, row: int) -> Examined | None:
        """Search for the entry of a row by its own template, where that lies; None for one that was revoked."""
        if row in self._gone:
            return None
        with np.errstate(invalid="ignore"):  # what is no number is judged below
            similarities = self._matrix @ self._matrix[row]
        itself = float(similarities[row])
        found = self._nearest(similarities)
        nearest = found.similarity - found.margin if found.row == row else found.similarity
        # Written so that a similarity that is not a number is not sound.
        return Examined(abs(itself - 1) <= _SLACK and found.similarity <= itself + _SLACK, max(nearest, -1.0))

    def revoke(self, row: int) -> None:
        """Overwrite this entry; it is found no more."""
        self._matrix[row] = 0.0
        self._keeping.erase(row)
        self._gone.add(row)

    def wipe(self) -> None:
        """Overwrite all templates; the list finds nobody any more."""
        self._matrix.fill(0.0)
        self._matrix = np.zeros(self._matrix.shape, np.float32)  # no view is left, so the memory can be unmapped
        self._crowding.fill(0.0)
        self._keeping.wipe()
        self._keeping = Keeping()
        self._gone = set(range(len(self.entries)))

    def _nearest(self, similarities: F32) -> Candidate:
        if len(similarities) == 1:
            return Candidate(0, self.entries[0], float(similarities[0]), 2.0)
        first = int(similarities.argmax())
        best = float(similarities[first])
        similarities[first] = -np.inf  # two passes for a maximum are a tenth of one partition
        margin = best - float(similarities.max())
        return Candidate(first, self.entries[first], best, margin, float(self._crowding[first]))


def _crowding(matrix: F32) -> F32:
    """(n) f32, at least 0, of the rows of a list; 0 in one that is too short to say what is usual."""
    if len(matrix) < _LEAST_TO_COMPARE:
        return np.zeros(len(matrix), np.float32)
    step = -(-len(matrix) // _MOST_COMPARED)
    others, nearest = matrix[::step], np.empty(len(matrix), np.float32)
    for row, template in enumerate(matrix):  # one by one, as in a search
        similarities = others @ template
        if row % step == 0:
            similarities[row // step] = -1
        nearest[row] = np.partition(similarities, -_NEAREST)[-_NEAREST:].mean()
    above: F32 = np.maximum(nearest - np.median(nearest), np.float32(0))
    return above


def _digest(entries: tuple[Entry, ...], templates: Embeddings) -> str:
    """SHA-256 over references, categories and templates: says which list was used, and gives none of it away."""
    digest = hashlib.sha256(templates.space.encode())
    for entry in entries:
        digest.update(f"{len(entry.ref)}:{entry.ref}{len(entry.category)}:{entry.category}".encode())
    half = templates.vectors.astype("<f2")
    digest.update(half.data)
    half.fill(0)
    return digest.hexdigest()
