"""A list that two people released to this van, while it is in use. Knows when it and each entry end, and what names an
entry on the road; refuses to know who released it, cameras and what was seen.

Time is monotonic from the moment of the release on: who sets the clock back does not make it last longer.
"""

from __future__ import annotations

from firmware.match.opened import OpenedList
from firmware.match.threshold import Terms
from firmware.match.watchlist import Entry, Keeping, Watchlist
from models.faces import Embeddings
from ota.content import entry_mark


class Armed:
    """One released list; one thread uses it.

    Args:
        opened: lies open in memory, which this object wipes in the end.
        sha256: of the encrypted list.
        ends_s: monotonic seconds at which it ends.
        epoch_s: monotonic seconds at which the wall clock would have said 0.
        terms: on which it is used.

    Raises:
        WatchlistError: it cannot be used; its memory is wiped.
    """

    def __init__(self, opened: OpenedList, sha256: str, ends_s: float, epoch_s: float, terms: Terms) -> None:
        self.sha256 = sha256
        self.terms = terms
        self.memory = opened.memory.kind
        self._ends_s = ends_s
        entries = opened.head.entries
        self._rows = {entry_mark(sha256, entry.ref): row for row, entry in enumerate(entries)}
        ends = ((entry.not_after + epoch_s, row) for row, entry in enumerate(entries))
        self._entries_end = sorted(ends, reverse=True)
        shelf = _Shelf(opened)
        try:
            self.watchlist = Watchlist(
                tuple(Entry(entry.ref, entry.category, entry.minor) for entry in entries),
                Embeddings(opened.templates, opened.head.space),
                sha256,
                Keeping(shelf.portrait, shelf.erase, shelf.wipe),
            )
        except BaseException:
            shelf.wipe()
            raise

    def is_over(self, now_s: float) -> bool:
        """Whether its time has come; entries whose own has are overwritten."""
        while self._entries_end and self._entries_end[-1][0] <= now_s:
            self.watchlist.revoke(self._entries_end.pop()[1])
        return now_s >= self._ends_s

    def lists(self, mark: str) -> bool:
        """Whether the entry of this mark is on the list, or was."""
        return mark in self._rows

    def revoke(self, mark: str) -> None:
        """Overwrite the entry of this mark, if it is on the list."""
        row = self._rows.get(mark)
        if row is not None:
            self.watchlist.revoke(row)

    def wipe(self) -> None:
        """Overwrite all of it and let its memory go."""
        self._rows.clear()
        self._entries_end.clear()
        self.watchlist.wipe()


class _Shelf:
    """The portraits, and the memory that all of the list lies in."""

    def __init__(self, opened: OpenedList) -> None:
        self._opened: OpenedList | None = opened
        self._edges = [0, *opened.portrait_ends.tolist()]

    def portrait(self, row: int) -> bytes:
        start, end = self._edges[row : row + 2]
        return b"" if self._opened is None else self._opened.portraits[start:end].tobytes()

    def erase(self, row: int) -> None:
        start, end = self._edges[row : row + 2]
        if self._opened is not None:
            self._opened.portraits[start:end] = 0

    def wipe(self) -> None:
        if self._opened is not None:
            memory, self._opened = self._opened.memory, None  # its views first: then it can be unmapped
            memory.wipe()
