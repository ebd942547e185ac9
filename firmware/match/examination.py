"""Whether each entry of the list in use can be found. Knows rows and cosines; says how many are wrong, and not which.

Two entries that are nearly one picture hide each other: neither is clearly nearer than the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from firmware.match.watchlist import Watchlist
from models.manifest import ModelError
from models.portrait import DUPLICATE_SIMILARITY

ROWS_A_STEP = 16
"""30 ms in a list of 10,000."""
MOST_ROWS = 512
"""Of one examination: all of a long list would hold up its arming for seconds. The next one takes others."""


class Examination:
    """Of one list, again and again. One thread goes on with it; any may read the alarms.

    Args:
        watchlist: the one in use.
    """

    def __init__(self, watchlist: Watchlist) -> None:
        self.alarms: tuple[str, ...] = ()
        """What a person has to know of the list, in words; as the last one found it."""
        self._watchlist = watchlist
        self._done = 0

    def steps(self) -> Iterator[None]:
        """One examination; between two steps, of a few entries each, the street may be looked at.

        Raises:
            ModelError: an entry that was not revoked is not found by its own template.
        """
        rows = len(self._watchlist.entries)
        apart = -(-rows // MOST_ROWS)
        looked_at, hidden = range(self._done % apart, rows, apart), 0
        self._done += 1
        for first in range(0, len(looked_at), ROWS_A_STEP):
            for row in looked_at[first : first + ROWS_A_STEP]:
                examined = self._watchlist.examine(row)
                if examined is None:
                    continue
                if not examined.is_sound:
                    raise ModelError("the list in use: an entry does not find itself")
                hidden += examined.nearest >= DUPLICATE_SIMILARITY
            yield
        words = f"{hidden} of {len(looked_at)} entries resemble another one so much that neither can be found"
        self.alarms = (words,) if hidden else ()
